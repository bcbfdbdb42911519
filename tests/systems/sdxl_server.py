"""System D as its user has it: the service with models of its own machine, over real HTTP."""

import asyncio
import base64
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import httpx
from PIL import Image, ImageChops

from tests.endtoend.processes import Server, free_port

PATIENCE_SECONDS = 120
SIZE_OF_THE_TINY = {"width": 64, "height": 64}

Json: TypeAlias = dict[str, Any]


class SdxlServer:
    """The service on `models`, with its records in `folder`; may be killed and started again."""

    def __init__(self, models: Path, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._settings = {
            "LOAD_MODELS_FROM_LOCAL": "true",
            "LOCAL_MODELS_DIR": str(models),
            "LOCAL_MODEL_CONFIGS": json.dumps(
                {
                    "my_sdxl_model": SIZE_OF_THE_TINY,
                    "velvet": {**SIZE_OF_THE_TINY, "prediction_type": "v_prediction"},
                    "sdxl_turbo": SIZE_OF_THE_TINY,
                }
            ),
            "DEFAULT_MODEL_IDENTIFIER": "my_sdxl_model",
            "TORCH_DTYPE": "float32",
            "LOCAL_DEVICE": "cpu",
            "DATA_DIR": str(folder / "data"),
            "IMAGE_STORE": str(folder / "generated_images"),
            "TRAINING_IMAGES_DIR": str(folder / "training_images"),
            "SANDBOX_PACE": "0",
            # The models are too small to share out: more threads would only wait for one another.
            "OMP_NUM_THREADS": "1",
            **settings,
        }
        self.client: httpx.Client
        self._server: Server

    def start(self) -> None:
        """Start a process and wait until it answers."""
        port = free_port()
        arguments = ["-m", "uvicorn", "app.main:app", "--port", str(port)]
        self._server = Server(arguments, port=port, directory=self._folder, settings=self._settings)
        self.client = httpx.Client(base_url=self._server.url, timeout=PATIENCE_SECONDS, trust_env=False)
        asyncio.run(self._server.until_up("/ping"))

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.client.close()
        asyncio.run(self._server.kill())

    @property
    def log(self) -> str:
        """What the process has said so far."""
        return self._server.log.read_text()

    def generate(self, model: str, prompt: str = "a red house", /, **fields: object) -> Json:
        """What a request is answered with that stays for its picture."""
        answer = self.client.post(f"/generate/{model}", json={"prompt": prompt, **fields})
        assert answer.status_code == 200, answer.text
        made: Json = answer.json()
        return made

    def submit(self, model: str, prompt: str = "a red house", /, **fields: object) -> Json:
        """The job of a request that does not stay."""
        answer = self.client.post(
            f"/generate/{model}",
            json={"prompt": prompt, **fields},
            headers={"Prefer": "respond-async"},
        )
        assert answer.status_code == 202, answer.text
        job: Json = answer.json()
        return job

    def job(self, job_id: str) -> Json:
        """A job as it is now."""
        job: Json = self.client.get(f"/jobs/{job_id}").json()
        return job

    def until(self, job_id: str, holds: Callable[[Json], bool]) -> Json:
        """A job once it `holds` of it."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            job = self.job(job_id)
            if holds(job):
                return job
            time.sleep(0.02)
        raise AssertionError(f"in vain: {job}")

    def until_loaded(self, model: str) -> Json:
        """The start page once it lists the model as loaded."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            page: Json = self.client.get("/").json()
            if model in page["loaded_models"]:
                return page
            time.sleep(0.1)
        raise AssertionError(f"in vain: {page}")


def picture_in(made: Json) -> Image.Image:
    """The picture in an answer, decoded."""
    return picture_of(base64.b64decode(made["image"], validate=True))


def picture_of(content: bytes) -> Image.Image:
    """The picture in a file, decoded."""
    picture = Image.open(io.BytesIO(content))
    picture.load()
    return picture


def most_different(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of two values, of 0 to 255.

    Painted together with others, sums are reckoned in another order, and may end on the other side of a
    rounding.
    """
    assert one.size == other.size
    return max(ImageChops.difference(one, other).tobytes())
