"""Painting over a picture, and into one."""

from dataclasses import replace

import pytest
from diffusers import (
    AutoPipelineForImage2Image,
    AutoPipelineForInpainting,
    DiffusionPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image

from app.errors import InvalidRequestError
from app.services.local_diffusers.paint_batches import StartingPicture
from tests.local.disk import Disk, batch, difference, everywhere, painted_by_diffusers

PICTURE = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
UPPER_HALF = Image.new("L", (64, 64), "black")
UPPER_HALF.paste("white", (0, 0, 64, 32))
OVER = replace(batch("a red house", "a dog", steps=4), start=StartingPicture(PICTURE, strength=0.6))
INTO = replace(batch(steps=4), start=StartingPicture(PICTURE, strength=0.9, mask=UPPER_HALF))


@pytest.fixture(params=["sdxl", "sd15", "sd3", "flux"])
def source(request: pytest.FixtureRequest) -> DiffusionPipeline:
    """A pipeline of each line."""
    return request.getfixturevalue(request.param)


@everywhere
def test_a_picture_is_painted_over(disk: Disk, source: DiffusionPipeline) -> None:
    disk.put_folder("painter", source)
    reference = AutoPipelineForImage2Image.from_pipe(source, dtype=source.dtype)

    expected = painted_by_diffusers(reference, OVER, image=[PICTURE] * 2, strength=0.6)

    assert difference(disk.load("painter").paint(OVER), expected) <= disk.tolerance


@everywhere
def test_a_part_of_a_picture_is_painted(disk: Disk, source: DiffusionPipeline) -> None:
    disk.put_folder("painter", source)
    reference = AutoPipelineForInpainting.from_pipe(source, dtype=source.dtype)

    expected = painted_by_diffusers(reference, INTO, image=PICTURE, mask_image=UPPER_HALF, strength=0.9)

    assert difference(disk.load("painter").paint(INTO), expected) <= disk.tolerance


def test_all_tasks_share_the_same_weights(disk: Disk, sdxl: StableDiffusionXLPipeline) -> None:
    disk.put_folder("painter", sdxl)
    loaded = disk.load("painter")
    before = loaded.paint(batch())
    whole = loaded.weight_bytes

    loaded.paint(OVER)
    loaded.paint(INTO)

    assert loaded.weight_bytes == whole
    assert len({id(shell.unet) for shell in (loaded._pipeline, *loaded._shells.values())}) == 1
    assert difference(loaded.paint(batch()), before) == 0


def test_a_picture_of_another_size_is_brought_to_that_which_is_painted(
    disk: Disk, sdxl: StableDiffusionXLPipeline
) -> None:
    disk.put_folder("painter", sdxl)
    large = Image.new("RGBA", (200, 100), "teal")

    painted = disk.load("painter").paint(replace(OVER, start=StartingPicture(large, strength=0.5)))

    assert [picture.size for picture in painted] == [(64, 64), (64, 64)]


def test_a_strength_that_leaves_no_step_is_refused(disk: Disk, sdxl: StableDiffusionXLPipeline) -> None:
    disk.put_folder("painter", sdxl)

    with pytest.raises(InvalidRequestError, match=r"0.2 of 4 steps leaves no step to take; 0.25 and more"):
        disk.load("painter").paint(replace(OVER, start=StartingPicture(PICTURE, strength=0.2)))
