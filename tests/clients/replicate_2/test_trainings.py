"""Trainings: from a zip to a model that can be run."""

from pathlib import Path

import httpx
import pytest
from replicate import AsyncReplicate, Replicate
from replicate.types import TrainingGetResponse

from tests.clients.replicate_2.conftest import NewModel

UNDER_WAY = ("starting", "processing")
PROMPT = {"prompt": "TOYDOG on a hill", "seed": 5}


@pytest.fixture
def uploaded(client: Replicate, training_pictures: Path) -> str:
    """The address of the training pictures."""
    address = client.files.create(content=training_pictures, type="application/zip").urls.get
    assert address is not None
    return address


def _finished(client: Replicate, training_id: str | None) -> TrainingGetResponse:
    """The training's end; the client can wait for predictions only."""
    assert training_id is not None
    while (training := client.trainings.get(training_id=training_id)).status in UNDER_WAY:
        pass
    return training


def test_a_model_is_trained_and_run(
    client: Replicate, new_model: NewModel, trainer_version: str, uploaded: str
) -> None:
    model = new_model()
    created = client.trainings.create(
        model_owner="ostris",
        model_name="flux-dev-lora-trainer",
        version_id=trainer_version,
        destination=f"{model.owner}/{model.name}",
        input={"input_images": uploaded, "trigger_word": "TOYDOG", "steps": 100},
    )
    assert created.status == "starting"

    training = _finished(client, created.id)

    assert (training.status, training.error) == ("succeeded", None)
    assert (training.model, training.version) == ("ostris/flux-dev-lora-trainer", trainer_version)
    assert training.metrics is not None
    assert training.output is not None
    assert training.output.weights is not None
    assert training.output.version is not None
    assert httpx.get(training.output.weights, trust_env=False).is_success
    assert "100/100" in (training.logs or "")
    version = client.models.get(model_owner=model.owner, model_name=model.name).latest_version
    assert version is not None
    assert training.output.version == f"{model.owner}/{model.name}:{version.id}"
    plain, trained = (
        client.run(which, input=PROMPT, use_file_output=False)
        for which in ("black-forest-labs/flux-dev", training.output.version)
    )
    pictures = [httpx.get(output[0], trust_env=False).content for output in (plain, trained)]
    assert pictures[0] != pictures[1]
    name = {"model_owner": model.owner, "model_name": model.name}
    client.models.versions.delete(**name, version_id=version.id)
    assert client.models.versions.list(**name).results == []
    client.models.delete(**name)


def test_a_training_is_cancelled(
    client: Replicate, new_model: NewModel, trainer_version: str, uploaded: str
) -> None:
    created = client.trainings.create(
        model_owner="ostris",
        model_name="flux-dev-lora-trainer",
        version_id=trainer_version,
        destination=f"sandbox/{new_model().name}",
        input={"input_images": uploaded, "trigger_word": "sandbox:slow-start"},
    )
    assert created.id is not None

    assert client.trainings.cancel(training_id=created.id).status == "canceled"
    assert client.trainings.get(training_id=created.id).status == "canceled"
    assert created.id in [training.id for training in client.trainings.list()]


async def test_coroutines_train_as_well(
    aclient: AsyncReplicate, new_model: NewModel, trainer_version: str, uploaded: str
) -> None:
    done, slow = [
        await aclient.trainings.create(
            model_owner="ostris",
            model_name="flux-dev-lora-trainer",
            version_id=trainer_version,
            destination=f"sandbox/{new_model().name}",
            input={"input_images": uploaded, "trigger_word": word, "steps": 10},
        )
        for word in ("TOYDOG", "sandbox:slow-start")
    ]
    assert done.id is not None
    assert slow.id is not None

    while (training := await aclient.trainings.get(training_id=done.id)).status in UNDER_WAY:
        pass
    assert training.status == "succeeded"
    assert (await aclient.trainings.cancel(training_id=slow.id)).status == "canceled"
    assert done.id in [listed.id async for listed in aclient.trainings.list()]
