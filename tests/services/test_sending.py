"""How much is sent, by whom, and how often, when the provider is short of breath."""

import asyncio
from datetime import timedelta

from app.errors import ProviderAnswerLostError, ProviderUnavailableError
from app.models import Failure, FailureCode, GenerationRequest, JobStatus, TrainingRequest
from app.services.jobs import life
from app.services.jobs.sending_gate import MOST_AT_ONCE, SendingGate
from tests.fake_provider import FakeProvider, Process
from tests.manual_clock import ManualClock

BUSY = ProviderUnavailableError("Replicate is busy.", retry_after=timedelta(seconds=10))
SILENT = ProviderUnavailableError("Replicate is busy.")
LOST = ProviderAnswerLostError("No answer came.")


def test_the_gate_closes_for_as_long_as_is_asked_and_opens_by_doubling(clock: ManualClock) -> None:
    gate = SendingGate(clock)
    assert gate.refused(timedelta(seconds=10)) == timedelta(seconds=10)
    clock.advance(9)
    assert (gate.room(), gate.is_wide_open) == (0, False)
    clock.advance(1)
    rooms = []
    while not gate.is_wide_open:
        rooms.append(gate.room())
        gate.accepted()
    assert rooms == [1, 2, 4]
    assert gate.room() == MOST_AT_ONCE


def test_the_gate_closes_longer_each_time_where_nothing_is_asked(clock: ManualClock) -> None:
    gate = SendingGate(clock)
    pauses = []
    for _ in range(7):
        pause = gate.refused(None)
        pauses.append(pause.total_seconds())
        clock.advance(pause.total_seconds())
    assert pauses == [2, 4, 8, 16, 32, 60, 60]


async def test_a_provider_that_asks_for_patience_is_not_hammered(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.faults.extend([BUSY] * 4)
    for number in range(30):
        clock.advance(0.01)
        await ours.generate(f"picture {number}")
    assert provider.calls["create"] == 1  # The others queue behind the first.
    for _ in range(60):
        clock.advance(0.5)
        await ours.reconciler.run_once()
    assert provider.calls["create"] == 4
    for _ in range(40):
        clock.advance(0.5)
        await ours.reconciler.run_once()
    numbers = [
        int(str(made.order.input["prompt"]).removeprefix("picture ")) for made in provider.made.values()
    ]
    assert sorted(numbers) == list(range(30))
    # Those of one round are under way together; nobody overtakes a whole round.
    assert all(abs(place - number) < MOST_AT_ONCE for place, number in enumerate(numbers))
    assert provider.calls["create"] == 34


async def test_a_job_that_waited_its_turn_is_not_sent_again_after_another_sent_it(
    ours: Process, other: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.faults.append(LOST)
    stale = await ours.generate()
    provider.made.clear()
    provider.runs.clear()
    clock.advance(1)
    await other.reconciler.run_once()
    provider.answering.clear()
    for _ in range(20):
        clock.advance(1)
        round_of_other = asyncio.create_task(other.reconciler.run_once())
        await asyncio.wait({round_of_other}, timeout=0.05)
        if provider.calls["create"] == 2:
            break
    late = asyncio.create_task(ours.runs.resume(stale))
    await provider.until_called("find", provider.calls["find"] + 1)
    provider.answering.set()
    await asyncio.gather(round_of_other, late)
    assert (provider.calls["create"], len(provider.made)) == (2, 1)
    assert (await ours.jobs.get(stale.id)).upstream_id == "run1"


async def test_a_run_that_nobody_wants_any_more_is_canceled(ours: Process, provider: FakeProvider) -> None:
    provider.answering.clear()
    job = await ours.jobs.generate(GenerationRequest("a lighthouse"), wait=None)
    await provider.until_made()
    failure = Failure(FailureCode.DEADLINE_EXCEEDED, "Too late.")
    await ours.door.change(job, lambda j, now: life.ended(j, JobStatus.FAILED, failure, now))
    provider.answering.set()
    assert (await ours.at_rest(job)).status is JobStatus.FAILED
    assert provider.runs["run1"].status is JobStatus.CANCELED


async def test_a_process_that_slept_before_sending_claims_the_job_anew(
    ours: Process, other: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.faults.append(SILENT)
    job = await ours.jobs.generate(GenerationRequest("a lighthouse"), wait=None)
    await ours.at_rest(job)
    clock.advance(60)
    await other.reconciler.run_once()
    assert provider.calls["create"] == 2
    await ours.runs.send(job, wait=None)  # As it was when this process fell asleep.
    assert len(provider.made) == 1


async def test_only_the_process_that_knows_its_secrets_sends_a_training(
    ours: Process, other: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.faults.append(BUSY)
    request = TrainingRequest("TOK", secrets={"hf_token": "hf_123"})
    job = await ours.jobs.train(request, wait=None)
    while (await ours.jobs.get(job.id)).notice is None:  # noqa: ASYNC110 - a row is waited for, not an event
        await asyncio.sleep(0)
    clock.advance(9)
    assert await other.reconciler.run_once() == 0
    while not provider.made:
        clock.advance(1)
        await asyncio.sleep(0)
    assert (await ours.at_rest(job)).upstream_id == "run1"
    assert provider.calls["create"] == 2


async def test_a_training_without_its_secrets_is_not_sent(
    ours: Process, other: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.preparing.clear()
    request = TrainingRequest("TOK", secrets={"hf_token": "hf_123"})
    job = await ours.jobs.train(request, wait=None)
    await provider.until_called("prepare")
    await ours.runs.aclose()
    provider.preparing.set()
    await other.reconciler.run_once()
    ended = await other.jobs.get(job.id)
    assert ended.failure is not None
    assert "start it again" in ended.failure.detail
    assert provider.calls["create"] == 0
