"""A lost run found again in the list, or surely not in it."""

from dataclasses import replace

import httpx
import pytest

from app.errors import ProviderAnswerLostError, ProviderUnavailableError
from app.models import JobKind, JobStatus, Order
from app.services.replicate_client import ReplicateClient
from tests.services.replicate_client.listed import INPUT, ORDER, SEEDLESS, SINCE, date, listed, page, run
from tests.services.replicate_client.scripted import BASE_URL, Upstream


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


@pytest.mark.parametrize("skew", [61, 1200, -1200, 14 * 3600])
async def test_a_lost_run_is_found_however_wrong_our_clock_is(
    client: ReplicateClient, upstream: Upstream, skew: float
) -> None:
    upstream.on("GET /predictions", listed(run("lost", 1 - skew), headers=date(5 - skew)))
    for _ in range(2):
        report = await client.find(SEEDLESS, since=SINCE, exclude=())
        assert report is not None
        assert report.upstream_id == "lost"


@pytest.mark.parametrize(
    ("order", "seconds", "found"),
    [(SEEDLESS, -290, True), (SEEDLESS, -310, False), (ORDER, -3590, True), (ORDER, -3610, False)],
)
async def test_a_run_with_the_orders_seed_is_recognized_an_hour_off_while_no_answer_had_a_date(
    client: ReplicateClient, upstream: Upstream, order: Order, seconds: float, found: bool
) -> None:
    upstream.on("GET /predictions", listed(run("far", seconds)))
    report = await client.find(order, since=SINCE, exclude=())
    assert (report is not None) is found


async def test_once_the_time_at_replicate_is_known_five_minutes_are_searched(
    client: ReplicateClient, upstream: Upstream
) -> None:
    upstream.on("GET /predictions", listed(run("a", -310), run("b", -1000), headers=date(0)))
    await client.sweep(JobKind.GENERATION, since=SINCE)
    assert await client.find(ORDER, since=SINCE, exclude=()) is None
    assert upstream.seen[-1].url.params["created_after"] == "2026-01-01T11:55:00+00:00"


async def test_of_equal_runs_the_first_since_the_order_is_taken_and_else_the_last_before(
    client: ReplicateClient, upstream: Upstream
) -> None:
    upstream.on("GET /predictions", listed(run("d", 30), run("c", 1), run("b", -100), run("a", -200)))
    found, tried = [], set[str]()
    while report := await client.find(ORDER, since=SINCE, exclude=tried):
        found.append(report.upstream_id)
        tried.add(report.upstream_id)
    assert found == ["c", "d", "b", "a"]


async def test_more_runs_than_can_be_read_are_no_matter_once_the_time_of_the_order_is_reached(
    client: ReplicateClient, upstream: Upstream
) -> None:
    following = f"{BASE_URL}/predictions?cursor=x"
    upstream.on(
        "GET /predictions", *[page([run("other", seconds, input={})], following) for seconds in (9, -301)]
    )
    assert await client.find(ORDER, since=SINCE, exclude=()) is None
    assert len(upstream.seen) == 20
    upstream.on("GET /predictions", page([run("other", -20, input={})], following))
    with pytest.raises(ProviderUnavailableError):
        await client.find(ORDER, since=SINCE, exclude=())
    # The clocks being known, a smaller distance is enough.
    dated = page([run("other", -20, input={})], following)
    dated.headers.update(date(0))
    upstream.on("GET /predictions", dated)
    assert await client.find(ORDER, since=SINCE, exclude=()) is None


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


@pytest.mark.parametrize(
    ("seconds", "headers", "erased"),
    [
        (20, {}, True),
        (3600, {}, False),
        (-200, {}, True),
        (-1000, {}, False),
        (20, date(0), True),
        (-5, date(0), True),
        (-60, date(0), False),
        (-60, date(-61), True),
    ],
)
async def test_a_run_whose_data_is_gone_may_be_the_lost_one(
    client: ReplicateClient, upstream: Upstream, seconds: float, headers: dict[str, str], erased: bool
) -> None:
    gone = run("gone", seconds, input={}, data_removed=True)
    upstream.on("GET /predictions", listed(gone, headers=headers))
    if erased:
        with pytest.raises(ProviderAnswerLostError):
            await client.find(ORDER, since=SINCE, exclude=())
    else:
        assert await client.find(ORDER, since=SINCE, exclude=()) is None
    assert await client.find(ORDER, since=SINCE, exclude=["gone"]) is None
