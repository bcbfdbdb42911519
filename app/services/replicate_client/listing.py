"""Replicate's lists of runs: many reports for one call, and lost runs found again."""

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from datetime import datetime, timedelta

import httpx

from app.errors import ProviderAnswerLostError, ProviderUnavailableError
from app.models import JobKind, Order
from app.services.provider import Report
from app.services.replicate_client.reports import moment, report_of
from app.services.replicate_client.wire import Wire

_MOST_PAGES = 20
"""Of a hundred runs each."""
_MARGIN = timedelta(minutes=5)
_MARGIN_UNKNOWN = timedelta(hours=1)
"""How far our clock may be wrong while theirs is unknown; for input whose seed tells it from any other."""
_CLOSE = timedelta(seconds=15)
"""A run that seems this much older than its order is not taken for an earlier one."""
_SENT_WITHIN = timedelta(minutes=5)
"""How long after the sending of a create its run can have come into being."""
_NEWS = timedelta(minutes=1)
"""How much of a correction of their clock makes a list worth asking for anew."""

PATHS = {JobKind.GENERATION: "/predictions", JobKind.TRAINING: "/trainings"}


async def sweep(wire: Wire, kind: JobKind, *, since: datetime) -> dict[str, Report]:
    """All runs made since then by our clock, as far back as twenty pages go."""
    reports = {}
    async for run in _runs(wire, kind, since, timedelta(0)):
        if run is not None:
            report = report_of(run, kind, wire.scrub)
            reports[report.upstream_id] = report
    return reports


async def find(wire: Wire, order: Order, *, since: datetime, exclude: Collection[str]) -> Report | None:
    """The first run with the model and the input of `order` since then by our clock, else the last before.

    Before means up to five minutes, since our clock may have been wrong; an hour as long as theirs is unknown
    and if the input has a seed. Two orders with equal input cannot be told apart. None says that the list, as
    it is shown now, has no such run; one that was made a moment ago may be missing from it.

    Raises `ProviderUnavailableError` when the list could not be read back to that time, and
    `ProviderAnswerLostError` when a run that could be the one has already lost its data.
    """
    clock = wire.their_clock
    margin = _MARGIN if clock.known or order.input.get("seed") is None else _MARGIN_UNKNOWN
    found: dict[str, object] | None = None
    erased = incomplete = False
    reached: datetime | None = None
    async with aclosing(_runs(wire, order.kind, since, margin)) as runs:
        async for run in runs:
            sent = clock.at(since)
            if run is None:
                incomplete = reached is None or reached > sent - clock.error
                break
            created = moment(run.get("created_at"))
            reached = created or reached
            early = created is not None and created < sent - _CLOSE
            if early and found is not None:
                break  # The list is newest first, so the last one that was seen is the first since then.
            if run["id"] in exclude or not _is_of_model(run, order):
                continue
            if "input" not in run and (created is None or created >= sent - _MARGIN):
                whole = await wire.get(f"{PATHS[order.kind]}/{run['id']}")
                run = whole if isinstance(whole, dict) and "id" in whole else run
            if _has_input_of(run, order):
                found = run
            elif run.get("data_removed") is True:
                erased = erased or created is None or -clock.error <= created - sent <= _SENT_WITHIN
    if found is not None:
        return report_of(found, order.kind, wire.scrub, expected_outputs=order.expected_outputs)
    if incomplete:
        raise ProviderUnavailableError("Replicate lists more runs than can be searched for a lost one.")
    if erased:
        raise ProviderAnswerLostError(
            "Replicate has erased the data of runs of that time, so a lost one cannot be told from them."
        )
    return None


async def _runs(
    wire: Wire, kind: JobKind, since: datetime, margin: timedelta
) -> AsyncGenerator[dict[str, object] | None, None]:
    """The runs made since `margin` before then, newest first.

    At the end None if there are more that were not read.
    """
    path = PATHS[kind]
    start = wire.their_clock.at(since) - margin
    query = _created_after(kind, start)
    page = await wire.get(path, query)
    if wire.their_clock.at(since) - margin < start - _NEWS:
        # Only this answer told what time it is there: it may lack the very runs that are looked for.
        start = wire.their_clock.at(since) - margin
        page = await wire.get(path, _created_after(kind, start))
    for number in range(1, _MOST_PAGES + 1):
        results = page.get("results") if isinstance(page, dict) else None
        if not isinstance(page, dict) or not isinstance(results, list):
            raise ProviderUnavailableError("Replicate's list of runs made no sense.")
        for run in results:
            if not isinstance(run, dict) or not isinstance(run.get("id"), str):
                continue
            created = moment(run.get("created_at"))
            if created is not None and created < start:
                return
            yield run
        following = page.get("next")
        if not following:
            return
        query = _query_of(wire, following)
        if query is None or number == _MOST_PAGES:
            break
        page = await wire.get(path, query)
    yield None


def _created_after(kind: JobKind, start: datetime) -> dict[str, str] | None:
    """The question for runs since then; the list of trainings has none like it."""
    return {"created_after": start.isoformat()} if kind is JobKind.GENERATION else None


def _query_of(wire: Wire, following: object) -> dict[str, str] | None:
    """What to ask for the next page; None when its address is not the provider's."""
    try:
        url = httpx.URL(str(following))
    except httpx.InvalidURL:
        return None
    return dict(url.params) if url.host == wire.base_url.host else None


def _is_of_model(run: dict[str, object], order: Order) -> bool:
    model = run.get("model")
    if isinstance(model, str) and model and model.lower() != order.model.lower():
        return False
    return order.version is None or run.get("version") in (order.version, None)


def _has_input_of(run: dict[str, object], order: Order) -> bool:
    """Whether the run was given everything that `order` gives; 28 and 28.0 are the same.

    A picture sent as a `data:` address may be shown under another, so it is not compared.
    """
    given = run.get("input")
    if not isinstance(given, dict):
        return False
    return all(
        name in given and given[name] == value
        for name, value in order.input.items()
        if not (isinstance(value, str) and value.startswith("data:"))
    )
