"""Many runs at once, since a time by Replicate's own clock."""

import httpx
import pytest

from app.errors import ProviderUnavailableError
from app.models import JobKind, JobStatus, Run
from app.services.replicate_client import ReplicateClient
from tests.services.replicate_client.listed import SINCE, date, listed, page, run
from tests.services.replicate_client.scripted import BASE_URL, Upstream


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


@pytest.mark.parametrize("skew", [61, 1200, -1200])
async def test_a_sweep_is_by_replicates_clock(
    client: ReplicateClient, upstream: Upstream, skew: float
) -> None:
    upstream.on(
        "GET /predictions", listed(run("new", 3 - skew), run("old", -60 - skew), headers=date(5 - skew))
    )
    upstream.on("GET /predictions/any", httpx.Response(200, json=run("any"), headers=date(-skew)))
    await client.fetch(Run(JobKind.GENERATION, "any"))
    assert list(await client.sweep(JobKind.GENERATION, since=SINCE)) == ["new"]
    assert len(upstream.seen) == 2


async def test_the_first_answer_tells_the_time_and_the_list_is_asked_for_anew(
    client: ReplicateClient, upstream: Upstream
) -> None:
    upstream.on("GET /predictions", listed(run("a", -1000), headers=date(-1200)))
    assert list(await client.sweep(JobKind.GENERATION, since=SINCE)) == ["a"]
    assert list(await client.sweep(JobKind.GENERATION, since=SINCE)) == ["a"]
    assert [request.url.params["created_after"] for request in upstream.seen] == [
        "2026-01-01T12:00:00+00:00",
        "2026-01-01T11:40:00+00:00",
        "2026-01-01T11:40:00+00:00",
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Date": "now"},
        {"Date": "Thu, 99 Foo 2026 12:00:00 GMT"},
        {"Date": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"Date": "Sun, 04 Jan 2026 12:00:00 GMT"},
        {**date(-1200), "Age": "1200"},
    ],
    ids=["absent", "no date", "no day", "1970", "days ahead", "from a cache"],
)
async def test_a_date_that_cannot_be_the_time_is_not_believed(
    client: ReplicateClient, upstream: Upstream, headers: dict[str, str]
) -> None:
    upstream.on("GET /predictions", listed(headers=headers))
    for _ in range(2):
        await client.sweep(JobKind.GENERATION, since=SINCE)
    assert [request.url.params["created_after"] for request in upstream.seen] == [
        "2026-01-01T12:00:00+00:00"
    ] * 2


async def test_an_error_page_tells_no_time(client: ReplicateClient, upstream: Upstream) -> None:
    upstream.on("GET /predictions", httpx.Response(502, headers=date(1200)), listed(run("a", 1)))
    assert list(await client.sweep(JobKind.GENERATION, since=SINCE)) == ["a"]
