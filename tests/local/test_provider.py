"""The provider `local` with models that are really loaded: requests in, pictures out."""

import base64
import io
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from PIL import Image

from app.clock import SystemClock
from app.models import FailureCode, JobStatus
from app.services.local_diffusers.client import LocalDiffusers
from tests.local.asking import begin, pictures_of
from tests.local.disk import Disk, batch, difference, everywhere, painted_by_diffusers
from tests.local.original_layout import sdxl_weights
from tests.local.tiny_loras import text_encoder_lora
from tests.services.local_diffusers.engine.waiting import end_of, run_of

Serving = Callable[..., AbstractAsyncContextManager[LocalDiffusers]]


@pytest.fixture
def serving(disk: Disk, tmp_path: Path, sdxl: StableDiffusionXLPipeline) -> Serving:
    """Start the provider on a disk with one model, `painter`, and whatever else a test has put there."""
    disk.put_folder("painter", sdxl)

    @asynccontextmanager
    async def started(*, memory_bytes: int | None = None) -> AsyncIterator[LocalDiffusers]:
        local = LocalDiffusers(
            settings=disk.settings,
            folder=tmp_path / "local_runs",
            clock=SystemClock(),
            memory_bytes=memory_bytes,
        )
        await local.start()
        try:
            yield local
        finally:
            await local.aclose()

    return started


@everywhere
async def test_a_request_gets_the_pictures_that_diffusers_makes(
    serving: Serving, disk: Disk, sdxl: StableDiffusionXLPipeline
) -> None:
    async with serving() as local:
        report = await begin(local, num_outputs=2)
        pictures = await pictures_of(local, report)
    assert (
        difference(pictures, painted_by_diffusers(sdxl, batch("a red house", "a red house")))
        <= disk.tolerance
    )
    assert report.predict_seconds is not None


@everywhere
async def test_sixty_four_at_once_get_the_pictures_that_they_get_alone(serving: Serving) -> None:
    prompts = [f"house number {number}" for number in range(64)]
    async with serving() as local:
        begun = [await begin(local, prompt, seed=seed, wait=None) for seed, prompt in enumerate(prompts)]
        together = [(await pictures_of(local, await end_of(local, report)))[0] for report in begun]
        alone = [
            (await pictures_of(local, await begin(local, prompt, seed=seed)))[0]
            for seed, prompt in enumerate(prompts)
        ]
    # Reckoned in another order, a sum may end on the other side of a rounding.
    assert difference(together, alone) <= 1
    assert difference(together[:1], together[1:2]) > 0


@everywhere
async def test_a_cancel_stops_four_hundred_steps_within_a_second(serving: Serving) -> None:
    async with serving() as local:
        await begin(local)
        report = await begin(local, num_inference_steps=400, wait=None)
        while report.status is JobStatus.STARTING:
            report = await local.fetch(run_of(report))
        assert report.progress is not None
        assert (report.progress.phase, report.progress.total_steps) == ("generating", 400)
        asked_at = monotonic()
        assert (await local.cancel(run_of(report))).status is JobStatus.CANCELED
        answered_at = monotonic()
        assert answered_at - asked_at < 1
        await pictures_of(local, await begin(local, num_inference_steps=1))
        # The other request could begin only when the canceled one had stopped.
        assert monotonic() - answered_at < 3


@everywhere
async def test_models_make_room_for_each_other(
    serving: Serving, disk: Disk, sd15: StableDiffusionPipeline
) -> None:
    disk.put_folder("sketcher", sd15)
    sizes = [model.weight_bytes(disk.settings.precision) for model in disk.shelf().models.values()]
    async with serving(memory_bytes=max(sizes)) as local:
        for model in ("local/painter", "local/sketcher", "local/painter"):
            await pictures_of(local, await begin(local, model=model))
            assert [info.name for info in await local.models() if info.is_loaded] == [model]


async def test_a_model_that_cannot_be_loaded_fails_its_requests_and_no_others(
    serving: Serving, disk: Disk, sdxl: StableDiffusionXLPipeline
) -> None:
    disk.put_file("lonely", sdxl_weights(sdxl))
    async with serving() as local:
        report = await begin(local, model="local/lonely")
        assert (report.status, report.cost_nothing) == (JobStatus.FAILED, True)
        assert report.failure is not None
        assert report.failure.code is FailureCode.PROVIDER_REFUSED
        assert "sdxl" in report.failure.detail
        await pictures_of(local, await begin(local))


@everywhere
async def test_a_picture_a_mask_and_a_lora_go_along(
    serving: Serving, disk: Disk, sdxl: StableDiffusionXLPipeline
) -> None:
    disk.put_lora("words", text_encoder_lora(sdxl))
    file = io.BytesIO()
    Image.new("RGB", (72, 64), "navy").save(file, "PNG")
    image = base64.b64encode(file.getvalue()).decode()
    async with serving() as local:
        variants = [
            await pictures_of(local, await begin(local, width=72, height=64, **options))
            for options in (
                {},
                {"image": image},
                {"image": image, "mask_image": image, "strength": 0.9},
                {"extra_lora": "words", "lora_scale": 0.8},
            )
        ]
    assert {variant[0].size for variant in variants} == {(72, 64)}
    plain, *others = variants
    assert all(difference(plain, other) > 0 for other in others)
