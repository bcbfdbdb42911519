"""Tiny models that are really loaded, on a machine that is cut off from every network."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.local.stand_in_hub import HUB, StandInHub

# Read when the packages are imported, which is below.
os.environ |= {
    "HF_ENDPOINT": HUB.url,
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
}

import pytest
import torch
from diffusers import (
    FluxPipeline,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)

from app.services.local_diffusers.model_settings import DeviceChoice, LocalModelSettings, Precision
from tests.local.disk import Disk
from tests.local.tiny_pipelines import tiny_flux, tiny_sd3, tiny_sd15, tiny_sdxl

# More would wait for one another: the models are too small to share out.
torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Refuse every connection but those inside the machine, to a socket in its file system or our own Hub."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if address == HUB.address and not HUB.is_open:
            raise ConnectionRefusedError
        if self.family is not socket.AF_UNIX and address != HUB.address:
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    """The only place outside that can be reached, by the tests that ask for it."""
    with HUB.open():
        yield HUB


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Disk:
    """A machine without models, which runs them on its processor where a test does not say otherwise."""
    models = tmp_path / "models"
    models.mkdir()
    settings = LocalModelSettings(
        models_dir=models,
        loras_dir=models / "loras",
        configs_dir=tmp_path / "configs",
        hub_cache=tmp_path / "hub",
        precision=Precision.FLOAT32,
        device=getattr(request, "param", DeviceChoice.CPU),
    )
    return Disk(settings, models)


@pytest.fixture(scope="session")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionXLPipeline:
    """Stable Diffusion XL; not to be changed, like those below."""
    return tiny_sdxl(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="session")
def sd15(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    """Stable Diffusion 1.5."""
    return tiny_sd15(tmp_path_factory.mktemp("sd15"))


@pytest.fixture(scope="session")
def sd3(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusion3Pipeline:
    """Stable Diffusion 3."""
    return tiny_sd3(tmp_path_factory.mktemp("sd3"))


@pytest.fixture(scope="session")
def flux(tmp_path_factory: pytest.TempPathFactory) -> FluxPipeline:
    """FLUX.1 dev."""
    return tiny_flux(tmp_path_factory.mktemp("flux"))
