"""The HTTP edge on the real service and its sandbox: what stand-ins cannot show."""

import asyncio
import io
import json

import httpx
import pytest
from PIL import Image
from pydantic import SecretStr

from app.config import Settings
from tests.conftest import Serve
from tests.manual_clock import ManualClock

OPEN = ("/ping", "/health")


@pytest.fixture
def pictures() -> list[tuple[str, tuple[str, bytes, str]]]:
    """An upload of two pictures."""
    parts = []
    for number in (1, 2):
        body = io.BytesIO()
        Image.effect_noise((512, 512), 40 + number).save(body, "PNG")
        parts.append(("training_images", (f"{number}.png", body.getvalue(), "image/png")))
    return parts


@pytest.mark.parametrize("path", ["/generate-image", "/generate-image/"])
async def test_a_form_becomes_a_picture_on_our_disk(client: httpx.AsyncClient, path: str) -> None:
    made = (await client.post(path, data={"prompt": "a cat", "seed": "7", "output_format": "png"})).json()

    picture = await client.get(made["generated_image_url"])

    assert made["seed"] == 7
    assert Image.open(io.BytesIO(picture.content)).size == (512, 512)


async def test_the_same_key_gives_the_same_job(client: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "once"}
    first = await client.post("/generate-image/", data={"prompt": "a cat"}, headers=key)
    again = await client.post("/generate-image/", data={"prompt": "a cat"}, headers=key)
    other = await client.post("/generate-image/", data={"prompt": "a dog"}, headers=key)

    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_job_can_be_followed_to_its_end(client: httpx.AsyncClient, clock: ManualClock) -> None:
    started = await client.post(
        "/generate-image/", data={"prompt": "a cat"}, headers={"Prefer": "respond-async"}
    )

    following = asyncio.ensure_future(client.get(f"{started.headers['Location']}/events"))
    while not following.done():
        clock.advance(1)
        await asyncio.wait({following}, timeout=0.02)
    events = following.result().text.strip().split("\n\n")[1:]

    last = json.loads(events[-1].partition("data: ")[2])
    assert last["status"] == "succeeded"
    seen = {"Last-Event-ID": str(last["revision"])}
    assert (await client.get(f"{started.headers['Location']}/events", headers=seen)).status_code == 204


async def test_uploaded_pictures_become_a_model(
    client: httpx.AsyncClient, clock: ManualClock, pictures: list[tuple[str, tuple[str, bytes, str]]]
) -> None:
    started = await client.post(
        "/fine-tune/", data={"trigger_word": "TOK", "steps": "100", "hf_token": "hf_12345"}, files=pictures
    )
    clock.advance(2)

    told = await client.get(started.json()["status_url"])

    assert started.json()["status"] == "Training started"
    assert told.json()["status"] == "succeeded"
    assert told.json()["version"] in told.json()["use_it"]
    assert "hf_12345" not in (await client.get(f"/jobs/{started.json()['job_id']}")).text


async def test_every_route_but_the_open_ones_wants_the_key(serve: Serve, settings: Settings) -> None:
    async with serve(settings.model_copy(update={"api_key": SecretStr("open sesame")})) as client:
        described = (await client.get("/openapi.json")).json()["paths"]
        for path, operations in described.items():
            for method in operations:
                response = await client.request(method, path.replace("{", "").replace("}", ""))
                assert (response.status_code == 401) == (path not in OPEN), path


async def test_a_fresh_service_is_well(client: httpx.AsyncClient) -> None:
    health = (await client.get("/health")).json()

    assert (health["status"], health["database"], health["images"]) == ("ok", "ok", "ok")
