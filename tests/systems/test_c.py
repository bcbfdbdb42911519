"""System C, the DreamBooth API, as its user walks through it with a key."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.systems.conftest import PICTURES, System

pytestmark = pytest.mark.endtoend

KEY = {"X-API-Key": "open sesame"}


@pytest.fixture
def settings() -> Mapping[str, str]:
    """As its operator sets it."""
    return {"API_KEY": "open sesame", "DOCS_USERNAME": "ada", "DOCS_PASSWORD": "lovelace"}


async def trained(client: httpx.AsyncClient, **fields: str) -> dict[str, Any]:
    """The answer to a training on the example's pictures."""
    answer = await client.post(
        "/train_model/",
        data={"instance_prompt": "a photo of sks robot", "class_prompt": "a photo of robot", **fields},
        files={"file": ("data.zip", PICTURES.read_bytes(), "application/zip")},
        headers=KEY,
    )
    assert answer.status_code == 200, answer.text
    training: dict[str, Any] = answer.json()
    return training


async def test_a_user_trains_watches_runs_and_looks(system: System) -> None:
    client = system.client
    begun = await trained(client, max_train_steps="200", model="sandbox/robots", trainer_version="c" * 64)
    assert begun["input"]["trigger_word"] == "sks"
    assert begun["input"]["steps"] == 200
    assert begun["ignored"] == ["trainer_version", "class_prompt"]
    assert begun["warnings"] == []

    async with asyncio.timeout(60):
        while True:
            status = (await client.get(f"/get_training_status/{begun['id']}/", headers=KEY)).json()
            if status["status"] not in ("queued", "starting", "processing"):
                break
            await asyncio.sleep(0.1)
    assert status["status"] == "succeeded"

    version = status["version"]
    for reference in (version, version.partition(":")[0], version.partition(":")[2]):
        answer = await client.post(
            "/run_model/", json={"version": reference, "prompt": "a photo of sks", "seed": 7}, headers=KEY
        )
        made = answer.json()
        assert answer.status_code == 200, made
        assert (made["status"], made["model"], made["input"]["seed"]) == ("succeeded", "sandbox/robots", 7)
    [picture] = made["output"]
    assert picture.startswith(system.server.url)
    assert (await client.get(picture, headers=KEY)).headers["content-type"] == "image/webp"

    job = (await client.get(f"/jobs/{made['id']}", headers=KEY)).json()
    for url in (
        made["id"],
        made["urls"]["get"],
        job["provider_id"],
        f"https://api.replicate.com/v1/predictions/{job['provider_id']}",
    ):
        seen = await client.get("/get_prediction/", params={"url": url}, headers=KEY)
        assert seen.json() == made, url


async def test_steps_beyond_the_trainers_range_are_brought_into_it(system: System) -> None:
    begun = await trained(system.client, max_train_steps="1")

    assert begun["input"]["steps"] == 3
    assert begun["warnings"] == ["max_train_steps: 1 is beyond what the trainer takes; 3 is used."]


async def test_another_trainer_can_be_named(system: System) -> None:
    begun = await trained(system.client, trainer_version="replicate/fast-flux-trainer", max_train_steps="300")

    assert begun["model"] == "replicate/fast-flux-trainer"
    assert begun["input"]["training_steps"] == 300


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://api.replicate.com.evil.example/v1/predictions/abc",
        "https://api.replicate.com/v1/predictions/../account",
        "https://api.replicate.com/v1/predictions/%2e%2e%2faccount",
        "https://api.replicate.com/v1/trainings/abc",
        "https://me@api.replicate.com/v1/predictions/abc",
        "http://api.replicate.com/v1/predictions/abc",
        "file:///etc/passwd",
        "//api.replicate.com/v1/predictions/abc",
    ],
)
async def test_no_other_address_is_looked_at(system: System, url: str) -> None:
    answer = await system.client.get("/get_prediction/", params={"url": url}, headers=KEY)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["url"]


async def test_everything_wants_the_key_but_webhooks_which_want_a_signature(system: System) -> None:
    client = system.client
    for method, path in (
        ("POST", "/train_model/"),
        ("POST", "/run_model/"),
        ("GET", "/get_prediction/?url=abc"),
        ("GET", "/get_training_status/abc/"),
    ):
        assert (await client.request(method, path)).json()["code"] == "unauthenticated"
    told = await client.post("/webhook/", json={"id": "abc", "status": "succeeded"}, headers=KEY)
    assert (told.status_code, told.json()["code"]) == (401, "webhook_not_verified")
    assert (await client.get("/docs")).status_code == 401
    assert (await client.get("/docs", auth=("ada", "lovelace"))).status_code == 200
