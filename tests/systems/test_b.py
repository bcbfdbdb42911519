"""System B, the small image service, as its user walks through it with JSON."""

import asyncio
import io
from typing import Any

import pytest
from PIL import Image

from tests.systems.conftest import System

pytestmark = pytest.mark.endtoend

SHAPE = {
    *("id", "model", "version", "input", "logs", "output", "data_removed", "error", "status", "created_at"),
    "urls",
}
ORDER = {
    "file_name": "robots.zip",
    "new_model_name": "robots",
    "owner": "sandbox",
    "trigger_word": "TOK",
}


async def followed(system: System, training: dict[str, Any]) -> dict[str, Any]:
    """The training once it has ended, as its own address tells."""
    async with asyncio.timeout(60):
        while training["status"] in ("starting", "processing"):
            await asyncio.sleep(0.1)
            training = (await system.client.get(training["urls"]["get"])).json()
    return training


async def test_a_user_gets_a_picture_as_bytes(system: System) -> None:
    assert (await system.client.get("/ping")).text == "pong"

    answer = await system.client.post("/image/generate", json={"prompt": "a lighthouse"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(answer.content)) as picture:
        picture.load()
        assert picture.format == "WEBP"
    again = await system.client.get(answer.headers["content-location"])
    assert again.content == answer.content


async def test_a_picture_that_takes_long_is_fetched_later(system: System) -> None:
    answer = await system.client.post(
        "/image/generate", json={"prompt": "a lighthouse"}, headers={"Prefer": "respond-async"}
    )

    assert answer.status_code == 202
    assert (await system.client.get(answer.headers["location"])).json()["id"] == answer.json()["id"]


async def test_a_user_trains_on_a_zip_that_lies_on_the_server_and_uses_the_model(system: System) -> None:
    answer = await system.client.post("/image/train", json=ORDER)

    begun = answer.json()
    assert answer.status_code == 200
    assert begun.keys() >= SHAPE
    assert begun["model"] == "ostris/flux-dev-lora-trainer"
    assert begun["input"]["input_images"].startswith("https://")
    assert begun["input"]["trigger_word"] == "TOK"
    assert (begun["output"], begun["error"], begun["data_removed"]) == (None, None, False)
    assert begun["urls"]["get"].startswith(system.server.url)
    assert answer.headers["location"] == begun["urls"]["get"]

    ended = await followed(system, begun)
    assert ended["status"] == "succeeded"
    assert ended["output"]["version"].startswith("sandbox/robots:")
    assert "flux_train_replicate" in ended["logs"]
    with_it = {"prompt": "a photo of TOK", "model": ended["output"]["version"]}
    assert (await system.client.post("/image/generate", json=with_it)).status_code == 200


async def test_a_training_is_canceled_at_its_own_address(system: System) -> None:
    begun = (await system.client.post("/image/train", json={**ORDER, "steps": 6000})).json()

    stopped = await system.client.post(begun["urls"]["cancel"])
    ended = await followed(system, stopped.json())

    assert stopped.status_code == 200
    assert (ended["status"], ended["output"]) == ("canceled", None)


@pytest.mark.parametrize("name", ["../robots.zip", "/etc/passwd", "nobody.zip", "robots"])
async def test_only_zips_in_their_place_can_be_named(system: System, name: str) -> None:
    answer = await system.client.post("/image/train", json={**ORDER, "file_name": name})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["file_name"]


async def test_a_zip_that_no_trainer_could_use_is_refused_with_the_reason(system: System) -> None:
    (system.training_images / "broken.zip").write_bytes(b"these are no pictures")

    answer = await system.client.post("/image/train", json={**ORDER, "file_name": "broken.zip"})

    assert answer.status_code == 422
    assert "broken.zip" in answer.json()["detail"]
