"""How receivers come to know what happened to jobs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.models import EventState, EventType, JobStatus, Progress
from app.services.notifier import AT_ONCE_PER_HOST, LEASE, RETRIES
from app.signing import verify
from tests.fake_provider import until
from tests.fake_receivers import FakeReceivers, Sender, sender
from tests.manual_clock import ManualClock

HOST = "app.example"
COMPLETED, START, PROGRESS = EventType.COMPLETED, EventType.START, EventType.PROGRESS
PENDING, DELIVERED, GIVEN_UP = EventState.PENDING, EventState.DELIVERED, EventState.GIVEN_UP


@pytest.fixture
def world() -> FakeReceivers:
    """The receivers."""
    return FakeReceivers()


@pytest.fixture
async def ours(tmp_path: Path, world: FakeReceivers, clock: ManualClock) -> AsyncIterator[Sender]:
    """The process that most tests need alone."""
    async with sender(tmp_path, world, clock) as ours:
        yield ours


@pytest.fixture
async def other(
    ours: Sender, tmp_path: Path, world: FakeReceivers, clock: ManualClock
) -> AsyncIterator[Sender]:
    """A second process on the same records."""
    async with sender(tmp_path, world, clock) as other:
        yield other


async def test_the_end_of_a_job_is_delivered_once_and_signed(
    ours: Sender, world: FakeReceivers, clock: ManualClock
) -> None:
    job = await ours.ended()

    assert await ours.send() == 1

    [request] = world.seen
    receiver = await ours.receivers.at("https://app.example/hook")
    headers = {name.lower(): value for name, value in request.headers.items()}
    signed_id = verify(receiver.secrets, headers=headers, body=request.content, now=clock.now())
    assert signed_id == f"evt_{job.id}_completed"
    assert request.headers["content-type"] == "application/json"
    assert world.bodies == [
        {
            "type": "job.completed",
            "timestamp": "2026-01-01T12:00:00Z",
            "data": {"id": job.id, "status": "failed", "revision": 3, "name": "Zoë"},
        }
    ]
    assert await ours.states(job) == [(COMPLETED, DELIVERED, 1)]
    assert await ours.send(1e6) == 0


async def test_the_events_of_a_job_come_in_their_order(ours: Sender, world: FakeReceivers) -> None:
    job = await ours.started()
    job = await ours.change(job, status=JobStatus.PROCESSING, progress=Progress("training", 50))
    job = await ours.change(job, status=JobStatus.FAILED)

    while await ours.send():
        pass

    assert [body["type"] for body in world.bodies] == ["job.start", "job.progress", "job.completed"]


async def test_start_and_progress_of_one_change_come_in_this_order(
    ours: Sender, world: FakeReceivers
) -> None:
    queued = await ours.queued(events=[START, PROGRESS])
    job = await ours.change(queued, status=JobStatus.PROCESSING, progress=Progress("training", 50))

    while await ours.send():
        pass

    assert [body["type"] for body in world.bodies] == ["job.start", "job.progress"]
    assert await ours.states(job) == [(START, DELIVERED, 1), (PROGRESS, DELIVERED, 1)]


async def test_the_next_event_waits_until_the_one_before_is_delivered_or_given_up(
    ours: Sender, world: FakeReceivers
) -> None:
    world.answers[HOST].extend([500, 500, 500])
    job = await ours.started()
    await ours.change(job, status=JobStatus.FAILED)

    assert await ours.send() == 1
    assert await ours.send(4) == 0
    assert await ours.send(1) == 1
    assert await ours.states(job) == [(START, PENDING, 2), (COMPLETED, PENDING, 0)]
    assert await ours.send(30) == 1
    assert await ours.send() == 1
    assert await ours.states(job) == [(START, GIVEN_UP, 3), (COMPLETED, DELIVERED, 1)]


@pytest.mark.parametrize("event", EventType)
async def test_the_pauses_of_the_schedule_are_kept_and_then_the_event_is_given_up(
    ours: Sender, world: FakeReceivers, event: EventType
) -> None:
    world.answers[HOST].extend([503] * 20)
    job = await ours.started(events=[event])
    if event is not START:
        progress = Progress("training", 50) if event is PROGRESS else None
        status = JobStatus.PROCESSING if event is PROGRESS else JobStatus.FAILED
        await ours.change(job, status=status, progress=progress)

    assert await ours.send() == 1
    for pause in RETRIES[event]:
        assert await ours.send(pause.total_seconds() - 1) == 0
        assert await ours.send(1) == 1
    assert await ours.send(1e6) == 0

    _, [(row, deliveries)] = await ours.notifier.of_job(job.id)
    assert (row.state, row.due_at) == (GIVEN_UP, None)
    assert [delivery.attempt for delivery in deliveries] == list(range(1, len(RETRIES[event]) + 2))
    assert {delivery.status_code for delivery in deliveries} == {503}
    assert deliveries[-1].error == "The receiver answered with status 503; 200 to 299 is expected."
    assert len(set(world.ids)) == 1
    assert len({request.content for request in world.seen}) == 1


async def test_a_receiver_that_is_gone_gets_no_second_attempt(ours: Sender, world: FakeReceivers) -> None:
    world.answers[HOST].append(410)
    job = await ours.ended()

    await ours.send()

    assert await ours.send(1e6) == 0
    assert await ours.states(job) == [(COMPLETED, GIVEN_UP, 1)]


@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_is_not_followed(ours: Sender, world: FakeReceivers, status: int) -> None:
    world.answers[HOST].append(status)
    job = await ours.ended()

    await ours.send()

    _, [(_, [delivery])] = await ours.notifier.of_job(job.id)
    assert delivery.error == f"The receiver answered with status {status}; redirects are not followed."
    assert [request.headers["Host"] for request in world.seen] == [HOST]


async def test_a_name_that_came_to_mean_a_private_address_is_not_connected_to(
    ours: Sender, world: FakeReceivers
) -> None:
    await ours.receivers.check("https://app.example/hook")
    job = await ours.ended()
    world.addresses[HOST] = "10.0.0.7"

    await ours.send()

    _, [(event, [delivery])] = await ours.notifier.of_job(job.id)
    assert (event.state, delivery.status_code) == (PENDING, None)
    assert "leads to a private address" in (delivery.error or "")
    assert world.seen == []


async def test_of_two_processes_one_sends(ours: Sender, other: Sender, world: FakeReceivers) -> None:
    for number in range(5):
        await ours.ended(number)

    counts = await asyncio.gather(ours.send(), other.send())

    assert sum(counts) == len(world.seen) == len(set(world.ids)) == 5


async def test_what_a_dead_process_had_in_hand_is_sent_again_under_the_same_id(
    ours: Sender, other: Sender, world: FakeReceivers
) -> None:
    world.silent.add(HOST)
    job = await ours.ended()
    dying = asyncio.create_task(ours.send())
    await until(lambda: len(world.seen) == 1)
    await ours.notifier.aclose()
    await asyncio.gather(dying, return_exceptions=True)
    world.silent.clear()

    assert await other.send(LEASE.total_seconds() - 1) == 0
    assert await other.send(1) == 1

    assert world.ids == [f"evt_{job.id}_completed"] * 2
    assert world.seen[0].content == world.seen[1].content
    assert await other.states(job) == [(COMPLETED, DELIVERED, 1)]


async def test_a_host_that_keeps_silent_does_not_hold_up_others(ours: Sender, world: FakeReceivers) -> None:
    world.silent.add("slow.example")
    for number in range(3 * AT_ONCE_PER_HOST):
        await ours.ended(number, "https://slow.example/hook")
    job = await ours.ended(1000)

    sending = asyncio.create_task(ours.send())
    # Which of those that are sent together arrives first is chance.
    await until(lambda: f"evt_{job.id}_completed" in world.ids and len(world.seen) > AT_ONCE_PER_HOST)

    assert len(world.seen) == AT_ONCE_PER_HOST + 1
    later = await ours.ended(1001)
    assert await ours.send() == 1
    assert await ours.states(later) == [(COMPLETED, DELIVERED, 1)]
    await ours.notifier.aclose()
    await asyncio.gather(sending, return_exceptions=True)


async def test_a_backlog_of_one_host_leaves_room_for_others(ours: Sender, world: FakeReceivers) -> None:
    for number in range(40):
        await ours.ended(number)
        await ours.ended(1000 + number, "https://other.example/hook")

    assert await ours.send() == 2 * AT_ONCE_PER_HOST


async def test_the_background_sends_everything_that_is_due(
    ours: Sender, world: FakeReceivers, clock: ManualClock
) -> None:
    for number in range(30):
        job = await ours.started(number)
        await ours.change(job, status=JobStatus.FAILED)

    await ours.notifier.start()
    await until(lambda: len(world.seen) == 60)

    assert len(set(world.ids)) == 60


async def test_a_delivered_event_is_delivered_again_on_request(ours: Sender, world: FakeReceivers) -> None:
    job = await ours.ended()
    await ours.send()

    event, deliveries = await ours.notifier.deliver_again(job.id, f"evt_{job.id}_completed")

    assert (event.state, len(deliveries)) == (PENDING, 1)
    assert await ours.send() == 1
    assert world.ids == [event.id, event.id]
    assert await ours.states(job) == [(COMPLETED, DELIVERED, 2)]


async def test_an_event_that_was_given_up_gets_one_more_attempt_on_request(
    ours: Sender, world: FakeReceivers
) -> None:
    world.answers[HOST].extend([500] * 4)
    job = await ours.started(events=[START])
    for pause in (0, 5, 30):
        await ours.send(pause)

    await ours.notifier.deliver_again(job.id, f"evt_{job.id}_start")
    await ours.send()
    assert await ours.states(job) == [(START, GIVEN_UP, 4)]

    await ours.notifier.deliver_again(job.id, f"evt_{job.id}_start")
    await ours.send()
    assert await ours.states(job) == [(START, DELIVERED, 5)]


async def test_a_request_for_another_delivery_outlives_the_failure_of_one_that_is_under_way(
    ours: Sender, world: FakeReceivers
) -> None:
    world.silent.add(HOST)
    world.answers[HOST].append(410)
    job = await ours.ended()
    sending = asyncio.create_task(ours.send())
    await until(lambda: len(world.seen) == 1)

    await ours.notifier.deliver_again(job.id, f"evt_{job.id}_completed")
    world.speak.set()
    await sending

    assert await ours.states(job) == [(COMPLETED, PENDING, 1)]


async def test_progress_waits_its_turn_and_is_not_told_twice(ours: Sender, world: FakeReceivers) -> None:
    job = await ours.started(events=[PROGRESS])
    for percent in (10, 20, 30):
        job = await ours.change(job, status=JobStatus.PROCESSING, progress=Progress("training", percent))

    assert await ours.send() == 1
    assert world.bodies[0]["data"]["revision"] == 5
    job = await ours.change(job, status=JobStatus.PROCESSING, progress=Progress("training", 40))
    assert await ours.send() == 1
    assert await ours.states(job) == [(PROGRESS, DELIVERED, 1)] * 2


async def test_a_receiver_is_its_url_without_the_query(ours: Sender, world: FakeReceivers) -> None:
    first = await ours.receivers.at("https://APP.example/hook?job=1")
    second = await ours.receivers.at("https://app.example/hook?job=2#part")
    elsewhere = await ours.receivers.at("https://app.example/other")

    assert first == second
    assert first.url == "https://app.example/hook"
    assert first.secrets != elsewhere.secrets


async def test_after_a_rotation_both_secrets_sign_until_the_next(
    ours: Sender, world: FakeReceivers, clock: ManualClock
) -> None:
    url = "https://app.example/hook"
    [first] = (await ours.receivers.at(url)).secrets
    second = (await ours.receivers.rotate(url)).secrets[0]
    assert (await ours.receivers.at(url)).secrets == (second, first)
    await ours.ended()
    await ours.send()

    [request] = world.seen
    headers = {name.lower(): value for name, value in request.headers.items()}
    for secret in (first, second):
        assert verify([secret], headers=headers, body=request.content, now=clock.now())
    third = (await ours.receivers.rotate(url)).secrets[0]
    assert (await ours.receivers.at(url)).secrets == (third, second)
