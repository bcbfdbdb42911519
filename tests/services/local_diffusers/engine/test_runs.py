"""Runs of local models from their creation to their end."""

import asyncio
import io
from datetime import timedelta

import pytest
from PIL import Image

from app.errors import DownloadError, ProviderRefusedError
from app.models import FailureCode, JobKind, JobStatus, Limits, Run
from app.services.local_diffusers.client import LocalDiffusers
from tests.manual_clock import ManualClock
from tests.services.local_diffusers.engine.conftest import Planned
from tests.services.local_diffusers.engine.fake_painters import FakePainters, Gate
from tests.services.local_diffusers.engine.waiting import end_of, picture_at, reached, run_of

WAIT = timedelta(minutes=1)


@pytest.mark.parametrize(("kind", "name"), [("png", "PNG"), ("webp", "WEBP"), ("jpg", "JPEG")])
async def test_a_caller_who_waits_gets_the_finished_pictures(
    local: LocalDiffusers, planned: Planned, kind: str, name: str
) -> None:
    order = await planned(num_outputs=2, output_format=kind)
    report = await local.create(order, wait=WAIT, secrets={})
    assert (report.status, len(report.outputs)) == (JobStatus.SUCCEEDED, 2)
    pictures = [Image.open(io.BytesIO(await picture_at(local, address))) for address in report.outputs]
    assert [(picture.format, picture.size) for picture in pictures] == [(name, (64, 64))] * 2
    assert len({picture.convert("RGB").getpixel((0, 0)) for picture in pictures}) == 2


async def test_who_does_not_wait_gets_an_answer_at_once(
    local: LocalDiffusers, planned: Planned, painters: FakePainters
) -> None:
    gate = painters.at_load["oak"] = Gate()
    report = await local.create(await planned(), wait=None, secrets={})
    assert report.status is JobStatus.STARTING
    gate.opened.set()
    assert (await end_of(local, report)).status is JobStatus.SUCCEEDED


async def test_who_waits_is_told_how_it_stands_when_the_time_is_over(
    local: LocalDiffusers, planned: Planned, painters: FakePainters, clock: ManualClock
) -> None:
    gate = painters.at_load["oak"] = Gate()
    answer = asyncio.create_task(local.create(await planned(), wait=WAIT, secrets={}))
    await reached(gate)
    while not answer.done():
        clock.advance(61)
        await asyncio.sleep(0)
    assert answer.result().status is JobStatus.STARTING
    gate.opened.set()


async def test_the_progress_is_told_step_by_step(
    local: LocalDiffusers, planned: Planned, painters: FakePainters, clock: ManualClock
) -> None:
    first, later = Gate(), Gate()
    painters.at_step |= {1: first, 101: later}
    report = await local.create(await planned(num_inference_steps=400), wait=None, secrets={})
    await reached(first)
    clock.advance(1)
    first.opened.set()
    await reached(later)
    clock.advance(99)
    painters.at_step[102] = last = Gate()
    later.opened.set()
    await reached(last)
    report = await local.fetch(run_of(report))
    assert report.status is JobStatus.PROCESSING
    assert report.progress is not None
    assert report.progress.phase == "generating"
    assert (report.progress.step, report.progress.total_steps) == (101, 400)
    assert (report.progress.percent, report.progress.eta_seconds) == (25, 296)
    last.opened.set()
    report = await end_of(local, report)
    assert report.predict_seconds == 100


async def test_a_cancel_in_the_middle_is_answered_at_once_and_stops_the_painting(
    local: LocalDiffusers, planned: Planned, painters: FakePainters
) -> None:
    gate = painters.at_step[3] = Gate()
    created = await local.create(await planned(num_inference_steps=400), wait=None, secrets={})
    await reached(gate)
    async with asyncio.timeout(1):
        report = await local.cancel(run_of(created))
    assert report.status is JobStatus.CANCELED
    gate.opened.set()
    del painters.at_step[3]
    assert (await local.create(await planned(), wait=WAIT, secrets={})).status is JobStatus.SUCCEEDED
    assert painters.steps_taken == 3 + 4
    assert (await local.cancel(run_of(created))).status is JobStatus.CANCELED


async def test_a_canceled_run_leaves_its_batch_to_the_others(
    local: LocalDiffusers, planned: Planned, painters: FakePainters
) -> None:
    loading, painting = painters.at_load["oak"], painters.at_step[2] = Gate(), Gate()
    mine = await local.create(await planned(seed=1), wait=None, secrets={})
    other = await local.create(await planned(seed=2), wait=None, secrets={})
    loading.opened.set()
    await reached(painting)
    assert (await local.cancel(run_of(mine))).status is JobStatus.CANCELED
    painting.opened.set()
    assert (await end_of(local, other)).status is JobStatus.SUCCEEDED
    assert [len(batch.items) for batch in painters.batches] == [2]
    assert (await local.fetch(run_of(mine))).status is JobStatus.CANCELED


async def test_what_is_canceled_while_it_waits_is_never_painted(
    local: LocalDiffusers, planned: Planned, painters: FakePainters
) -> None:
    gate = painters.at_step[1] = Gate()
    running = await local.create(await planned(), wait=None, secrets={})
    await reached(gate)
    waiting = await local.create(await planned("a bush"), wait=None, secrets={})
    assert (await local.cancel(run_of(waiting))).status is JobStatus.CANCELED
    gate.opened.set()
    assert (await end_of(local, running)).status is JobStatus.SUCCEEDED
    assert (await local.create(await planned(), wait=WAIT, secrets={})).status is JobStatus.SUCCEEDED
    assert {item.prompt for batch in painters.batches for item in batch.items} == {"a tree"}


async def test_a_cancel_after_the_end_changes_nothing(local: LocalDiffusers, planned: Planned) -> None:
    report = await local.create(await planned(), wait=WAIT, secrets={})
    assert await local.cancel(run_of(report)) == report


async def test_a_caller_who_goes_away_leaves_the_run_going(
    local: LocalDiffusers, planned: Planned, painters: FakePainters, clock: ManualClock
) -> None:
    gate = painters.at_step[1] = Gate()
    order = await planned()
    answer = asyncio.create_task(local.create(order, wait=WAIT, secrets={}))
    await reached(gate)
    answer.cancel()
    gate.opened.set()
    found = await local.find(order, since=clock.now(), exclude=())
    assert found is not None
    assert (await end_of(local, found)).status is JobStatus.SUCCEEDED


async def test_a_fault_of_the_model_fails_the_run_and_not_the_next(
    local: LocalDiffusers, planned: Planned, painters: FakePainters
) -> None:
    painters.paint_fault = lambda _: RuntimeError("secret detail")
    report = await local.create(await planned(num_outputs=4), wait=WAIT, secrets={})
    assert (report.status, report.cost_nothing, report.reruns) == (JobStatus.FAILED, True, 0)
    assert report.failure is not None
    assert report.failure.code is FailureCode.PREDICTION_FAILED
    assert "secret detail" not in report.failure.detail
    painters.paint_fault = lambda _: None
    assert (await local.create(await planned(), wait=WAIT, secrets={})).status is JobStatus.SUCCEEDED


async def test_the_engine_takes_two_batches_at_a_time(local: LocalDiffusers) -> None:
    assert local.limits("local/oak") == Limits(in_all=8, of_model=8)


@pytest.mark.parametrize("run_id", ["", "../..", "0" * 29, "0123456789ab-0123456789abcdef"])
async def test_a_run_that_is_none_is_refused(local: LocalDiffusers, run_id: str) -> None:
    for ask in (local.fetch, local.cancel):
        with pytest.raises(ProviderRefusedError) as caught:
            await ask(Run(JobKind.GENERATION, run_id))
        assert caught.value.upstream_status == 404


@pytest.mark.parametrize(
    "address",
    [
        "local-run:../../etc/passwd",
        "local-run:0123456789ab-0123456789abcdef/made.json",
        "local-run:0123456789ab-0123456789abcdef/1.png",
        "https://example.com/1.png",
    ],
)
async def test_an_address_that_is_none_is_gone(local: LocalDiffusers, address: str) -> None:
    with pytest.raises(DownloadError) as caught:
        await picture_at(local, address)
    assert caught.value.gone
