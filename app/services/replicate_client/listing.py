"""Replicate's lists of runs: many reports for one call, and lost runs found again."""

from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta

import httpx

from app.errors import ProviderAnswerLostError, ProviderUnavailableError
from app.models import JobKind, Order
from app.services.provider import Report
from app.services.replicate_client.reports import moment, report_of
from app.services.replicate_client.wire import Wire

_MOST_PAGES = 20
"""Of a hundred runs each."""
_CLOCK_SKEW = timedelta(seconds=60)
_SENT_WITHIN = timedelta(minutes=5)
"""How long after the sending of a create its run can have come into being."""

PATHS = {JobKind.GENERATION: "/predictions", JobKind.TRAINING: "/trainings"}


async def sweep(wire: Wire, kind: JobKind, *, since: datetime) -> dict[str, Report]:
    """All runs made since then, as far back as twenty pages go."""
    reports = {}
    async for run in _runs(wire, kind, since):
        if run is not None:
            report = report_of(run, kind, wire.scrub)
            reports[report.upstream_id] = report
    return reports


async def find(wire: Wire, order: Order, *, since: datetime, exclude: Collection[str]) -> Report | None:
    """The earliest run since then that was made from `order`; None if there surely is none.

    Raises `ProviderUnavailableError` when the list could not be read to its end and
    `ProviderAnswerLostError` when a run that could be the one has already lost its data.
    """
    found: dict[str, object] | None = None
    erased = incomplete = False
    async for run in _runs(wire, order.kind, since - _CLOCK_SKEW):
        if run is None:
            incomplete = True
        elif run["id"] not in exclude and _is_of_model(run, order):
            if "input" not in run:
                whole = await wire.get(f"{PATHS[order.kind]}/{run['id']}")
                run = whole if isinstance(whole, dict) and "id" in whole else run
            if _has_input_of(run, order):
                found = run  # The list is newest first, so the last one stays.
            elif run.get("data_removed") is True:
                created = moment(run.get("created_at"))
                erased = erased or created is None or created <= since + _SENT_WITHIN
    if found is not None:
        return report_of(found, order.kind, wire.scrub, expected_outputs=order.expected_outputs)
    if incomplete:
        raise ProviderUnavailableError("Replicate lists more runs than can be searched for a lost one.")
    if erased:
        raise ProviderAnswerLostError(
            "Replicate has erased the data of runs of that time, so a lost one cannot be told from them."
        )
    return None


async def _runs(wire: Wire, kind: JobKind, since: datetime) -> AsyncIterator[dict[str, object] | None]:
    """The runs made since then, newest first; at the end None if there are more that were not read."""
    query: dict[str, str] | None = None
    if kind is JobKind.GENERATION:
        query = {"created_after": since.isoformat()}
    for _ in range(_MOST_PAGES):
        page = await wire.get(PATHS[kind], query)
        results = page.get("results") if isinstance(page, dict) else None
        if not isinstance(page, dict) or not isinstance(results, list):
            raise ProviderUnavailableError("Replicate's list of runs made no sense.")
        for run in results:
            if not isinstance(run, dict) or not isinstance(run.get("id"), str):
                continue
            created = moment(run.get("created_at"))
            if created is not None and created < since:
                return
            yield run
        following = page.get("next")
        if not following:
            return
        query = _query_of(wire, following)
        if query is None:
            break
    yield None


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
