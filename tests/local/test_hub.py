"""Models and configurations from the Hub, fetched where that is allowed and read from its cache anywhere."""

from dataclasses import replace
from pathlib import Path

import pytest
from diffusers import StableDiffusionXLPipeline

from app.errors import ProviderUnavailableError
from app.services.local_diffusers.failures import ModelUnusableError
from app.services.local_diffusers.families import Family
from app.services.local_diffusers.loading import fetch_model
from app.services.local_diffusers.local_models import Source
from tests.local.disk import Disk, batch, difference, painted_by_diffusers
from tests.local.original_layout import sdxl_weights, unet_weights
from tests.local.stand_in_hub import StandInHub

TURBO = "stabilityai/sdxl-turbo"
REFERENCE = "stabilityai/stable-diffusion-xl-base-1.0"


@pytest.fixture
def stocked_hub(hub: StandInHub, sdxl: StableDiffusionXLPipeline, tmp_path: Path) -> StandInHub:
    """A Hub with one pipeline under two ids: its weights in two variants, and once more in one file."""
    folder = tmp_path / "repository"
    sdxl.save_pretrained(folder)
    sdxl.save_pretrained(folder, variant="fp16")
    (folder / "sd_xl_turbo_1.0.safetensors").write_bytes(bytes(100))
    (folder / "README.md").write_text("---\n---\n")
    hub.repositories |= {TURBO: folder, REFERENCE: folder}
    return hub


def test_a_model_is_fetched_once_and_found_without_a_network_afterwards(
    stocked_hub: StandInHub, disk: Disk, sdxl: StableDiffusionXLPipeline
) -> None:
    disk.use(default_model=TURBO, allow_downloads=True)
    assert disk.shelf().to_fetch == TURBO

    fetched = fetch_model(TURBO, disk.settings)

    assert (fetched.name, fetched.source, fetched.turbo) == ("sdxl-turbo", Source.HUB, True)
    assert not {name for name in stocked_hub.sent if "fp16" in name or name.startswith("sd_xl")}
    stocked_hub.repositories.clear()
    disk.use(allow_downloads=False)
    assert (disk.shelf().default, disk.shelf().to_fetch) == ("sdxl-turbo", None)
    assert disk.shelf().models["sdxl-turbo"] == fetched
    assert [picture.size for picture in disk.load("sdxl-turbo").paint(batch())] == [(64, 64)]


@pytest.mark.parametrize(("wanted", "found"), [("fp16", "fp16"), ("bf16", None)])
def test_the_preferred_variant_is_fetched_where_there_is_one(
    stocked_hub: StandInHub, disk: Disk, wanted: str, found: str | None
) -> None:
    disk.use(default_model=TURBO, allow_downloads=True, variant=wanted)

    assert fetch_model(TURBO, disk.settings).variant == found
    assert any("fp16" in name for name in stocked_hub.sent) is (found == "fp16")


def test_the_configuration_of_a_file_is_fetched_without_weights(
    stocked_hub: StandInHub, disk: Disk, sdxl: StableDiffusionXLPipeline
) -> None:
    disk.put_file("painter", sdxl_weights(sdxl))
    disk.use(allow_downloads=True)

    assert difference(disk.load("painter").paint(batch()), painted_by_diffusers(sdxl, batch())) == 0
    assert not [name for name in stocked_hub.sent if name.endswith(".safetensors")]

    stocked_hub.repositories.clear()
    disk.use(allow_downloads=False)
    assert difference(disk.load("painter").paint(batch()), painted_by_diffusers(sdxl, batch())) == 0


def test_parts_that_a_file_lacks_are_fetched(
    stocked_hub: StandInHub, disk: Disk, sdxl: StableDiffusionXLPipeline
) -> None:
    disk.put_file("painter", unet_weights(sdxl.unet))
    disk.use(allow_downloads=True)

    assert difference(disk.load("painter").paint(batch()), painted_by_diffusers(sdxl, batch())) == 0


def test_nothing_is_fetched_that_is_not_allowed(
    stocked_hub: StandInHub, disk: Disk, sdxl: StableDiffusionXLPipeline
) -> None:
    disk.put_file("painter", sdxl_weights(sdxl))

    with pytest.raises(ModelUnusableError, match="set LOCAL_ALLOW_DOWNLOADS=true to have them fetched"):
        disk.load("painter")

    assert stocked_hub.sent == []


def test_a_licence_that_was_not_accepted_is_told(stocked_hub: StandInHub, disk: Disk) -> None:
    stocked_hub.gated.add(TURBO)

    with pytest.raises(ModelUnusableError, match=f"{TURBO} is given only to those who have accepted its lic"):
        fetch_model(TURBO, replace(disk.settings, allow_downloads=True))


def test_a_repository_that_is_not_there_is_told(hub: StandInHub, disk: Disk) -> None:
    with pytest.raises(ModelUnusableError, match="The Hub has no pipeline nobody/nothing"):
        fetch_model("nobody/nothing", replace(disk.settings, allow_downloads=True))


def test_a_hub_that_cannot_be_reached_is_told(disk: Disk) -> None:
    with pytest.raises(ProviderUnavailableError, match=f"{TURBO} could not be fetched from the Hub"):
        fetch_model(TURBO, replace(disk.settings, allow_downloads=True))


def test_a_configuration_that_cannot_be_fetched_is_told(
    hub: StandInHub, disk: Disk, sdxl: StableDiffusionXLPipeline
) -> None:
    disk.put_file("painter", sdxl_weights(sdxl))
    disk.use(allow_downloads=True)

    with pytest.raises(ModelUnusableError, match=f"The Hub has no pipeline {REFERENCE}"):
        disk.load("painter")
    assert disk.shelf().models["painter"].family is Family.SDXL
