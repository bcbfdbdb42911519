"""How jobs are canceled, wherever they are in their life."""

import asyncio
from datetime import timedelta

import pytest

from app.errors import ProviderAnswerLostError, ProviderUnavailableError
from app.models import FailureCode, JobStatus
from tests.fake_provider import FakeProvider, Process, unsent_training
from tests.manual_clock import ManualClock

LOST = ProviderAnswerLostError("No answer came.")
BUSY = ProviderUnavailableError("Replicate is busy.", retry_after=timedelta(seconds=7))


async def test_a_job_that_waits_to_be_sent_is_canceled_for_nothing(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.faults.append(BUSY)
    job = await ours.jobs.cancel((await ours.generate()).id)
    assert job.status is JobStatus.CANCELED
    assert job.failure is not None
    assert job.failure.detail == "Canceled before it was sent; nothing was charged."
    clock.advance(60)
    await ours.reconciler.run_once()
    assert (provider.calls["create"], len(provider.made)) == (1, 0)


@pytest.mark.parametrize("by_another_process", [False, True])
async def test_a_job_canceled_while_its_pictures_are_uploaded_is_never_sent(
    ours: Process,
    other: Process,
    provider: FakeProvider,
    clock: ManualClock,
    by_another_process: bool,
) -> None:
    job = await ours.record(unsent_training(clock))
    provider.preparing.clear()
    task = asyncio.create_task(ours.runs.resume(job))
    await provider.until_called("prepare")
    await (other if by_another_process else ours).jobs.cancel(job.id)
    provider.preparing.set()
    await task
    clock.advance(15)
    await ours.reconciler.run_once()
    assert (await ours.jobs.get(job.id)).status is JobStatus.CANCELED
    assert provider.calls["create"] == 0


@pytest.mark.parametrize("by_another_process", [False, True])
async def test_a_job_canceled_while_its_create_is_unanswered_is_canceled_at_the_provider(
    ours: Process, other: Process, provider: FakeProvider, by_another_process: bool
) -> None:
    provider.answering.clear()
    task = asyncio.create_task(ours.generate())
    await provider.until_made()
    (job,) = (await ours.jobs.list(kind=None, status=None, cursor=None, limit=1)).jobs
    canceled = await (other if by_another_process else ours).jobs.cancel(job.id)
    provider.answering.set()
    assert canceled.status is JobStatus.CANCELED
    assert await task == canceled
    assert provider.runs["run1"].status is JobStatus.CANCELED


async def test_a_job_canceled_before_its_create_arrives_is_canceled_as_soon_as_it_is_answered(
    ours: Process, provider: FakeProvider
) -> None:
    provider.arriving.clear()
    task = asyncio.create_task(ours.generate())
    await provider.until_called("create")
    (job,) = (await ours.jobs.list(kind=None, status=None, cursor=None, limit=1)).jobs
    asked = await ours.jobs.cancel(job.id)
    assert (asked.status, asked.cancel_requested) == (JobStatus.QUEUED, True)
    provider.arriving.set()
    assert (await task).status is JobStatus.CANCELED
    assert provider.runs["run1"].status is JobStatus.CANCELED


async def test_a_running_job_is_canceled_at_the_provider(ours: Process, provider: FakeProvider) -> None:
    job = await ours.generate()
    canceled = await ours.jobs.cancel(job.id)
    assert canceled.status is JobStatus.CANCELED
    assert canceled.failure is not None
    assert canceled.failure.code is FailureCode.CANCELED
    assert provider.calls["cancel"] == 1


async def test_a_job_canceled_too_late_has_succeeded(ours: Process, provider: FakeProvider) -> None:
    job = await ours.generate()
    provider.finish("run1")
    late = await ours.jobs.cancel(job.id)
    assert (late.status, len(late.images)) == (JobStatus.SUCCEEDED, 1)
    assert await ours.jobs.cancel(job.id) == late
    assert provider.calls["cancel"] == 1


async def test_a_cancellation_that_could_not_be_passed_on_is_passed_on_later(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    job = await ours.generate()
    provider.down = ProviderUnavailableError("Not reachable.")
    assert (await ours.jobs.cancel(job.id)).status is JobStatus.STARTING
    provider.down = None
    clock.advance(15)
    await ours.reconciler.run_once()
    assert (await ours.jobs.get(job.id)).status is JobStatus.CANCELED


async def test_a_canceled_job_whose_create_never_arrived_is_not_sent_again(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.faults.append(LOST)
    job = await ours.generate()
    del provider.made["run1"], provider.runs["run1"]
    await ours.jobs.cancel(job.id)
    for _ in range(20):
        clock.advance(1)
        await ours.reconciler.run_once()
    assert (await ours.jobs.get(job.id)).status is JobStatus.CANCELED
    assert provider.calls["create"] == 1


async def test_an_interrupted_run_of_a_canceled_job_is_not_repeated(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    job = await ours.generate()
    provider.interrupt("run1")
    await ours.jobs.cancel(job.id)
    clock.advance(60)
    await ours.reconciler.run_once()
    assert (await ours.jobs.get(job.id)).status.is_final
    assert provider.calls["create"] == 1
