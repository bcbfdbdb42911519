"""`/models`: fine-tunes, their names, their samples, and generating with them; on the embedded sandbox."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.config import Settings
from tests.conftest import Serve
from tests.manual_clock import ManualClock

PICTURES = Path(__file__).resolve().parents[2] / "examples" / "training_pictures.zip"
NEVER = 500

Train = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def train(client: httpx.AsyncClient, clock: ManualClock) -> Train:
    """Trains to the end; the status that tells it."""

    async def trained(trigger_word: str = "TOK", **fields: str) -> dict[str, Any]:
        files = {"training_images": ("pictures.zip", PICTURES.read_bytes(), "application/zip")}
        started = await client.post("/fine-tune/", data={"trigger_word": trigger_word, **fields}, files=files)
        return await ended(client, clock, started.json()["training_id"])

    return trained


async def ended(client: httpx.AsyncClient, clock: ManualClock, training_id: str) -> dict[str, Any]:
    """The status of a training that has succeeded."""
    for _ in range(NEVER):
        clock.advance(2)
        status: dict[str, Any] = (await client.get(f"/training-status/{training_id}")).json()
        if status["status"] == "succeeded":
            return status
    raise AssertionError(status)


async def listed(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """The fine-tunes in `/models`."""
    models = (await client.get("/models")).json()["models"]
    return [model for model in models if model["alias"]]


async def generated(client: httpx.AsyncClient, model: str, prompt: str = "a photo of TOK") -> dict[str, Any]:
    """The answer to a generation that works."""
    response = await client.post("/generate-image/", data={"prompt": prompt, "model": model})
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_a_finished_training_is_in_the_list(client: httpx.AsyncClient, train: Train) -> None:
    assert await listed(client) == []
    training = await train(destination_model="my-cats")

    [model] = await listed(client)
    assert (model["name"], model["alias"], model["trigger_word"]) == ("my-cats", "my-cats", "TOK")
    assert f"{model['model']}:{model['version']}" == training["version"]
    assert model["training_id"] == training["training_id"]
    assert model["created_at"] == training["completed_at"] or model["created_at"] > training["created_at"]
    assert model["sample_url"] is None
    assert (await client.get("/models/my-cats/")).json() == model
    assert (await client.get("/models/MY-CATS")).json() == model


async def test_an_alias_stands_for_one_version_whatever_is_trained_later(
    client: httpx.AsyncClient, train: Train
) -> None:
    first = await train(destination_model="cats")
    second = await train(destination_model="cats", trigger_word="MEOW")

    assert [model["alias"] for model in await listed(client)] == ["cats-2", "cats"]
    by_first, by_second = await generated(client, "cats"), await generated(client, "Cats-2", "MEOW!")
    assert f"{by_first['model']}:{by_first['version']}" == first["version"]
    assert f"{by_second['model']}:{by_second['version']}" == second["version"]
    assert first["version"] != second["version"]


async def test_no_fine_tune_takes_the_place_of_flux(client: httpx.AsyncClient, train: Train) -> None:
    await train(destination_model="dev")

    [model] = await listed(client)
    assert model["alias"] == "dev-2"
    assert (await generated(client, "dev"))["model"] == "black-forest-labs/flux-dev"


@pytest.mark.parametrize(
    ("prompt", "warned"),
    [
        ("a photo of TOK", False),
        ("tok, on a hill", False),
        ("(Tok)", False),
        ("a token on a hill", True),
        ("a cat", True),
    ],
)
async def test_the_answer_warns_when_the_trigger_word_is_missing(
    client: httpx.AsyncClient, train: Train, prompt: str, *, warned: bool
) -> None:
    training = await train(destination_model="cats")
    sentence = "The trigger word 'TOK' is not in the prompt: what 'cats' has learnt may not show."

    for model in ("cats", training["model"], training["version"]):
        made = await generated(client, model, prompt)
        assert made["warnings"] == ([sentence] if warned else [])
    job = (await client.get(f"/jobs/{made['job_id']}")).json()
    assert job["warnings"] == made["warnings"]


async def test_a_model_that_is_no_fine_tune_warns_of_nothing(client: httpx.AsyncClient) -> None:
    assert (await generated(client, "schnell", "a cat"))["warnings"] == []


async def test_a_sample_is_made_on_request_and_shown(client: httpx.AsyncClient, train: Train) -> None:
    await train(destination_model="cats")

    made = await client.post("/models/cats/sample")

    assert made.status_code == 200
    [model] = await listed(client)
    assert model["sample_url"] == made.json()["generated_image_url"]
    assert (await client.get(model["sample_url"])).headers["content-type"] == "image/webp"
    job = (await client.get(f"/jobs/{made.json()['job_id']}")).json()
    assert job["input"]["prompt"] == "a photo of TOK"
    assert (job["version"], job["warnings"]) == (model["version"], [])


async def test_a_new_sample_replaces_the_old_one_once_it_is_there(
    client: httpx.AsyncClient, train: Train, clock: ManualClock
) -> None:
    await train(destination_model="cats")
    old = (await client.post("/models/cats/sample/", json={"seed": 7})).json()["generated_image_url"]

    fails = await client.post("/models/cats/sample", data={"prompt": "TOK sandbox:moderated"})
    assert fails.json()["code"] == "content_moderated"
    assert (await listed(client))[0]["sample_url"] == old

    accepted = await client.post(
        "/models/cats/sample", data={"prompt": "TOK asleep"}, headers={"Prefer": "respond-async"}
    )
    assert accepted.status_code == 202
    for _ in range(NEVER):
        clock.advance(1)
        job = (await client.get(accepted.headers["Location"])).json()
        if job["status"] == "succeeded":
            break
    assert (await listed(client))[0]["sample_url"] == job["generated_image_urls"][0] != old


async def test_a_sample_that_is_asked_for_again_is_paid_once(client: httpx.AsyncClient, train: Train) -> None:
    await train(destination_model="cats")
    key = {"Idempotency-Key": "sample-1"}

    one, two = [(await client.post("/models/cats/sample", headers=key)).json() for _ in range(2)]

    assert one["job_id"] == two["job_id"]
    assert (await listed(client))[0]["sample_url"] == one["generated_image_url"]


async def test_a_renamed_fine_tune_is_used_by_its_new_name_at_once(
    client: httpx.AsyncClient, train: Train
) -> None:
    training = await train(destination_model="cats")
    await generated(client, "cats")
    missing = await client.post("/generate-image/", data={"prompt": "TOK", "model": "tiger"})
    assert missing.status_code == 404

    renamed = await client.patch("/models/Cats", json={"alias": "tiger"})

    assert (renamed.status_code, renamed.json()["alias"]) == (200, "tiger")
    assert f"{renamed.json()['model']}:{renamed.json()['version']}" == training["version"]
    assert (await generated(client, "tiger"))["version"] == renamed.json()["version"]
    assert (await client.get("/models/cats")).status_code == 404
    assert (await client.patch("/models/tiger", data={"alias": "tiger"})).status_code == 200


async def test_a_name_that_is_taken_is_refused(client: httpx.AsyncClient, train: Train) -> None:
    await train(destination_model="cats")
    await train(destination_model="dogs")

    refused = await client.patch("/models/dogs", data={"alias": "cats"})

    assert (refused.status_code, refused.json()["code"]) == (409, "alias_taken")
    assert refused.json()["detail"] == "Another fine-tune is called 'cats'; give a name that is free."


async def test_deleting_takes_it_off_the_list_alone(client: httpx.AsyncClient, train: Train) -> None:
    training = await train(destination_model="cats")

    response = await client.delete("/models/cats")

    assert (response.status_code, response.content) == (204, b"")
    assert await listed(client) == []
    assert (await client.delete("/models/cats")).status_code == 404
    status = (await client.get(f"/training-status/{training['training_id']}")).json()
    assert status["version"] == training["version"]
    assert (await generated(client, training["version"]))["warnings"] == []


async def test_a_name_of_the_account_still_means_its_model(client: httpx.AsyncClient, train: Train) -> None:
    training = await train(destination_model="cats")
    await client.delete("/models/cats")

    assert (await generated(client, "cats"))["model"] == training["model"]


async def test_the_status_tells_how_the_loss_fell_and_what_it_costs(
    settings: Settings, serve: Serve, clock: ManualClock
) -> None:
    slow = settings.model_copy(update={"sandbox_pace": 1.0})
    async with serve(slow) as client:
        files = {"training_images": ("pictures.zip", PICTURES.read_bytes(), "application/zip")}
        started = await client.post("/fine-tune/", data={"trigger_word": "TOK"}, files=files)
        before = started.json()
        status = await ended(client, clock, before["training_id"])
        steps = [step for step, _ in status["loss_history"]]
        losses = [loss for _, loss in status["loss_history"]]

    assert steps == sorted(set(steps))
    assert 20 < len(steps) <= 200
    assert steps[-1] == 1000
    assert losses[-1] == status["loss"] < losses[0]
    assert status["seconds_so_far"] == status["predict_seconds"] > 5
    assert status["cost_so_far"] == pytest.approx(status["predict_seconds"] * 0.001525, abs=1e-4)
    assert status["currency"] == "USD"
    assert status["cost_note"] == (
        "An estimate: seconds times 0.001525 USD (TRAINING_PRICE_PER_SECOND). "
        "The sandbox charges nothing; Replicate would charge this."
    )


async def test_the_cost_is_hidden_where_no_price_is_set(
    settings: Settings, serve: Serve, clock: ManualClock
) -> None:
    async with serve(settings.model_copy(update={"training_price_per_second": 0.0})) as client:
        files = {"training_images": ("pictures.zip", PICTURES.read_bytes(), "application/zip")}
        started = await client.post("/fine-tune/", data={"trigger_word": "TOK"}, files=files)
        status = await ended(client, clock, started.json()["training_id"])

    assert (status["cost_so_far"], status["currency"], status["cost_note"]) == (None, None, None)
