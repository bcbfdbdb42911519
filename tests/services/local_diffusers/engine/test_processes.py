"""Several processes on one folder of runs, some of which die."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.errors import ProviderUnavailableError
from app.models import FailureCode, JobKind, JobStatus, Run
from app.services.local_diffusers.client import SWEPT_EVERY_SECONDS, LocalDiffusers
from app.services.local_diffusers.model_settings import LocalModelSettings
from app.services.local_diffusers.run_folder import KEPT_FOR
from tests.fake_provider import until
from tests.manual_clock import ManualClock
from tests.services.local_diffusers.engine.conftest import Planned, Start
from tests.services.local_diffusers.engine.fake_painters import REAL_SECONDS, FakePainters, Gate
from tests.services.local_diffusers.engine.waiting import end_of, picture_at, reached, run_of

WAIT = timedelta(minutes=1)
ROOT = Path(__file__).parents[4]


@pytest.fixture
async def other(start: Start) -> AsyncIterator[LocalDiffusers]:
    """A second process on the same folder, which paints nothing."""
    async with start(FakePainters()) as other:
        yield other


@pytest.fixture
async def real_process(
    model_settings: LocalModelSettings, tmp_path: Path
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Run]]:
    """A process that paints for ever, and the run that it paints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.services.local_diffusers.engine.other_process"),
        *(str(model_settings.models_dir), str(tmp_path / "local_runs")),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(3 * REAL_SECONDS):
            line = await process.stdout.readline()
        yield process, Run(JobKind.GENERATION, line.decode().strip())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_any_process_sees_every_run_and_fetches_its_pictures(
    local: LocalDiffusers, other: LocalDiffusers, planned: Planned, clock: ManualClock
) -> None:
    order = await planned()
    report = await local.create(order, wait=WAIT, secrets={})
    assert await other.fetch(run_of(report)) == report
    assert await other.sweep(JobKind.GENERATION, since=clock.now()) == {report.upstream_id: report}
    assert await other.sweep(JobKind.TRAINING, since=clock.now()) == {}
    assert await other.find(order, since=clock.now(), exclude=()) == report
    assert await picture_at(other, report.outputs[0]) == await picture_at(local, report.outputs[0])


async def test_any_process_cancels_every_run_at_once(
    local: LocalDiffusers, other: LocalDiffusers, planned: Planned, painters: FakePainters, clock: ManualClock
) -> None:
    gate = painters.at_step[3] = Gate()
    answer = asyncio.create_task(local.create(await planned(num_inference_steps=400), wait=WAIT, secrets={}))
    await reached(gate)
    runs = await other.sweep(JobKind.GENERATION, since=clock.now())
    assert [(await other.cancel(run_of(report))).status for report in runs.values()] == [JobStatus.CANCELED]
    gate.opened.set()
    assert (await answer).status is JobStatus.CANCELED
    assert painters.steps_taken == 3


async def test_a_run_is_found_by_its_order_alone(
    local: LocalDiffusers, planned: Planned, clock: ManualClock
) -> None:
    order, another = await planned(seed=1), await planned(seed=2)
    first = await local.create(order, wait=WAIT, secrets={})
    began = clock.now()
    clock.advance(10)
    second = await local.create(order, wait=WAIT, secrets={})
    assert await local.find(order, since=began, exclude=()) == first
    assert await local.find(order, since=began, exclude={first.upstream_id}) == second
    assert await local.find(order, since=clock.now(), exclude=()) == second
    assert await local.find(another, since=began, exclude=()) is None


async def test_a_run_whose_process_was_killed_is_interrupted_and_may_be_run_again(
    local: LocalDiffusers, real_process: tuple[asyncio.subprocess.Process, Run]
) -> None:
    process, run = real_process
    assert (await local.fetch(run)).status is JobStatus.PROCESSING
    process.kill()
    await process.wait()
    report = await local.fetch(run)
    assert (report.status, report.reruns, report.cost_nothing) == (JobStatus.FAILED, 2, True)
    assert report.failure is not None
    assert report.failure.code is FailureCode.INTERRUPTED
    assert await local.fetch(run) == report
    assert await local.cancel(run) == report


async def test_a_run_in_a_real_process_is_canceled_from_here(
    local: LocalDiffusers, real_process: tuple[asyncio.subprocess.Process, Run]
) -> None:
    process, run = real_process
    assert (await local.cancel(run)).status is JobStatus.CANCELED
    process.kill()
    await process.wait()
    assert (await local.fetch(run)).status is JobStatus.CANCELED


async def test_a_restart_finds_what_was_finished_and_what_was_not(
    start: Start, planned: Planned, painters: FakePainters
) -> None:
    async with start() as before:
        finished = await before.create(await planned(), wait=WAIT, secrets={})
        gate = painters.at_step[2] = Gate()
        unfinished = await before.create(await planned(), wait=None, secrets={})
        await reached(gate)
        waiting = await before.create(await planned(width=128), wait=None, secrets={})
        closing = asyncio.create_task(before.aclose())
        assert (await end_of(before, unfinished)).status is JobStatus.FAILED
        gate.opened.set()
        await closing
    async with start() as after:
        assert await after.fetch(run_of(finished)) == finished
        assert await picture_at(after, finished.outputs[0])
        for report in (unfinished, waiting):
            report = await after.fetch(run_of(report))
            assert (report.status, report.reruns) == (JobStatus.FAILED, 2)
            assert report.failure is not None
            assert report.failure.code is FailureCode.INTERRUPTED
    assert painters.steps_taken == 4 + 2


async def test_who_waits_when_the_service_stops_is_told_of_the_interruption(
    start: Start, planned: Planned, painters: FakePainters
) -> None:
    gate = painters.at_step[2] = Gate()
    async with start() as local:
        answer = asyncio.create_task(local.create(await planned(), wait=WAIT, secrets={}))
        await reached(gate)
        closing = asyncio.create_task(local.aclose())
        assert (await answer).status is JobStatus.FAILED
        gate.opened.set()
        await closing


async def test_old_runs_are_swept_and_those_of_living_processes_kept(
    start: Start, planned: Planned, painters: FakePainters, clock: ManualClock, tmp_path: Path
) -> None:
    async with start() as local:
        old = await local.create(await planned(), wait=WAIT, secrets={})
        gate = painters.at_step[2] = Gate()
        painting = await local.create(await planned(), wait=None, secrets={})
        await reached(gate)
        clock.advance(KEPT_FOR.total_seconds() - SWEPT_EVERY_SECONDS)
        recent = await local.create(await planned(width=128), wait=None, secrets={})
        clock.advance(SWEPT_EVERY_SECONDS + 1)
        folder = tmp_path / "local_runs"
        await until(lambda: not (folder / old.upstream_id).exists())
        assert (folder / painting.upstream_id).exists()
        assert (folder / recent.upstream_id).exists()
        gate.opened.set()


async def test_a_disk_that_takes_nothing_is_said_to_be_so(
    local: LocalDiffusers, planned: Planned, tmp_path: Path
) -> None:
    order = await planned()
    folder = tmp_path / "local_runs"
    folder.rename(tmp_path / "elsewhere")
    folder.write_bytes(b"")
    with pytest.raises(ProviderUnavailableError, match="records of local models"):
        await local.create(order, wait=None, secrets={})
    folder.unlink()
    (tmp_path / "elsewhere").rename(folder)
