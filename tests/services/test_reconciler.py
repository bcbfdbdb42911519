"""How jobs are finished that nobody told us about."""

import asyncio
from datetime import timedelta

import pytest

from app.errors import ProviderAnswerLostError, ProviderUnavailableError
from app.models import NO_LIMITS, FailureCode, Job, JobStatus
from app.services.provider import Report
from tests.fake_provider import (
    REAL_SECONDS,
    FakeProvider,
    Process,
    generation,
    unsent_training,
)
from tests.manual_clock import ManualClock

DOWN = ProviderUnavailableError("Replicate cannot be reached at the moment.")


@pytest.fixture
async def sixty(ours: Process) -> list[Job]:
    """Sixty jobs that run at the provider."""
    return [await ours.generate(seed=number) for number in range(60)]


async def test_a_running_job_is_asked_about_until_it_has_ended(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    job = await ours.generate()
    clock.advance(1)
    await ours.reconciler.run_once()
    assert (await ours.jobs.get(job.id)).status is JobStatus.STARTING
    provider.finish("run1")
    clock.advance(5)
    await ours.reconciler.run_once()
    done = await ours.jobs.get(job.id)
    assert (done.status, len(done.images), done.due_at) == (JobStatus.SUCCEEDED, 1, None)
    clock.advance(3600)
    assert await ours.reconciler.run_once() == 0


async def test_of_two_processes_one_asks_about_a_due_job(
    ours: Process, other: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    await ours.generate()
    clock.advance(5)
    counts = await asyncio.gather(ours.reconciler.run_once(), other.reconciler.run_once())
    assert sorted(counts) == [0, 1]
    assert provider.calls["fetch"] == 1


async def test_a_job_whose_process_died_is_taken_over_when_its_lease_is_over(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    now = clock.now()
    await ours.record(generation(clock, 1, upstream_id=None))
    claimed = await ours.store.claim_due(
        now=now,
        until=now + timedelta(seconds=15),
        limit=1,
        rooms={"replicate": 1},
        limits=lambda provider, model: NO_LIMITS,
    )
    assert len(claimed) == 1  # And that is the last that is heard of who claimed it.
    clock.advance(14)
    assert await ours.reconciler.run_once() == 0
    clock.advance(1)
    assert await ours.reconciler.run_once() == 1
    assert provider.calls["create"] == 1


async def test_few_jobs_are_asked_about_one_by_one(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    for number in range(9):
        await ours.generate(seed=number)
    clock.advance(1)
    assert await ours.reconciler.run_once() == 9
    assert (provider.calls["sweep"], provider.calls["fetch"]) == (0, 9)


async def test_many_jobs_are_asked_about_with_one_list(
    ours: Process, sixty: list[Job], provider: FakeProvider, clock: ManualClock
) -> None:
    for upstream_id in provider.runs:
        provider.finish(upstream_id)
    clock.advance(1)
    assert await ours.reconciler.run_once() == 60
    assert (provider.calls["sweep"], provider.calls["fetch"]) == (1, 0)
    done = await ours.jobs.list(kind=None, status=JobStatus.SUCCEEDED, cursor=None, limit=100)
    assert {job.id for job in done.jobs} == {job.id for job in sixty}
    assert all(len(job.images) == 1 for job in done.jobs)


async def test_what_the_list_leaves_out_is_asked_about_by_its_id(
    ours: Process, sixty: list[Job], provider: FakeProvider, clock: ManualClock
) -> None:
    left_out = provider.finish("run60")
    del provider.runs["run60"]
    provider.runs["run1"] = Report(JobStatus.PROCESSING, "run1")
    clock.advance(1)

    task = asyncio.create_task(ours.reconciler.run_once())
    await provider.until_called("sweep")
    provider.runs["run60"] = left_out
    await task
    assert (provider.calls["sweep"], provider.calls["fetch"]) == (1, 1)
    assert (await ours.jobs.get(sixty[0].id)).status is JobStatus.PROCESSING
    assert (await ours.jobs.get(sixty[59].id)).status is JobStatus.SUCCEEDED


async def test_trainings_and_generations_have_lists_of_their_own(
    ours: Process, sixty: list[Job], provider: FakeProvider, clock: ManualClock
) -> None:
    training = await ours.record(unsent_training(clock))
    await ours.runs.resume(training)
    provider.finish("run61")
    clock.advance(1)
    await ours.reconciler.run_once()
    assert (provider.calls["sweep"], provider.calls["fetch"]) == (1, 1)
    done = await ours.jobs.get(training.id)
    assert done.result is not None
    assert done.result.version == "me/cat:abc"


async def test_an_hour_without_the_provider_fails_no_running_job(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    job = await ours.generate()
    provider.finish("run1")
    provider.down = DOWN
    for _ in range(59):
        clock.advance(60)
        await ours.reconciler.run_once()
    assert (await ours.jobs.get(job.id)).status is JobStatus.STARTING
    provider.down = None
    clock.advance(15)
    await ours.reconciler.run_once()
    assert (await ours.jobs.get(job.id)).status is JobStatus.SUCCEEDED


async def test_an_hour_without_the_provider_sends_an_unsent_training_once_after_it(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    job = await ours.record(unsent_training(clock))
    provider.down = DOWN
    for _ in range(60):
        clock.advance(60)
        await ours.reconciler.run_once()
    waiting = await ours.jobs.get(job.id)
    assert waiting.status is JobStatus.QUEUED
    assert waiting.notice == f"Waiting to be sent again: {DOWN.detail}"
    provider.down = None
    for _ in range(3):
        clock.advance(60)
        await ours.reconciler.run_once()
    assert (provider.calls["create"], (await ours.jobs.get(job.id)).upstream_id) == (1, "run1")


async def test_a_lost_answer_is_not_given_up_while_the_list_is_out_of_reach(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.faults.append(ProviderAnswerLostError("No answer came."))
    job = await ours.generate()
    provider.down = DOWN
    for _ in range(59):
        clock.advance(60)
        await ours.reconciler.run_once()
    assert (await ours.jobs.get(job.id)).may_be_running
    provider.down = None
    clock.advance(60)
    await ours.reconciler.run_once()
    assert (await ours.jobs.get(job.id)).upstream_id == "run1"
    assert provider.calls["create"] == 1


async def test_a_job_that_could_not_be_sent_by_its_deadline_has_cost_nothing(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    job = await ours.record(generation(clock, 1, upstream_id=None))
    provider.faults.extend([DOWN] * 100)
    for _ in range(61):
        clock.advance(60)
        await ours.reconciler.run_once()
    failed = await ours.jobs.get(job.id)
    assert failed.status is JobStatus.FAILED
    assert failed.failure is not None
    assert failed.failure.code is FailureCode.PROVIDER_UNAVAILABLE
    assert failed.failure.detail == (
        "It could not be sent in time; nothing was charged. "
        "Waiting to be sent again: Replicate cannot be reached at the moment."
    )
    assert provider.made == {}


async def test_a_run_past_its_deadline_is_canceled_at_the_provider(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    job = await ours.generate()
    for _ in range(61):
        clock.advance(60)
        await ours.reconciler.run_once()
    ended = await ours.jobs.get(job.id)
    assert ended.status.is_final
    assert ended.failure is not None
    assert ended.failure.code is FailureCode.DEADLINE_EXCEEDED
    assert ended.failure.detail == "It did not end within 1 hour."
    assert provider.runs["run1"].status is JobStatus.CANCELED
    assert provider.calls["cancel"] == 1


async def test_a_run_that_ended_just_before_its_deadline_has_succeeded(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    job = await ours.generate()
    provider.down = DOWN
    clock.advance(3601)
    provider.finish("run1")
    provider.down = None
    await ours.reconciler.run_once()
    assert (await ours.jobs.get(job.id)).status is JobStatus.SUCCEEDED
    assert provider.calls["cancel"] == 0


async def test_a_run_past_its_deadline_ends_even_when_nobody_can_be_told(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    job = await ours.generate()
    provider.down = DOWN
    clock.advance(3601)
    await ours.reconciler.run_once()
    assert not (await ours.jobs.get(job.id)).status.is_final  # It may have ended well, for all we know.
    clock.advance(24 * 3600)
    await ours.reconciler.run_once()
    ended = await ours.jobs.get(job.id)
    assert ended.failure is not None
    assert ended.failure.code is FailureCode.DEADLINE_EXCEEDED


async def test_a_run_that_the_provider_does_not_know_any_more_is_lost(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    job = await ours.generate()
    del provider.runs["run1"]
    clock.advance(30)
    await ours.reconciler.run_once()
    assert not (await ours.jobs.get(job.id)).status.is_final  # It may not be shown everywhere yet.
    clock.advance(3601)
    await ours.reconciler.run_once()
    ended = await ours.jobs.get(job.id)
    assert ended.failure is not None
    assert ended.failure.code is FailureCode.OUTPUTS_LOST


async def test_a_job_that_takes_long_to_send_holds_up_no_other(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    quick = await ours.generate()
    await ours.record(unsent_training(clock))
    provider.preparing.clear()
    await ours.reconciler.start()
    await provider.until_called("prepare")
    provider.finish("run1")
    clock.advance(1)  # The next round begins.
    async with asyncio.timeout(REAL_SECONDS):
        while not quick.status.is_final:
            quick = await ours.jobs.get(quick.id)
    assert quick.status is JobStatus.SUCCEEDED


async def test_a_round_that_fails_is_followed_by_others(
    ours: Process, provider: FakeProvider, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    job = await ours.generate()
    provider.runs["run1"] = Report(JobStatus.QUEUED, "run1")  # No provider may say this.
    clock.advance(5)
    await ours.reconciler.run_once()
    provider.finish("run1")
    clock.advance(15)
    await ours.reconciler.run_once()
    assert (await ours.jobs.get(job.id)).status is JobStatus.SUCCEEDED
