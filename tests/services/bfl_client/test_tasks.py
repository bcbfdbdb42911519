"""How a task is asked for, and what each of its statuses becomes."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.errors import ProviderRefusedError, ProviderUnavailableError
from app.models import FailureCode, JobKind, JobStatus, JsonValue, Progress, Run
from app.services.bfl_client import BflClient
from app.services.provider import Report
from tests.services.bfl_client.conftest import Build
from tests.services.bfl_client.scripted import (
    ASK_BASE,
    ASK_THERE,
    KEY,
    NOT_FOUND,
    POLLING_URL,
    RUN,
    SAMPLE,
    TASK_ID,
    task,
)
from tests.services.replicate_client.scripted import HastyClock, Upstream

READY = task(
    "Ready",
    result={
        "sample": SAMPLE,
        "prompt": "a fluffy cat",
        "seed": 7,
        "start_time": 1767268800.5,
        "end_time": 1767268803.0,
        "duration": 2.5,
    },
    progress=1.0,
)


@pytest.mark.parametrize(
    ("word", "progress", "status", "percent"),
    [
        ("Pending", None, JobStatus.STARTING, None),
        ("Pending", 0, JobStatus.STARTING, 0),
        ("Pending", 0.25, JobStatus.PROCESSING, 25),
        ("Queued", None, JobStatus.STARTING, None),
        ("Uploading", 0.99, JobStatus.PROCESSING, 99),
        ("Reasoning", 0.1, JobStatus.PROCESSING, 10),
        ("Generating", 7, JobStatus.PROCESSING, 100),
        ("Generating", -1, JobStatus.PROCESSING, 0),
        ("Generating", "half", JobStatus.PROCESSING, None),
        ("Generating", True, JobStatus.PROCESSING, None),
        ("Daydreaming", None, JobStatus.PROCESSING, None),
        ("", None, JobStatus.PROCESSING, None),
    ],
)
async def test_a_task_is_under_way_until_it_says_otherwise(
    client: BflClient, upstream: Upstream, word: str, progress: object, status: JobStatus, percent: int | None
) -> None:
    upstream.on(ASK_THERE, httpx.Response(200, json=task(word, progress=progress)))
    expected = None if percent is None else Progress("generating", percent=percent)
    assert await client.fetch(RUN) == Report(status, TASK_ID, url=POLLING_URL, progress=expected)


async def test_a_finished_task_has_its_picture_and_its_times(client: BflClient, upstream: Upstream) -> None:
    upstream.on(ASK_THERE, httpx.Response(200, json=READY))
    assert await client.fetch(RUN) == Report(
        JobStatus.SUCCEEDED,
        TASK_ID,
        url=POLLING_URL,
        outputs=(SAMPLE,),
        logs="prompt: a fluffy cat\nseed: 7",
        progress=Progress("generating", percent=100),
        started_at=datetime(2026, 1, 1, 12, 0, 0, 500000, tzinfo=UTC),
        completed_at=datetime(2026, 1, 1, 12, 0, 3, tzinfo=UTC),
        predict_seconds=2.5,
    )


@pytest.mark.parametrize(
    ("result", "outputs", "seconds"),
    [
        (None, (), None),
        ("odd", (), None),
        ({}, (), None),
        ({"sample": 7}, (), None),
        ({"sample": SAMPLE}, (SAMPLE,), None),
        ({"sample": SAMPLE, "start_time": 1767268800, "end_time": 1767268804}, (SAMPLE,), 4.0),
        ({"sample": SAMPLE, "start_time": 12.5, "end_time": 1e300, "duration": -1}, (SAMPLE,), None),
        ({"sample": SAMPLE, "start_time": "now", "duration": 10**400}, (SAMPLE,), None),
    ],
)
async def test_a_result_is_read_leniently(
    client: BflClient, upstream: Upstream, result: object, outputs: tuple[str, ...], seconds: float | None
) -> None:
    upstream.on(ASK_THERE, httpx.Response(200, json=task("Ready", result=result)))
    report = await client.fetch(RUN)
    assert report.status is JobStatus.SUCCEEDED
    assert (report.outputs, report.predict_seconds, report.logs) == (outputs, seconds, None)


@pytest.mark.parametrize(
    ("word", "details", "code", "sentence"),
    [
        (
            "Request Moderated",
            {"Moderation Reasons": ["Safety Filter", "Derivative Works"]},
            FailureCode.CONTENT_MODERATED,
            "refused the request before anything was made, and nothing was charged.",
        ),
        (
            "Content Moderated",
            None,
            FailureCode.CONTENT_MODERATED,
            "withheld the finished picture, and nothing was charged.",
        ),
        (
            "Error",
            {"error": "Out of cheese"},
            FailureCode.PREDICTION_FAILED,
            "The task failed at Black Forest Labs. It says: Out of cheese",
        ),
        ("Error", "Redo from start", FailureCode.PREDICTION_FAILED, "It says: Redo from start"),
        ("Error", None, FailureCode.PREDICTION_FAILED, "The task failed at Black Forest Labs."),
    ],
)
async def test_a_failed_task_says_why(
    client: BflClient, upstream: Upstream, word: str, details: JsonValue, code: FailureCode, sentence: str
) -> None:
    upstream.on(ASK_THERE, httpx.Response(200, json=task(word, details=details)))
    report = await client.fetch(RUN)
    assert (report.status, report.transient, report.cost_nothing) == (JobStatus.FAILED, False, False)
    assert report.failure is not None
    assert report.failure.code is code
    assert sentence in report.failure.detail
    assert report.failure.provider_details == details


async def test_the_two_kinds_of_moderation_are_told_apart(client: BflClient, upstream: Upstream) -> None:
    sentences = set()
    for word in ("Request Moderated", "Content Moderated"):
        upstream.on(ASK_THERE, httpx.Response(200, json=task(word)))
        failure = (await client.fetch(RUN)).failure
        assert failure is not None
        sentences.add(failure.detail)
    assert len(sentences) == 2


async def test_an_error_may_be_told_in_the_result(client: BflClient, upstream: Upstream) -> None:
    upstream.on(ASK_THERE, httpx.Response(200, json=task("Error", result={"error": "No GPU"})))
    failure = (await client.fetch(RUN)).failure
    assert failure is not None
    assert failure.provider_details == {"error": "No GPU"}
    assert failure.detail.endswith("It says: No GPU")


async def test_details_come_without_the_key_and_within_bounds(client: BflClient, upstream: Upstream) -> None:
    upstream.on(
        ASK_THERE,
        httpx.Response(200, json=task("Error", details={"error": f"{KEY} ran out"})),
        httpx.Response(200, json=task("Error", details=["x" * 20_000])),
        httpx.Response(200, text='{"id": "1", "status": "Error", "details": {"score": NaN}}'),
    )
    kept = []
    for _ in range(3):
        failure = (await client.fetch(RUN)).failure
        assert failure is not None
        assert KEY not in failure.detail
        kept.append(failure.provider_details)
    assert kept[0] == {"error": "[hidden] ran out"}
    assert len(str(kept[1])) < 11_000
    assert kept[2] == {"score": None}


@pytest.mark.parametrize("status", [422, 500, 503])
async def test_a_task_counts_whatever_its_http_status(
    client: BflClient, upstream: Upstream, status: int
) -> None:
    upstream.on(ASK_THERE, httpx.Response(status, json=task("Error", details={"error": "No GPU"})))
    assert (await client.fetch(RUN)).status is JobStatus.FAILED
    assert upstream.calls() == [ASK_THERE]


@pytest.mark.parametrize(
    "unknown",
    [httpx.Response(404, json={"detail": "Not Found"}), httpx.Response(200, json=NOT_FOUND)],
    ids=["404", "status"],
)
async def test_a_task_that_has_moved_is_asked_for_at_the_base(
    client: BflClient, upstream: Upstream, unknown: httpx.Response
) -> None:
    upstream.on(ASK_THERE, unknown).on(ASK_BASE, httpx.Response(200, json=READY))
    report = await client.fetch(RUN)
    assert (report.status, report.url) == (JobStatus.SUCCEEDED, POLLING_URL)
    assert upstream.calls() == [ASK_THERE, ASK_BASE]


async def test_a_task_that_nobody_knows_is_a_404(client: BflClient, upstream: Upstream) -> None:
    upstream.on(ASK_THERE, httpx.Response(404, json=NOT_FOUND)).on(ASK_BASE, httpx.Response(404))
    with pytest.raises(ProviderRefusedError) as caught:
        await client.fetch(RUN)
    assert caught.value.upstream_status == 404
    assert caught.value.detail == f"Black Forest Labs knows no task {TASK_ID!r}."


@pytest.mark.parametrize("url", [None, "https://evil.example/v1/get_result?id=1", f"{POLLING_URL[:8]}[bad"])
async def test_without_an_address_of_bfls_the_base_is_asked(
    client: BflClient, upstream: Upstream, url: str | None
) -> None:
    upstream.on(ASK_BASE, httpx.Response(200, json=READY))
    await client.fetch(Run(JobKind.GENERATION, TASK_ID, url))
    assert upstream.calls() == [ASK_BASE]


async def test_an_id_cannot_lead_elsewhere(client: BflClient, upstream: Upstream) -> None:
    with pytest.raises(ProviderRefusedError):
        await client.fetch(Run(JobKind.GENERATION, "../credits?x=1&id=2#"))
    url = upstream.seen[0].url
    assert (url.path, dict(url.params)) == ("/v1/get_result", {"id": "../credits?x=1&id=2#"})


async def test_canceling_tells_how_the_task_really_stands(client: BflClient, upstream: Upstream) -> None:
    upstream.on(ASK_THERE, httpx.Response(200, json=task("Generating")))
    assert (await client.cancel(RUN)).status is JobStatus.PROCESSING
    assert upstream.calls() == [ASK_THERE]


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ReadTimeout("slow"),
        httpx.ConnectError("refused"),
        httpx.Response(500),
        httpx.Response(503, text="unavailable"),
        httpx.Response(429, json={"detail": "slow down"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=["odd"]),
        httpx.Response(200, json={"id": TASK_ID}),
        httpx.Response(503, json={"id": TASK_ID, "status": "Bad day"}),
    ],
    ids=repr,
)
async def test_a_question_is_asked_again_through_passing_faults(
    client: BflClient, upstream: Upstream, clock: HastyClock, fault: httpx.Response | Exception
) -> None:
    upstream.on(ASK_THERE, fault, fault, httpx.Response(200, json=READY))
    assert (await client.fetch(RUN)).status is JobStatus.SUCCEEDED
    assert clock.slept == [1.0, 2.0]


async def test_a_question_is_given_up_in_time(build: Build, upstream: Upstream, clock: HastyClock) -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        clock.advance(30)
        raise httpx.ReadTimeout("slow", request=request)

    began = clock.now()
    upstream.on(ASK_THERE, slow)
    with pytest.raises(ProviderUnavailableError):
        await build().fetch(RUN)
    assert (clock.now() - began).total_seconds() <= 61
    assert set(upstream.calls()) == {ASK_THERE}


@pytest.mark.parametrize(("asked", "slept"), [("3", [3.0]), ("60", [])])
async def test_a_pause_that_is_asked_for_is_kept_or_told(
    client: BflClient, upstream: Upstream, clock: HastyClock, asked: str, slept: list[float]
) -> None:
    busy = httpx.Response(503, headers={"Retry-After": asked})
    upstream.on(ASK_THERE, busy, httpx.Response(200, json=READY))
    outcome: Any = None
    try:
        outcome = await client.fetch(RUN)
    except ProviderUnavailableError as exc:
        outcome = exc.retry_after
    assert clock.slept == slept
    assert outcome is not None
