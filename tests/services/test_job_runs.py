"""How jobs are sent: once, by one process, whatever comes in between."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from app.errors import ProviderAnswerLostError, ProviderRefusedError, ProviderUnavailableError
from app.models import FailureCode, JobStatus
from app.services.provider import Report
from tests.fake_provider import OUTPUT, FakeProvider, Process, generation, process, unsent_training
from tests.manual_clock import ManualClock

LOST = ProviderAnswerLostError("No answer came.")
BUSY = ProviderUnavailableError("Replicate is busy.", retry_after=timedelta(seconds=7))


async def test_a_job_is_on_disk_before_the_provider_is_called(
    ours: Process, other: Process, provider: FakeProvider
) -> None:
    provider.arriving.clear()
    task = asyncio.create_task(ours.generate())
    await provider.until_called("create")
    (on_disk,) = (await other.jobs.list(kind=None, status=None, cursor=None, limit=10)).jobs
    assert on_disk.may_be_running
    provider.arriving.set()
    assert (await task).id == on_disk.id


async def test_a_report_that_overtakes_the_answer_is_kept(ours: Process, provider: FakeProvider) -> None:
    provider.answering.clear()
    task = asyncio.create_task(ours.generate())
    await provider.until_made()
    (job,) = (await ours.jobs.list(kind=None, status=None, cursor=None, limit=1)).jobs
    early = await ours.door.apply(job, Report(JobStatus.SUCCEEDED, "run1", outputs=(OUTPUT,)))
    provider.answering.set()
    assert await task == early
    assert (early.status, len(early.images)) == (JobStatus.SUCCEEDED, 1)
    assert (provider.calls["create"], provider.calls["download"]) == (1, 1)


async def test_two_reports_of_the_end_bring_the_pictures_home_once(
    ours: Process, provider: FakeProvider
) -> None:
    job = await ours.generate()
    report = provider.finish("run1")
    ends = await asyncio.gather(*(ours.door.apply(job, report) for _ in range(5)))
    assert ends == [ends[0]] * 5
    assert provider.calls["download"] == 1


async def test_two_processes_hear_of_the_end_and_agree(
    ours: Process, other: Process, provider: FakeProvider
) -> None:
    job = await ours.generate()
    report = provider.finish("run1")
    ends = await asyncio.gather(*(process.door.apply(job, report) for process in (ours, other)))
    assert [(end.status, end.revision) for end in ends] == [(JobStatus.SUCCEEDED, job.revision + 1)] * 2
    assert ends[0].images == ends[1].images


async def test_sending_is_claimed_once(ours: Process, other: Process, clock: ManualClock) -> None:
    job = await ours.record(unsent_training(clock))
    claims = await asyncio.gather(
        *(process.door.claim_sending(job, job.order) for process in (ours, other) for _ in range(3))
    )
    assert len([claim for claim in claims if claim is not None]) == 1


async def test_two_processes_that_take_up_one_job_send_it_once(
    ours: Process, other: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    job = await ours.record(unsent_training(clock))
    provider.preparing.clear()
    taken_up = [asyncio.create_task(process.runs.resume(job)) for process in (ours, other)]
    await provider.until_called("prepare", 2)
    provider.preparing.set()
    await asyncio.gather(*taken_up)
    assert (provider.calls["prepare"], provider.calls["create"]) == (2, 1)
    assert (await ours.jobs.get(job.id)).upstream_id == "run1"


@pytest.mark.parametrize(
    "fault",
    [BUSY, ProviderRefusedError("No such file.", failure_code="provider_refused", upstream_status=422)],
)
async def test_who_fails_to_prepare_does_not_undo_what_another_process_has_sent(
    tmp_path: Path,
    ours: Process,
    provider: FakeProvider,
    clock: ManualClock,
    fault: ProviderUnavailableError | ProviderRefusedError,
) -> None:
    job = await ours.record(unsent_training(clock))
    elsewhere = FakeProvider(clock)
    elsewhere.preparing.clear()
    async with process(tmp_path, elsewhere, clock) as slow:
        late = asyncio.create_task(slow.runs.resume(job))
        await elsewhere.until_called("prepare")

        provider.answering.clear()
        first = asyncio.create_task(ours.runs.resume(job))
        await provider.until_made()

        elsewhere.down = fault
        elsewhere.preparing.set()
        await late
        provider.answering.set()
        await first
    after = await ours.jobs.get(job.id)
    assert (after.status, after.upstream_id) == (JobStatus.STARTING, "run1")
    clock.advance(60)
    await ours.reconciler.run_once()
    assert provider.calls["create"] == 1


async def test_a_job_that_is_turned_away_is_sent_once_when_the_pause_is_over(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.faults.append(BUSY)
    job = await ours.generate()
    assert (job.status, job.sent_at) == (JobStatus.QUEUED, None)
    assert job.notice is not None
    assert "Replicate is busy." in job.notice

    clock.advance(6.9)
    assert await ours.reconciler.run_once() == 0
    clock.advance(0.1)
    assert await ours.reconciler.run_once() == 1
    assert await ours.reconciler.run_once() == 0
    assert (provider.calls["create"], len(provider.made)) == (2, 1)
    after = await ours.jobs.get(job.id)
    assert (after.status, after.notice) == (JobStatus.STARTING, None)


async def test_a_run_whose_answer_was_lost_is_found_and_not_sent_again(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.faults.append(LOST)
    job = await ours.generate()
    assert job.may_be_running
    clock.advance(1)
    await ours.reconciler.run_once()
    found = await ours.jobs.get(job.id)
    assert (found.upstream_id, found.status, found.notice) == ("run1", JobStatus.STARTING, None)
    assert provider.calls["create"] == 1


async def test_a_run_that_was_never_made_is_sent_again_when_that_is_sure(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.faults.append(LOST)
    job = await ours.generate()
    del provider.made["run1"], provider.runs["run1"]  # It was lost on the way there.
    for _ in range(14):
        clock.advance(1)
        await ours.reconciler.run_once()
    assert provider.calls["create"] == 1
    for _ in range(3):
        clock.advance(1)
        await ours.reconciler.run_once()
    assert provider.calls["create"] == 2
    assert (await ours.jobs.get(job.id)).upstream_id == "run1"


async def test_two_equal_orders_whose_answers_were_lost_get_a_run_each(
    ours: Process, provider: FakeProvider, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    provider.faults.extend([LOST, LOST])
    jobs = [await ours.generate(seed=7) for _ in range(2)]
    for _ in range(20):
        clock.advance(1)
        await ours.reconciler.run_once()
    found = [(await ours.jobs.get(job.id)).upstream_id for job in jobs]
    assert sorted(filter(None, found)) == ["run1", "run2"]
    assert provider.calls["create"] == 2
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_run_that_another_job_has_given_up_is_not_taken_for_ones_own(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    first = await ours.generate(seed=7)
    await ours.door.apply(first, provider.interrupt("run1"))
    provider.faults.append(LOST)
    second = await ours.generate(seed=7)
    clock.advance(1)
    await ours.reconciler.run_once()
    assert (await ours.jobs.get(second.id)).upstream_id == "run2"


async def test_an_interrupted_run_is_repeated_twice_and_then_given_up(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    job = await ours.generate()
    for run in ("run1", "run2", "run3"):
        job = await ours.door.apply(job, provider.interrupt(run))
        clock.advance(4)
        await ours.reconciler.run_once()
        job = await ours.jobs.get(job.id)
    assert job.status is JobStatus.FAILED
    assert job.failure is not None
    assert job.failure.code is FailureCode.INTERRUPTED
    assert (provider.calls["create"], job.tried) == (3, ("run1", "run2"))


async def test_a_refused_job_has_failed_for_the_reason_that_was_given(
    ours: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.faults.append(
        ProviderRefusedError("No credit.", failure_code="provider_out_of_credit", upstream_status=402)
    )
    job = await ours.generate()
    assert job.status is JobStatus.FAILED
    assert job.failure is not None
    assert (job.failure.code, job.failure.detail) == (FailureCode.PROVIDER_OUT_OF_CREDIT, "No credit.")
    clock.advance(3600)
    assert await ours.reconciler.run_once() == 0


async def test_a_process_that_stops_leaves_its_job_to_the_next_one(
    tmp_path: Path, provider: FakeProvider, clock: ManualClock
) -> None:
    async with process(tmp_path, provider, clock) as first:
        provider.answering.clear()
        task = asyncio.create_task(first.generate())
        await provider.until_made()
        task.cancel()
    provider.answering.set()
    async with process(tmp_path, provider, clock) as second:
        clock.advance(15)
        await second.reconciler.run_once()
        (job,) = (await second.jobs.list(kind=None, status=None, cursor=None, limit=10)).jobs
    assert (job.status, job.upstream_id) == (JobStatus.STARTING, "run1")
    assert provider.calls["create"] == 1


async def test_a_job_that_is_worked_on_does_not_fall_due(
    ours: Process, other: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    provider.answering.clear()
    task = asyncio.create_task(ours.generate())
    await provider.until_made()
    await ours.runs.start_holding()
    await asyncio.sleep(0)
    for _ in range(12):
        clock.advance(5)
        await asyncio.sleep(0)
        # Writes are done in their order, so the renewal is on disk after this one.
        await ours.store.hold([], until=clock.now())
        assert await other.reconciler.run_once() == 0
    provider.answering.set()
    await task
    assert provider.calls["find"] == 0


async def test_jobs_that_are_due_belong_to_one_process_each(
    ours: Process, other: Process, provider: FakeProvider, clock: ManualClock
) -> None:
    for number in range(20):
        await ours.record(generation(clock, number, upstream_id=None))
    taken_up = 0
    while counts := await asyncio.gather(ours.reconciler.run_once(), other.reconciler.run_once()):
        taken_up += sum(counts)
        if not any(counts):
            break
    assert taken_up == 20
    assert (provider.calls["create"], len(provider.made)) == (20, 20)
