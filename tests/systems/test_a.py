"""System A, the FLUX service, as its user walks through it with forms."""

import asyncio
import io

import pytest
from PIL import Image

from tests.systems.conftest import PICTURES, System

pytestmark = pytest.mark.endtoend


async def test_a_user_fine_tunes_watches_generates_and_fetches(system: System) -> None:
    client = system.client
    started = await client.post(
        "/fine-tune/",
        data={"trigger_word": "TOK", "steps": "200", "destination_model": "sandbox/robots"},
        files={"training_images": ("robots.zip", PICTURES.read_bytes(), "application/zip")},
    )
    assert started.status_code == 200
    assert started.json()["status"] == "Training started"

    async with asyncio.timeout(60):
        while True:
            status = (await client.get(f"/training-status/{started.json()['training_id']}")).json()
            if status["status"] not in ("queued", "starting", "processing"):
                break
            await asyncio.sleep(0.1)
    assert status["status"] == "succeeded"

    generated = await client.post(
        "/generate-image/",
        data={
            "prompt": "a photo of TOK in the rain",
            "seed": "7",
            "model": status["version"],
            "width": "640",
            "height": "480",
            "lora_scale": "1",
            "num_outputs": "2",
            "output_format": "png",
            "guidance_scale": "3.5",
            "num_inference_steps": "28",
            "disable_safety_checker": "false",
        },
    )
    assert generated.status_code == 200
    assert generated.json()["generated_image_url"].startswith("/get-image/generated_image_")
    for url in generated.json()["generated_image_urls"]:
        fetched = await client.get(url)
        assert fetched.headers["content-type"] == "image/png"
        with Image.open(io.BytesIO(fetched.content)) as picture:
            assert picture.size == (640, 480)


async def test_the_documentation_can_be_opened(system: System) -> None:
    page = await system.client.get("/docs")

    assert page.status_code == 200
    assert "swagger" in page.text.lower()
