"""Painting: batches, progress, cancelling, too little memory, other schedulers."""

import weakref
from dataclasses import replace

import pytest
import torch
from diffusers import FluxPipeline, StableDiffusionXLPipeline

from app.errors import InvalidRequestError
from app.services.local_diffusers.failures import OutOfMemoryError
from app.services.local_diffusers.model_settings import Sampler
from app.services.local_diffusers.paint_batches import PaintItem
from app.services.local_diffusers.pipelines import LoadedModel
from tests.local.disk import Disk, batch, difference, everywhere


class CanceledError(Exception):
    """Somebody does not want the picture any more."""


@pytest.fixture
def loaded(disk: Disk, sdxl: StableDiffusionXLPipeline) -> LoadedModel:
    """Stable Diffusion XL, loaded."""
    disk.put_folder("painter", sdxl)
    return disk.load("painter")


@everywhere
def test_a_batch_paints_what_its_items_paint_alone(loaded: LoadedModel) -> None:
    items = (
        PaintItem("a red house", seed=1),
        PaintItem("a dog and a much longer story about it", seed=2, negative_prompt="a cat"),
        PaintItem("", seed=3),
    )
    together = replace(batch(), items=items)

    alone = [loaded.paint(replace(together, items=(item,)))[0] for item in items]

    # Reckoned in another order, a sum may end on the other side of a rounding.
    assert difference(loaded.paint(together), alone) <= 1


@everywhere
def test_the_seed_decides_about_a_picture(loaded: LoadedModel) -> None:
    first, again, other = (loaded.paint(batch(seed=seed)) for seed in (1, 1, 2))

    assert difference(first, again) == 0
    assert difference(first, other) > 0


def test_every_step_is_told_with_their_number(loaded: LoadedModel) -> None:
    told: list[tuple[int, int]] = []

    loaded.paint(batch(steps=4), lambda step, steps: told.append((step, steps)))

    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@everywhere
def test_what_is_raised_in_a_step_ends_the_painting_and_harms_nothing(loaded: LoadedModel) -> None:
    before = loaded.paint(batch())
    told: list[int] = []

    def cancel(step: int, steps: int) -> None:
        told.append(step)
        raise CanceledError

    with pytest.raises(CanceledError):
        loaded.paint(batch(steps=20), cancel)

    assert told == [1]
    assert difference(loaded.paint(batch()), before) == 0


@everywhere
def test_too_little_memory_has_a_name_and_harms_nothing(loaded: LoadedModel) -> None:
    before = loaded.paint(batch())

    def ask_for_a_petabyte(step: int, steps: int) -> None:
        torch.empty(2**50, device=loaded.device.kind)

    with pytest.raises(OutOfMemoryError, match=r"1 x 64 x 64 pixels do not fit .* fewer or smaller pictures"):
        loaded.paint(batch(), ask_for_a_petabyte)

    assert difference(loaded.paint(batch()), before) == 0


def test_a_vae_that_was_turned_to_other_numbers_is_turned_back(
    disk: Disk, sdxl: StableDiffusionXLPipeline
) -> None:
    disk.put_folder("painter", sdxl)
    loaded = disk.load("painter")
    vae = loaded._pipeline.vae

    def fail_halfway(step: int, steps: int) -> None:
        vae.to(dtype=torch.bfloat16)
        raise CanceledError

    with pytest.raises(CanceledError):
        loaded.paint(batch(), fail_halfway)

    assert vae.dtype is torch.float32


@pytest.mark.parametrize("sampler", Sampler)
def test_every_scheduler_paints_and_leaves_the_next_picture_alone(
    loaded: LoadedModel, sampler: Sampler
) -> None:
    before = loaded.paint(batch(steps=4))
    wanted = replace(batch(steps=4), sampler=sampler)

    painted = loaded.paint(wanted)

    assert difference(painted, loaded.paint(wanted)) == 0
    assert (difference(painted, before) == 0) is (sampler is Sampler.EULER)  # Which is its own.
    assert difference(loaded.paint(batch(steps=4)), before) == 0


def test_flux_has_one_scheduler(disk: Disk, flux: FluxPipeline) -> None:
    disk.put_folder("painter", flux)

    with pytest.raises(InvalidRequestError, match="'euler' is not possible with 'painter'; models of FLUX"):
        disk.load("painter").paint(replace(batch(size=32), sampler=Sampler.EULER))


def test_memory_is_given_back(disk: Disk, sdxl: StableDiffusionXLPipeline) -> None:
    disk.put_folder("painter", sdxl)
    loaded = disk.load("painter")
    loaded.paint(batch())
    unet = weakref.ref(loaded._pipeline.unet)

    loaded.unload()

    assert unet() is None
