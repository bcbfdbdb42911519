"""Many runs at once, and a lost run found again in the list."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.errors import ProviderAnswerLostError, ProviderUnavailableError
from app.models import JobKind, JobStatus, Order
from app.services.replicate_client import ReplicateClient
from tests.services.replicate_client.scripted import BASE_URL, RUN, Upstream

SINCE = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ORDER = Order(
    "replicate",
    JobKind.GENERATION,
    "owner/name",
    None,
    {"prompt": "a cat", "seed": 7, "guidance_scale": 3},
    expected_outputs=1,
)
INPUT = {"prompt": "a cat", "seed": 7, "guidance_scale": 3.0, "output_format": "webp"}


def run(id_: str, seconds: float = 1, **changed: Any) -> dict[str, Any]:
    created = (SINCE + timedelta(seconds=seconds)).isoformat()
    return {**RUN, "id": id_, "input": INPUT, "created_at": created, **changed}


def page(runs: Sequence[object], following: str | None = None) -> httpx.Response:
    return httpx.Response(200, json={"next": following, "previous": None, "results": list(runs)})


async def test_a_sweep_reads_pages_until_the_runs_are_too_old(
    client: ReplicateClient, upstream: Upstream
) -> None:
    more = f"{BASE_URL}/predictions?cursor=cD0y%3D"
    upstream.on(
        "GET /predictions",
        page([run("a", 9, status="succeeded"), run("b", 8)], more),
        page([run("c", 1), "nonsense", {"status": "starting"}, run("d", -1)], more),
    )
    reports = await client.sweep(JobKind.GENERATION, since=SINCE)
    assert {id_: report.status for id_, report in reports.items()} == {
        "a": JobStatus.SUCCEEDED,
        "b": JobStatus.STARTING,
        "c": JobStatus.STARTING,
    }
    assert [dict(request.url.params) for request in upstream.seen] == [
        {"created_after": "2026-01-01T12:00:00+00:00"},
        {"cursor": "cD0y="},
    ]


async def test_a_sweep_of_trainings_has_their_own_list(client: ReplicateClient, upstream: Upstream) -> None:
    upstream.on("GET /trainings", page([run("a")]))
    assert list(await client.sweep(JobKind.TRAINING, since=SINCE)) == ["a"]
    assert upstream.seen[0].url.query == b""


async def test_a_sweep_never_leaves_the_providers_host(client: ReplicateClient, upstream: Upstream) -> None:
    upstream.on("GET /predictions", page([run("a")], "https://evil.example/v1/predictions?cursor=x"))
    assert list(await client.sweep(JobKind.GENERATION, since=SINCE)) == ["a"]
    assert len(upstream.seen) == 1


async def test_a_sweep_ends_after_twenty_pages(client: ReplicateClient, upstream: Upstream) -> None:
    upstream.on("GET /predictions", page([run("a")], f"{BASE_URL}/predictions?cursor=x"))
    await client.sweep(JobKind.GENERATION, since=SINCE)
    assert len(upstream.seen) == 20


async def test_a_list_that_is_none_is_an_error(client: ReplicateClient, upstream: Upstream) -> None:
    upstream.on("GET /predictions", httpx.Response(200, json={"detail": "hm"}))
    with pytest.raises(ProviderUnavailableError):
        await client.sweep(JobKind.GENERATION, since=SINCE)


async def test_a_lost_run_is_found_by_its_input(client: ReplicateClient, upstream: Upstream) -> None:
    upstream.on(
        "GET /predictions",
        page(
            [
                run("later", 9),
                run("earlier", 2, status="succeeded", output=["https://x/0"]),
                run("tried", 1),
                run("seed", 1, input={**INPUT, "seed": 8}),
                run("less", 1, input={"prompt": "a cat", "seed": 7}),
                run("model", 1, model="owner/other"),
            ]
        ),
    )
    report = await client.find(ORDER, since=SINCE, exclude={"tried"})
    assert report is not None
    assert (report.upstream_id, report.status, report.outputs) == (
        "earlier",
        JobStatus.SUCCEEDED,
        ("https://x/0",),
    )


async def test_a_lost_run_may_seem_older_than_its_order(client: ReplicateClient, upstream: Upstream) -> None:
    upstream.on("GET /predictions", page([run("skewed", -50), run("old", -70)]))
    report = await client.find(ORDER, since=SINCE, exclude=())
    assert report is not None
    assert report.upstream_id == "skewed"


async def test_a_lost_run_must_be_of_the_version_that_was_ordered(
    client: ReplicateClient, upstream: Upstream
) -> None:
    order = replace(ORDER, version="a" * 64)
    upstream.on("GET /predictions", page([run("other", version="b" * 64)]))
    assert await client.find(order, since=SINCE, exclude=()) is None
    upstream.on("GET /predictions", page([run("same", version="a" * 64)]))
    assert await client.find(order, since=SINCE, exclude=()) is not None


async def test_a_lost_training_is_found_among_the_trainings(
    client: ReplicateClient, upstream: Upstream
) -> None:
    order = Order("replicate", JobKind.TRAINING, "ostris/trainer", "b" * 64, {"steps": 10})
    training = run("t1", model="ostris/trainer", version="b" * 64, input={"steps": 10, "hf_token": "***"})
    upstream.on("GET /trainings", page([training]))
    report = await client.find(order, since=SINCE, exclude=())
    assert report is not None
    assert report.upstream_id == "t1"


async def test_an_input_that_the_list_leaves_out_is_asked_for(
    client: ReplicateClient, upstream: Upstream
) -> None:
    listed = run("short")
    del listed["input"]
    upstream.on("GET /predictions", page([listed]))
    upstream.on("GET /predictions/short", httpx.Response(200, json=run("short")))
    report = await client.find(ORDER, since=SINCE, exclude=())
    assert report is not None
    assert report.upstream_id == "short"


async def test_a_picture_sent_along_may_be_shown_under_another_address(
    client: ReplicateClient, upstream: Upstream
) -> None:
    order = replace(ORDER, input={**ORDER.input, "image": "data:image/png;base64,AAAA"})
    upstream.on("GET /predictions", page([run("a", input={**INPUT, "image": "https://x/in.png"})]))
    assert await client.find(order, since=SINCE, exclude=()) is not None


async def test_absence_is_told_only_when_the_whole_list_was_read(
    client: ReplicateClient, upstream: Upstream
) -> None:
    upstream.on("GET /predictions", page([run("other", input={})]))
    assert await client.find(ORDER, since=SINCE, exclude=()) is None
    upstream.on("GET /predictions", page([run("other", input={})], "https://evil.example/next"))
    with pytest.raises(ProviderUnavailableError):
        await client.find(ORDER, since=SINCE, exclude=())


@pytest.mark.parametrize(("seconds", "erased"), [(20, True), (3600, False)])
async def test_a_run_whose_data_is_gone_may_be_the_lost_one(
    client: ReplicateClient, upstream: Upstream, seconds: float, erased: bool
) -> None:
    upstream.on("GET /predictions", page([run("gone", seconds, input={}, data_removed=True)]))
    if erased:
        with pytest.raises(ProviderAnswerLostError):
            await client.find(ORDER, since=SINCE, exclude=())
    assert await client.find(ORDER, since=SINCE, exclude=["gone"]) is None
    if not erased:
        assert await client.find(ORDER, since=SINCE, exclude=()) is None
