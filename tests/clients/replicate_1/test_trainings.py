"""Trainings: from a zip to a model that can be run."""

from pathlib import Path

import httpx
from replicate import paginate
from replicate.client import Client
from replicate.model import Model
from replicate.training import Training

from tests.clients.replicate_1.conftest import NewModel

TRAINER = "ostris/flux-dev-lora-trainer"
PROMPT = {"prompt": "TOYDOG on a hill", "seed": 5}


def _finished(client: Client, training: Training) -> Training:
    """The training's end; the client can wait for predictions only."""
    while training.status in ("starting", "processing"):
        training.reload()
    return training


def _trainer(client: Client) -> Model:
    model = client.models.get(TRAINER)
    assert model.latest_version is not None
    return model


def test_a_model_is_trained_and_run(client: Client, new_model: NewModel, training_pictures: Path) -> None:
    model, trainer = new_model(), _trainer(client)
    training = client.trainings.create(
        model=trainer,
        version=trainer.latest_version,
        input={"input_images": training_pictures, "trigger_word": "TOYDOG", "steps": 100},
        destination=model,
    )
    assert training.status == "starting"

    _finished(client, training)

    assert (training.status, training.error) == ("succeeded", None)
    assert training.output["version"].startswith(f"{model.id}:")
    assert httpx.get(training.output["weights"], trust_env=False).is_success
    assert "100/100" in (training.logs or "")
    version = client.models.get(model.id).latest_version
    assert version is not None
    assert training.output["version"] == f"{model.id}:{version.id}"
    plain, trained = (
        client.run(version, input=PROMPT, use_file_output=False)
        for version in ("black-forest-labs/flux-dev", training.output["version"])
    )
    pictures = [httpx.get(output[0], trust_env=False).content for output in (plain, trained)]
    assert pictures[0] != pictures[1]
    model.versions.delete(version.id)  # its result says nothing: the client waits for a 204, and 202 comes
    assert len(model.versions.list()) == 0
    assert client.models.delete(model.id) is True


def test_the_older_way_to_create_a_training_works(
    client: Client, new_model: NewModel, training_pictures: Path
) -> None:
    trainer, destination = _trainer(client), new_model().id
    uploaded = client.files.create(training_pictures)
    assert trainer.latest_version is not None
    training = client.trainings.create(
        f"{TRAINER}:{trainer.latest_version.id}",
        {"input_images": uploaded.urls["get"], "trigger_word": "TOYDOG", "steps": 10},
        destination,
    )

    assert _finished(client, training).status == "succeeded"


def test_a_training_is_cancelled(client: Client, new_model: NewModel, training_pictures: Path) -> None:
    trainer = _trainer(client)
    assert trainer.latest_version is not None
    training = client.trainings.create(
        model=(trainer.owner, trainer.name),
        version=trainer.latest_version.id,
        input={"input_images": training_pictures, "trigger_word": "sandbox:slow-start"},
        destination=new_model().id,
    )

    training.cancel()

    assert training.status == "canceled"
    assert client.trainings.get(training.id).status == "canceled"
    assert client.trainings.cancel(training.id).status == "canceled"
    assert training.id in [listed.id for page in paginate(client.trainings.list) for listed in page]


async def test_the_async_half_trains_as_well(
    aclient: Client, new_model: NewModel, training_pictures: Path
) -> None:
    trainer = await aclient.models.async_get(TRAINER)
    assert trainer.latest_version is not None
    trainings = [
        await aclient.trainings.async_create(
            model=trainer,
            version=trainer.latest_version,
            input={"input_images": training_pictures, "trigger_word": word, "steps": 10},
            destination=new_model().id,
        )
        for word in ("TOYDOG", "sandbox:slow-start")
    ]
    done, slow = trainings

    while done.status in ("starting", "processing"):
        await done.async_reload()
    await slow.async_cancel()

    assert (done.status, slow.status) == ("succeeded", "canceled")
    assert (await aclient.trainings.async_get(done.id)).output == done.output
    assert done.id in [training.id for training in await aclient.trainings.async_list()]
