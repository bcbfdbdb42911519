"""The sandbox seen through Replicate's own Python client, version 2."""

from collections.abc import AsyncIterator

import httpx
import pytest
import replicate
from replicate import AsyncReplicate
from replicate.exceptions import ModelError
from starlette.applications import Starlette

from app.sandbox import SandboxTransport
from tests.sandbox.leaping_clock import LeapingClock


@pytest.fixture
async def client(app: Starlette) -> AsyncIterator[AsyncReplicate]:
    """The official client; its own base URL already ends in `/v1`."""
    http = httpx.AsyncClient(transport=SandboxTransport(app))
    async with AsyncReplicate(bearer_token="r8_x", http_client=http, max_retries=0) as client:  # noqa: S106
        yield client


async def test_run_gives_pictures(client: AsyncReplicate) -> None:
    output = await client.run(
        "black-forest-labs/flux-schnell", input={"prompt": "a cat", "num_outputs": 2}, use_file_output=False
    )
    assert isinstance(output, list)
    assert [str(address).rpartition("/")[2] for address in output] == ["out-0.webp", "out-1.webp"]


async def test_run_with_a_version_raises_what_the_model_says(client: AsyncReplicate) -> None:
    model = await client.models.get(model_owner="sandbox", model_name="flux-toy-robot")
    assert model.latest_version is not None
    with pytest.raises(ModelError) as caught:
        await client.run(
            f"sandbox/flux-toy-robot:{model.latest_version.id}", input={"prompt": "TOYBOT sandbox:moderated"}
        )
    assert "NSFW" in str(caught.value)


async def test_predictions_are_created_listed_and_cancelled(
    client: AsyncReplicate, clock: LeapingClock
) -> None:
    created = await client.models.predictions.create(
        model_owner="black-forest-labs", model_name="flux-dev", input={"prompt": "a cat"}
    )
    assert created.status == "starting"
    canceled = await client.predictions.cancel(prediction_id=created.id)
    assert canceled.status == "canceled"
    assert [entry.id async for entry in await client.predictions.list()] == [created.id]
    again = await client.predictions.create(version="black-forest-labs/flux-dev", input={"prompt": "a cat"})
    clock.advance(2)
    found = await client.predictions.get(prediction_id=again.id)
    assert found.metrics is not None
    assert (found.status, found.metrics.total_time) == ("succeeded", 1.5)


async def test_a_model_is_trained(client: AsyncReplicate, archive: bytes, clock: LeapingClock) -> None:
    file = await client.files.create(content=("dogs.zip", archive, "application/zip"))
    model = await client.models.create(owner="sandbox", name="dogs", visibility="private", hardware="cpu")
    assert model.latest_version is None
    trainer = await client.models.get(model_owner="ostris", model_name="flux-dev-lora-trainer")
    assert trainer.latest_version is not None
    training = await client.trainings.create(
        model_owner="ostris",
        model_name="flux-dev-lora-trainer",
        version_id=str(trainer.latest_version.id),
        destination="sandbox/dogs",
        input={"input_images": file.urls.get, "trigger_word": "DOGGO"},
    )
    clock.advance(60)
    found = await client.trainings.get(training_id=str(training.id))
    assert found.status == "succeeded"
    assert found.output is not None
    assert str(found.output.version).startswith("sandbox/dogs:")


async def test_errors_are_of_the_clients_own_kinds(client: AsyncReplicate) -> None:
    for prompt, kind in (
        ("sandbox:throttled", replicate.RateLimitError),
        ("sandbox:server-error", replicate.InternalServerError),
        ("sandbox:bad-gateway", replicate.InternalServerError),
        ("sandbox:no-such-word", replicate.UnprocessableEntityError),
    ):
        with pytest.raises(kind):
            await client.predictions.create(version="black-forest-labs/flux-dev", input={"prompt": prompt})
    with pytest.raises(replicate.NotFoundError):
        await client.trainings.get(training_id="none")


async def test_the_rest_of_the_api_is_there(client: AsyncReplicate) -> None:
    assert (await client.account.get()).username == "sandbox"
    assert (await client.hardware.list())[0].sku == "cpu"
    secret = await client.webhooks.default.secret.get()
    assert str(secret.key).startswith("whsec_")
    assert [model.name async for model in await client.models.search(body="kontext")] == ["flux-kontext-pro"]
    assert "official" in [entry.slug async for entry in await client.collections.list()]
    deployments = [entry async for entry in await client.deployments.list()]
    assert deployments == []
