"""Models in one file, which lack their configuration and often more."""

import re
from pathlib import Path

import pytest
from diffusers import (
    FluxPipeline,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)

from app.services.local_diffusers.failures import ModelUnusableError
from app.services.local_diffusers.families import Family
from app.services.local_diffusers.local_models import Source
from tests.local.disk import Disk, batch, difference, everywhere, painted_by_diffusers
from tests.local.original_layout import sd15_weights, sdxl_weights, unet_weights


@everywhere
def test_a_file_paints_with_the_configuration_of_its_family(
    disk: Disk, sdxl: StableDiffusionXLPipeline
) -> None:
    disk.put_file("painter", sdxl_weights(sdxl))
    disk.put_configuration(sdxl, Family.SDXL)

    loaded = disk.load("painter")

    assert (loaded.model.family, loaded.model.source) == (Family.SDXL, Source.FILE)
    assert loaded.weight_bytes == loaded.model.weight_bytes(disk.settings.precision)
    wanted = batch("a red house", "a blue house")
    assert difference(loaded.paint(wanted), painted_by_diffusers(sdxl, wanted)) <= disk.tolerance


def test_so_does_one_of_stable_diffusion_1(disk: Disk, sd15: StableDiffusionPipeline) -> None:
    disk.put_file("painter", sd15_weights(sd15))
    disk.put_configuration(sd15, Family.SD1)

    loaded = disk.load("painter")

    assert loaded.model.family is Family.SD1
    assert difference(loaded.paint(batch()), painted_by_diffusers(sd15, batch())) == 0


@pytest.mark.parametrize("beside", ["painter", "painter.config"])
def test_a_configuration_beside_the_file_is_for_it_alone(
    disk: Disk, sdxl: StableDiffusionXLPipeline, sd15: StableDiffusionPipeline, beside: str
) -> None:
    disk.put_file("painter", sdxl_weights(sdxl))
    disk.put_configuration(sdxl, disk.models / beside)
    disk.put_configuration(sd15, Family.SDXL)

    assert list(disk.shelf().models) == ["painter"]
    assert difference(disk.load("painter").paint(batch()), painted_by_diffusers(sdxl, batch())) == 0


def test_without_a_configuration_it_is_said_what_to_put_where(
    disk: Disk, sdxl: StableDiffusionXLPipeline
) -> None:
    disk.put_file("painter", sdxl_weights(sdxl))

    with pytest.raises(ModelUnusableError) as caught:
        disk.load("painter")

    for part in (
        "painter.safetensors",
        "stabilityai/stable-diffusion-xl-base-1.0",
        str(disk.settings.configs_dir / "sdxl"),
        "LOCAL_ALLOW_DOWNLOADS=true",
    ):
        assert part in caught.value.detail


def test_a_configuration_of_another_line_is_refused(
    disk: Disk, sdxl: StableDiffusionXLPipeline, sd15: StableDiffusionPipeline
) -> None:
    disk.put_file("painter", sdxl_weights(sdxl))
    disk.put_configuration(sd15, Family.SDXL)

    with pytest.raises(ModelUnusableError, match="is one of Stable Diffusion 1, and "):
        disk.load("painter")


def test_parts_that_are_not_in_the_file_come_from_beside_the_configuration(
    disk: Disk, sdxl: StableDiffusionXLPipeline
) -> None:
    disk.put_file("painter", unet_weights(sdxl.unet))
    disk.put_configuration(sdxl, Family.SDXL, parts=("vae", "text_encoder", "text_encoder_2"))

    loaded = disk.load("painter")

    assert loaded.model.missing == ("vae", "text_encoder", "text_encoder_2")
    assert difference(loaded.paint(batch()), painted_by_diffusers(sdxl, batch())) == 0


def test_a_file_with_the_transformer_of_flux_alone_paints(disk: Disk, flux: FluxPipeline) -> None:
    disk.put_file("painter", flux.transformer.state_dict())
    disk.put_configuration(flux, Family.FLUX_DEV, parts=("vae", "text_encoder", "text_encoder_2"))
    wanted = batch(size=32, steps=2, guidance=3.5)

    assert difference(disk.load("painter").paint(wanted), painted_by_diffusers(flux, wanted)) == 0


def test_stable_diffusion_3_can_do_without_its_largest_text_encoder(
    disk: Disk, sd3: StableDiffusion3Pipeline
) -> None:
    disk.put_file("painter", sd3.transformer.state_dict())
    disk.put_configuration(sd3, Family.SD3, parts=("vae", "text_encoder", "text_encoder_2"))

    loaded = disk.load("painter")

    # Instead of its words come 4,096 noughts, for which the tiny model is too narrow: it is not run here.
    assert loaded._pipeline.text_encoder_3 is None
    assert "text_encoder_3" in loaded.model.missing


def test_a_part_that_is_nowhere_is_named(disk: Disk, sdxl: StableDiffusionXLPipeline) -> None:
    disk.put_file("painter", unet_weights(sdxl.unet))
    folder = disk.put_configuration(sdxl, Family.SDXL, parts=("vae", "text_encoder"))

    with pytest.raises(ModelUnusableError, match="holds no text_encoder_2") as caught:
        disk.load("painter")

    assert str(folder / "text_encoder_2") in caught.value.detail


def test_weights_of_other_shapes_than_configured_are_refused_in_a_sentence(
    disk: Disk, sdxl: StableDiffusionXLPipeline
) -> None:
    disk.put_file("painter", sdxl_weights(sdxl))
    config = disk.put_configuration(sdxl, Family.SDXL) / "unet" / "config.json"
    config.write_text(re.sub(r'"layers_per_block": 2', '"layers_per_block": 1', config.read_text()))

    with pytest.raises(
        ModelUnusableError, match="'painter' cannot be loaded as a model of Stable Diffusion XL: "
    ):
        disk.load("painter")


def test_a_file_that_vanished_is_refused_in_a_sentence(disk: Disk, sdxl: StableDiffusionXLPipeline) -> None:
    path: Path = disk.put_file("painter", sdxl_weights(sdxl))
    disk.put_configuration(sdxl, Family.SDXL)
    model = disk.shelf().models["painter"]
    path.unlink()

    with pytest.raises(ModelUnusableError, match="'painter' cannot be loaded"):
        disk.load_model(model)
