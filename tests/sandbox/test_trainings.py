"""Trainings: reading the pictures, the progress in the logs, and the version at the end."""

import io
import re
import tarfile
from typing import Any

import httpx
import pytest

from app.sandbox import Pace
from tests.sandbox.conftest import Connect, Make, Train
from tests.sandbox.leaping_clock import LeapingClock

BAR = re.compile(
    r"(?:^|[\r\n])\s*(?:flux_train_replicate:\s*)?(\d{1,3})%\|[^|]*\|\s*(\d+)/(\d+)\s*\[([^\]]*)\]"
)


async def test_a_training_ends_with_a_version_that_can_be_run(
    api: httpx.AsyncClient, train: Train, clock: LeapingClock
) -> None:
    training = await train()
    assert (await api.get("models/sandbox/dogs")).json()["latest_version"] is None
    clock.advance(60)
    found = (await api.get(f"trainings/{training['id']}")).json()
    assert found["status"] == "succeeded"
    assert found["metrics"]["training_step_count"] == 100
    name, _, version = found["output"]["version"].partition(":")
    assert (name, len(version)) == ("sandbox/dogs", 64)
    model = (await api.get("models/sandbox/dogs")).json()
    assert model["latest_version"]["id"] == version
    made = await api.post(
        "predictions", json={"version": version, "input": {"prompt": "a DOGGO"}}, headers={"Prefer": "wait"}
    )
    assert (made.json()["model"], made.json()["version"]) == ("sandbox/dogs", version)
    assert (await api.get(made.json()["output"][0])).status_code == 200


async def test_the_version_can_be_run_by_whoever_never_asked_about_the_training(
    api: httpx.AsyncClient, train: Train, clock: LeapingClock
) -> None:
    await train()
    clock.advance(60)
    versions = (await api.get("models/sandbox/dogs/versions")).json()["results"]
    assert len(versions) == 1
    response = await api.post("predictions", json={"version": versions[0]["id"], "input": {"prompt": "a"}})
    assert response.status_code == 201


async def test_what_was_learnt_shows_with_the_trigger_word_only(
    api: httpx.AsyncClient, train: Train, clock: LeapingClock
) -> None:
    training = await train()
    clock.advance(60)
    version = (await api.get(f"trainings/{training['id']}")).json()["output"]["version"]
    lora = (await api.get("models/sandbox/flux-toy-robot")).json()["latest_version"]["id"]
    pictures = {}
    for prompt in ("DOGGO on a hill", "a cat on a hill"):
        for model in (version, lora):
            given = {"prompt": prompt, "seed": 1, "megapixels": "0.25"}
            made = await api.post(
                "predictions", json={"version": model, "input": given}, headers={"Prefer": "wait"}
            )
            pictures[prompt, model] = (await api.get(made.json()["output"][0])).content
    assert pictures["DOGGO on a hill", version] != pictures["DOGGO on a hill", lora]
    assert pictures["a cat on a hill", version] == pictures["a cat on a hill", lora]


async def test_the_answer_to_a_create_points_at_predictions(api: httpx.AsyncClient, train: Train) -> None:
    training = await train()
    assert training["urls"]["get"] == f"https://api.replicate.com/v1/predictions/{training['id']}"
    found = (await api.get(f"trainings/{training['id']}")).json()
    assert found["urls"]["get"] == f"https://api.replicate.com/v1/trainings/{training['id']}"
    assert "destination" not in found
    assert (await api.get(f"predictions/{training['id']}")).status_code == 404


async def test_the_logs_grow_and_show_the_progress(
    api: httpx.AsyncClient, train: Train, clock: LeapingClock
) -> None:
    training = await train(steps=1000)
    logs, percents = "", []
    for _ in range(12):
        clock.advance(2)
        found = (await api.get(f"trainings/{training['id']}")).json()
        assert found["logs"].startswith(logs)
        logs = found["logs"]
        bars = BAR.findall(logs)
        percents.append(int(bars[-1][0]) if bars else -1)
        assert all(int(total) == 1000 for _, _, total, _ in bars)
    assert percents == sorted(percents)
    assert len(set(percents)) > 6
    assert percents[-1] == 100
    assert logs.startswith("Extracted 4 files from zip to input_images\nCaption for input_images/dog-0.png: ")
    assert "dog-1.png is already captioned\n" in logs
    losses = [float(loss) for loss in re.findall(r"lr: 4\.0e-04 loss: (\S+)\]", logs)]
    assert losses[-1] < losses[0]
    assert found["status"] == "succeeded"


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"input_images": "data:application/zip;base64,aGVsbG8="}, "input_images must be a zip file"),
        ({"input_images": "data:application/zip;base64,UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}, "No images found"),
        ({"input_images": "data:application/zip;base64,%"}, "Failed to read a data: URI"),
        ({"input_images": "https://api.replicate.com/v1/files/gone"}, "404 Not Found"),
        ({"layers_to_optimize_regex": "("}, "Failed to compile regex '('"),
        ({"resolution": "big"}, "resolution must be"),
        ({"skip_training_and_use_pretrained_hf_lora_url": "http://x"}, "https://huggingface.co"),
    ],
)
async def test_a_training_fails_with_the_trainers_words(
    api: httpx.AsyncClient, train: Train, clock: LeapingClock, given: dict[str, Any], error: str
) -> None:
    training = await train(**given)
    clock.advance(60)
    found = (await api.get(f"trainings/{training['id']}")).json()
    assert (found["status"], found["output"]) == ("failed", None)
    assert error in found["error"]
    assert (await api.get("models/sandbox/dogs")).json()["latest_version"] is None


async def test_input_images_must_be_provided(
    api: httpx.AsyncClient, trainings_path: str, destination: str, clock: LeapingClock
) -> None:
    created = await api.post(trainings_path, json={"destination": destination, "input": {}})
    clock.advance(60)
    found = (await api.get(f"trainings/{created.json()['id']}")).json()
    assert found["error"] == "input_images must be provided"


async def test_pretrained_weights_make_a_version_at_once(
    api: httpx.AsyncClient, train: Train, clock: LeapingClock
) -> None:
    address = "https://huggingface.co/somebody/lora/resolve/main/lora.safetensors"
    training = await train(skip_training_and_use_pretrained_hf_lora_url=address)
    clock.advance(2)
    found = (await api.get(f"trainings/{training['id']}")).json()
    assert (found["status"], "Skipping training" in found["logs"]) == ("succeeded", True)


@pytest.mark.parametrize("answered", [200, 404, None])
async def test_pictures_are_fetched_from_where_they_lie(
    make: Make,
    connect: Connect,
    clock: LeapingClock,
    archive: bytes,
    trainings_path: str,
    destination: str,
    answered: int | None,
) -> None:
    def outside(request: httpx.Request) -> httpx.Response:
        assert "authorization" not in request.headers
        if answered is None:
            raise httpx.ConnectError("nobody there", request=request)
        return httpx.Response(answered, content=archive)

    async with httpx.AsyncClient(transport=httpx.MockTransport(outside)) as http:
        api = connect(make(http=http))
        given = {"input_images": "https://example.com/dogs.zip"}
        created = await api.post(trainings_path, json={"destination": destination, "input": given})
        clock.advance(60)
        found = (await api.get(f"trainings/{created.json()['id']}")).json()
    assert found["status"] == ("succeeded" if answered == 200 else "failed")
    assert answered == 200 or found["error"].startswith("Failed to download https://example.com/dogs.zip: ")


async def test_cancelling_leaves_no_version(
    api: httpx.AsyncClient, train: Train, clock: LeapingClock
) -> None:
    training = await train()
    clock.advance(3)
    assert (await api.get(f"trainings/{training['id']}")).json()["status"] == "processing"
    canceled = await api.post(f"trainings/{training['id']}/cancel")
    clock.advance(60)
    assert canceled.json()["status"] == "canceled"
    assert (await api.get(f"trainings/{training['id']}")).json() == canceled.json()
    assert (await api.get("models/sandbox/dogs/versions")).json()["results"] == []


@pytest.mark.parametrize("destination", ["sandbox/unknown", "somebody/dogs", "dogs", ""])
async def test_a_destination_must_exist(
    api: httpx.AsyncClient, trainings_path: str, destination: str
) -> None:
    response = await api.post(trainings_path, json={"destination": destination, "input": {}})
    assert response.status_code == 404
    assert response.json() == {"detail": "The specified training destination does not exist", "status": 404}


async def test_the_input_is_checked_before_anything_is_created(api: httpx.AsyncClient, train: Train) -> None:
    refused = await train(status=422, steps=2, optimizer="magic")
    assert [field["type"] for field in refused["invalid_fields"]] == ["number_gte", "enum"]
    assert (await api.get("trainings")).json()["results"] == []


async def test_only_trainers_train(api: httpx.AsyncClient, destination: str) -> None:
    model = "models/black-forest-labs/flux-dev"
    version = (await api.get(model)).json()["latest_version"]["id"]
    body = {"destination": destination, "input": {}}
    assert (await api.post(f"{model}/versions/{version}/trainings", json=body)).status_code == 422
    assert (await api.post(f"{model}/versions/{'0' * 64}/trainings", json=body)).status_code == 404


async def test_the_fast_trainer_has_its_own_inputs_and_weights(
    api: httpx.AsyncClient, destination: str, uploaded: str, clock: LeapingClock
) -> None:
    trainer = "models/replicate/fast-flux-trainer"
    version = (await api.get(trainer)).json()["latest_version"]["id"]
    given = {"input_images": uploaded, "trigger_word": "DOGGO", "lora_type": "style", "training_steps": 50}
    created = await api.post(
        f"{trainer}/versions/{version}/trainings", json={"destination": destination, "input": given}
    )
    clock.advance(60)
    found = (await api.get(f"trainings/{created.json()['id']}")).json()
    assert found["status"] == "succeeded"
    assert found["output"]["weights"].endswith("/flux-lora.tar")


async def test_the_weights_are_an_archive_with_a_lora(
    api: httpx.AsyncClient, train: Train, clock: LeapingClock
) -> None:
    training = await train()
    clock.advance(60)
    weights = (await api.get(f"trainings/{training['id']}")).json()["output"]["weights"]
    content = (await api.get(weights)).content
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        names = archive.getnames()
        lora = archive.extractfile("output/flux_train_replicate/lora.safetensors")
        assert lora is not None
        assert int.from_bytes(lora.read(8), "little") > 8
    assert "output/flux_train_replicate/captions/dog-0.txt" in names
    assert (await api.get(weights.replace("trained_model", "other"))).status_code == 404


async def test_trainings_are_listed(api: httpx.AsyncClient, train: Train) -> None:
    first, second = await train(), await train()
    found = (await api.get("trainings")).json()["results"]
    assert [entry["id"] for entry in found] == [second["id"], first["id"]]
    assert (await api.get("predictions")).json()["results"] == []


async def test_at_no_pace_at_all_a_training_is_done_at_once(
    make: Make, connect: Connect, trainings_path: str, destination: str, uploaded: str
) -> None:
    api = connect(make(pace=Pace().scaled(0)))
    body = {"destination": destination, "input": {"input_images": uploaded}}
    created = (await api.post(trainings_path, json=body)).json()
    assert created["status"] == "starting"
    found = (await api.get(f"trainings/{created['id']}")).json()
    assert found["status"] == "succeeded"
    assert BAR.findall(found["logs"])[-1][1:3] == ("1000", "1000")
