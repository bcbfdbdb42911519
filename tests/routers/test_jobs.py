"""`/jobs`: the list, one, cancel, and events."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from app.models import Failure, FailureCode, Job, JobKind, JobStatus
from app.routers.job_events import event_stream
from tests.routers.stand_ins import GENERATION, PAINTED, StandInJobs


async def test_the_list_takes_filters_and_a_cursor(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    response = await edge.get("/jobs?kind=generation&status=succeeded&cursor=abc&limit=5")

    assert [job["id"] for job in response.json()["jobs"]] == ["4f1c"]
    assert response.json()["next_cursor"] == "older"
    assert stand_in_jobs.asked == [(JobKind.GENERATION, JobStatus.SUCCEEDED, "abc", 5)]


@pytest.mark.parametrize("path", ["/jobs", "/jobs/"])
async def test_the_list_gives_20_unless_told_otherwise(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs, path: str
) -> None:
    await edge.get(path)

    assert stand_in_jobs.asked == [(None, None, None, 20)]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("limit=101", "limit: 101 is too large; at most 100 is allowed."),
        ("limit=0", "limit: 0 is too small; at least 1 is allowed."),
        ("limit=x", "limit: 'x' is not a whole number."),
        ("kind=cat", "kind: 'cat' is not one of the choices; 'generation' or 'training' is allowed."),
    ],
)
async def test_a_bad_query_is_explained(edge: httpx.AsyncClient, query: str, sentence: str) -> None:
    response = await edge.get(f"/jobs?{query}")

    assert response.status_code == 422
    assert response.json()["detail"] == sentence


async def test_a_job_is_told_in_full(edge: httpx.AsyncClient) -> None:
    told = (await edge.get("/jobs/4f1c")).json()

    assert told["kind"] == "generation"
    assert told["message"] == "Done: 1 picture."
    assert told["input"] == {"prompt": "a cat", "seed": 7}
    assert told["created_at"] == "2026-01-01T12:00:00Z"
    assert told["images"] == [
        {
            "url": "/get-image/generated_image_4f1c_1.webp",
            "media_type": "image/webp",
            "width": 512,
            "height": 512,
            "size_bytes": 1000,
            "sha256": "0" * 64,
        }
    ]


async def test_a_job_that_ended_badly_says_why(edge: httpx.AsyncClient, stand_in_jobs: StandInJobs) -> None:
    failure = Failure(FailureCode.INTERRUPTED, "The run was interrupted.")
    stand_in_jobs.job = replace(GENERATION, status=JobStatus.FAILED, failure=failure)

    told = (await edge.get("/jobs/4f1c/")).json()

    assert told["failure"] == {
        "code": "interrupted",
        "detail": "The run was interrupted.",
        "provider_details": None,
    }


async def test_an_unknown_job_is_not_found(edge: httpx.AsyncClient) -> None:
    for response in (
        await edge.get("/jobs/nobody"),
        await edge.get("/jobs/nobody/events"),
        await edge.post("/jobs/nobody/cancel"),
    ):
        assert response.status_code == 404
        assert response.json()["code"] == "job_not_found"


async def test_cancel_tells_how_the_job_stands(edge: httpx.AsyncClient, stand_in_jobs: StandInJobs) -> None:
    stand_in_jobs.job = replace(GENERATION, cancel_requested=True)
    asked = await edge.post("/jobs/4f1c/cancel")
    stand_in_jobs.job = replace(GENERATION, status=JobStatus.CANCELED)
    ended = await edge.post("/jobs/4f1c/cancel/")

    assert (asked.status_code, asked.json()["message"]) == (
        202,
        "Being canceled; where the provider cannot stop it, it ends by itself.",
    )
    assert (ended.status_code, ended.json()["status"]) == (200, "canceled")


async def test_events_tell_every_change_and_end_with_the_job(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    stand_in_jobs.job = GENERATION
    stand_in_jobs.changes = (GENERATION, replace(GENERATION, revision=2), PAINTED)

    response = await edge.get("/jobs/4f1c/events")

    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    retry, *events = response.text.removesuffix("\n\n").split("\n\n")
    assert retry == "retry: 2000"
    assert [event.split("\n")[:2] for event in events] == [
        ["id: 1", "event: job"],
        ["id: 2", "event: job"],
        ["id: 4", "event: job"],
    ]
    assert json.loads(events[-1].split("\n")[2].removeprefix("data: "))["status"] == "succeeded"


async def test_events_go_on_after_the_last_one_seen(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs
) -> None:
    stand_in_jobs.changes = (GENERATION, replace(GENERATION, revision=2), PAINTED)

    by_header = await edge.get("/jobs/4f1c/events", headers={"Last-Event-ID": "2"})
    by_query = await edge.get("/jobs/4f1c/events?last_event_id=2")

    assert by_header.text == by_query.text
    assert "id: 4\n" in by_header.text
    assert "id: 2\n" not in by_header.text


async def test_who_has_seen_the_end_is_told_to_stop(edge: httpx.AsyncClient) -> None:
    response = await edge.get("/jobs/4f1c/events", headers={"Last-Event-ID": "4"})

    assert response.status_code == 204
    assert response.content == b""


@pytest.mark.parametrize("given", ["latest", "-1", "99", "9" * 5000, "٤"])
async def test_an_event_id_that_makes_no_sense_counts_as_none(
    edge: httpx.AsyncClient, stand_in_jobs: StandInJobs, given: str
) -> None:
    await edge.get("/jobs/4f1c/events", params={"last_event_id": given})

    assert stand_in_jobs.asked[-1] == ("4f1c", None)


async def test_a_quiet_stream_shows_that_it_is_alive() -> None:
    changed = asyncio.Event()

    async def changes() -> AsyncIterator[Job]:
        await changed.wait()
        yield PAINTED

    stream = event_stream(changes(), asyncio.Event(), heartbeat=timedelta(milliseconds=1))

    assert await anext(stream) == b"retry: 2000\n\n"
    assert await anext(stream) == b": still here\n\n"
    assert await anext(stream) == b": still here\n\n"
    changed.set()
    rest = [part async for part in stream if not part.startswith(b":")]
    assert [part.split(b"\n")[0] for part in rest] == [b"id: 4"]


async def test_a_stream_that_nobody_reads_ends_its_watch() -> None:
    ended = asyncio.Event()

    async def changes() -> AsyncIterator[Job]:
        try:
            await asyncio.Event().wait()
            yield PAINTED
        finally:
            ended.set()

    stream = event_stream(changes(), asyncio.Event(), heartbeat=timedelta(milliseconds=1))
    await anext(stream)
    await anext(stream)
    await stream.aclose()

    assert ended.is_set()


async def test_a_stream_ends_when_the_server_stops() -> None:
    ended = asyncio.Event()
    stopping = asyncio.Event()

    async def changes() -> AsyncIterator[Job]:
        try:
            yield PAINTED
            await asyncio.Event().wait()
        finally:
            ended.set()

    stream = event_stream(changes(), stopping)
    await anext(stream)
    assert (await anext(stream)).startswith(b"id: 4")
    stopping.set()

    assert [part async for part in stream] == []
    assert ended.is_set()
