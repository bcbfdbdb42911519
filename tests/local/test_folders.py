"""Models in folders paint what the pipelines paint that they were saved from."""

import json

import pytest
from diffusers import (
    FluxPipeline,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)

from app.services.local_diffusers.families import Family
from app.services.local_diffusers.local_models import Source
from app.services.local_diffusers.model_settings import Precision
from tests.local.disk import Disk, batch, difference, everywhere, painted_by_diffusers
from tests.local.tiny_pipelines import tiny_flux


@everywhere
def test_stable_diffusion_xl_paints_the_same(disk: Disk, sdxl: StableDiffusionXLPipeline) -> None:
    disk.put_folder("painter", sdxl)

    loaded = disk.load("painter")

    assert (loaded.model.family, loaded.model.source) == (Family.SDXL, Source.FOLDER)
    assert (loaded.model.defaults.width, loaded.model.defaults.height) == (64, 64)
    wanted = batch("a red house", "a blue house")
    assert difference(loaded.paint(wanted), painted_by_diffusers(sdxl, wanted)) <= disk.tolerance


@everywhere
def test_stable_diffusion_1_paints_the_same(disk: Disk, sd15: StableDiffusionPipeline) -> None:
    disk.put_folder("painter", sd15)

    loaded = disk.load("painter")

    assert loaded.model.family is Family.SD1
    assert difference(loaded.paint(batch()), painted_by_diffusers(sd15, batch())) <= disk.tolerance


@everywhere
def test_stable_diffusion_3_paints_the_same(disk: Disk, sd3: StableDiffusion3Pipeline) -> None:
    disk.put_folder("painter", sd3)

    loaded = disk.load("painter")

    assert loaded.model.family is Family.SD3
    wanted = batch(size=32, steps=2)
    assert difference(loaded.paint(wanted), painted_by_diffusers(sd3, wanted)) <= disk.tolerance


@everywhere
def test_flux_paints_the_same(disk: Disk, flux: FluxPipeline) -> None:
    disk.put_folder("painter", flux)

    loaded = disk.load("painter")

    assert loaded.model.family is Family.FLUX_DEV
    wanted = batch(size=32, steps=2, guidance=3.5)
    assert difference(loaded.paint(wanted), painted_by_diffusers(flux, wanted)) <= disk.tolerance


def test_flux_without_guidance_is_schnell(disk: Disk, tmp_path_factory: pytest.TempPathFactory) -> None:
    schnell = tiny_flux(tmp_path_factory.mktemp("schnell"), guided=False)
    disk.put_folder("painter", schnell)

    loaded = disk.load("painter")

    assert (loaded.model.family, loaded.model.defaults.steps) == (Family.FLUX_SCHNELL, 4)
    wanted = batch(size=32, steps=2, guidance=0)
    expected = painted_by_diffusers(schnell, wanted, max_sequence_length=256)
    assert difference(loaded.paint(wanted), expected) == 0


def test_the_filter_of_finished_pictures_is_left_out(disk: Disk, sd15: StableDiffusionPipeline) -> None:
    index = disk.put_folder("painter", sd15) / "model_index.json"
    said = json.loads(index.read_text())
    said["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    said["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    index.write_text(json.dumps(said | {"requires_safety_checker": True}))

    assert difference(disk.load("painter").paint(batch()), painted_by_diffusers(sd15, batch())) == 0


def test_files_of_another_variant_alone_are_found(disk: Disk, sdxl: StableDiffusionXLPipeline) -> None:
    disk.put_folder("painter", sdxl, variant="fp16")

    loaded = disk.load("painter")

    assert loaded.model.variant == "fp16"
    assert difference(loaded.paint(batch()), painted_by_diffusers(sdxl, batch())) == 0


def test_half_the_precision_takes_half_the_memory(disk: Disk, sdxl: StableDiffusionXLPipeline) -> None:
    disk.put_folder("painter", sdxl)
    whole = disk.load("painter").weight_bytes
    disk.use(precision=Precision.BFLOAT16)

    loaded = disk.load("painter")

    assert loaded.weight_bytes == whole // 2 == loaded.model.weight_bytes(Precision.BFLOAT16)
    assert [picture.size for picture in loaded.paint(batch())] == [(64, 64)]
    assert loaded.weight_bytes == whole // 2
