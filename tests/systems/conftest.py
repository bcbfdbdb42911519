"""What the walks through the systems share: the service as a process of its own, on the embedded sandbox."""

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.endtoend.machine import Machine
from tests.endtoend.processes import Server, free_port
from tests.systems.studio import Studio

PICTURES = Path(__file__).parents[2] / "examples" / "training_pictures.zip"


class System:
    """A running service, as its users know it; `training_images` is its folder for zips."""

    def __init__(self, server: Server, client: httpx.AsyncClient, training_images: Path) -> None:
        self.server = server
        self.client = client
        self.training_images = training_images


@pytest.fixture
def settings() -> Mapping[str, str]:
    """What a system wants to be set, besides what every test needs."""
    return {}


@pytest.fixture
async def system(tmp_path: Path, settings: Mapping[str, str]) -> AsyncIterator[System]:
    """The service, started as an operator starts it, without a token and with a fast sandbox."""
    port, training_images = free_port(), tmp_path / "training_images"
    training_images.mkdir()
    shutil.copy(PICTURES, training_images / "robots.zip")
    environment = {
        "SANDBOX_PACE": "0.05",
        "DATA_DIR": str(tmp_path / "data"),
        "IMAGE_STORE": str(tmp_path / "generated_images"),
        "TRAINING_IMAGES_DIR": str(training_images),
        "PORT": str(port),
        **settings,
    }
    arguments = ["-m", "uvicorn", "app.main:app", "--port", str(port)]
    server = Server(arguments, port=port, directory=tmp_path, settings=environment)
    try:
        await server.until_up("/ping")
        async with httpx.AsyncClient(base_url=server.url, timeout=60, trust_env=False) as client:
            yield System(server, client, training_images)
    finally:
        await server.kill()


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    """Where a test opens its studio; all processes are gone afterwards."""
    async with AsyncExitStack() as stack:
        yield Studio(Machine(tmp_path, stack))
