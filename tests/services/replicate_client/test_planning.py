"""Which model is meant, what it is sent, and how often Replicate is asked about it."""

import asyncio
from typing import Any

import httpx
import pytest

from app.errors import InvalidRequestError, ModelNotFoundError, ProviderUnavailableError
from app.models import GenerationRequest, JobKind, Run, TrainingRequest
from app.services.replicate_client import ReplicateClient
from tests.services.replicate_client.conftest import Build
from tests.services.replicate_client.scripted import (
    FINE_TUNE,
    FLUX_DEV,
    TOKEN,
    TRAINER,
    TRAINER_VERSION,
    VERSION,
    HastyClock,
    Upstream,
)

DEV = "black-forest-labs/flux-dev"
SCHNELL = "black-forest-labs/flux-schnell"


async def test_an_official_model_is_ordered_without_a_version(client: ReplicateClient) -> None:
    order = await client.plan_generation(GenerationRequest("a cat", seed=7, options={"num_outputs": 2}))
    assert (order.provider, order.kind) == ("replicate", JobKind.GENERATION)
    assert (order.model, order.version) == (DEV, None)
    assert order.input == {"prompt": "a cat", "seed": 7, "num_outputs": 2}
    assert (order.seed, order.expected_outputs) == (7, 2)


@pytest.mark.parametrize("reference", ["zoe/cat", "cat"])
async def test_a_fine_tune_is_ordered_by_its_newest_version(client: ReplicateClient, reference: str) -> None:
    order = await client.plan_generation(GenerationRequest("a cat", model=reference))
    assert (order.model, order.version) == ("zoe/cat", VERSION)


async def test_a_version_can_be_asked_for(client: ReplicateClient, upstream: Upstream) -> None:
    version = "d" * 64
    document = FINE_TUNE["latest_version"]["openapi_schema"]
    upstream.on(
        f"GET /models/zoe/cat/versions/{version}",
        httpx.Response(200, json={"id": version, "openapi_schema": document}),
    )
    order = await client.plan_generation(GenerationRequest("a cat", model=f"zoe/cat:{version}"))
    assert (order.model, order.version) == ("zoe/cat", version)


@pytest.mark.parametrize("asked", ["dev", "schnell"])
async def test_a_flavour_is_the_default_models_own_where_it_has_one(build: Build, asked: str) -> None:
    order = await build(default_model="zoe/cat").plan_generation(GenerationRequest("a cat", model=asked))
    assert order.model == "zoe/cat"
    assert order.input["model"] == asked


@pytest.mark.parametrize(("asked", "model"), [("dev", DEV), ("schnell", SCHNELL)])
async def test_a_flavour_is_a_model_of_its_own_otherwise(
    client: ReplicateClient, upstream: Upstream, asked: str, model: str
) -> None:
    upstream.on(f"GET /models/{SCHNELL}", httpx.Response(200, json=FLUX_DEV))
    order = await client.plan_generation(GenerationRequest("a cat", model=asked))
    assert (order.model, order.version) == (model, None)


async def test_a_model_that_does_not_exist_is_named(client: ReplicateClient) -> None:
    with pytest.raises(ModelNotFoundError, match="no model 'zoe/dog'"):
        await client.plan_generation(GenerationRequest("a cat", model="zoe/dog"))


async def test_a_model_without_a_version_cannot_be_run_yet(
    client: ReplicateClient, upstream: Upstream
) -> None:
    upstream.on(
        "GET /models/zoe/cat",
        httpx.Response(200, json={**FINE_TUNE, "latest_version": None}),
        httpx.Response(200, json=FINE_TUNE),
    )
    with pytest.raises(ModelNotFoundError, match="no version yet; its training may not be finished"):
        await client.plan_generation(GenerationRequest("a cat", model="cat"))
    assert (await client.plan_generation(GenerationRequest("a cat", model="cat"))).version == VERSION


@pytest.mark.parametrize(
    "model", ["a/b/c", "../account", "zoe/cat:latest", "a b", "", "zoe/", "/cat", "zoe/..", "zöe/cat"]
)
async def test_what_cannot_be_a_models_name_is_not_sent(
    client: ReplicateClient, upstream: Upstream, model: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        await client.plan_generation(GenerationRequest("a cat", model=model))
    assert caught.value.errors[0].field == "model"
    assert upstream.seen == []


async def test_a_model_is_asked_about_once_a_minute(
    client: ReplicateClient, upstream: Upstream, clock: HastyClock
) -> None:
    request = GenerationRequest("a cat", model="zoe/cat")
    await asyncio.gather(*(client.plan_generation(request) for _ in range(20)))
    clock.advance(59)
    await client.plan_generation(request)
    assert upstream.calls() == ["GET /models/zoe/cat"]
    clock.advance(2)
    await client.plan_generation(request)
    assert upstream.calls() == ["GET /models/zoe/cat"] * 2


async def test_one_who_stops_waiting_does_not_stop_the_others(
    client: ReplicateClient, upstream: Upstream
) -> None:
    request = GenerationRequest("a cat", model="zoe/cat")
    first = asyncio.create_task(client.plan_generation(request))
    second = asyncio.create_task(client.plan_generation(request))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).version == VERSION
    assert upstream.calls() == ["GET /models/zoe/cat"]


async def test_a_failed_look_up_is_not_remembered(client: ReplicateClient, upstream: Upstream) -> None:
    upstream.on("GET /models/zoe/cat", *[httpx.Response(500)] * 4, httpx.Response(200, json=FINE_TUNE))
    request = GenerationRequest("a cat", model="zoe/cat")
    with pytest.raises(ProviderUnavailableError):
        await client.plan_generation(request)
    assert (await client.plan_generation(request)).version == VERSION


@pytest.mark.parametrize("by", ["forget_model", "fetch", "sweep"])
async def test_a_new_version_is_used_at_once(client: ReplicateClient, upstream: Upstream, by: str) -> None:
    newer: dict[str, Any] = {**FINE_TUNE, "latest_version": {**FINE_TUNE["latest_version"], "id": "e" * 64}}
    upstream.on("GET /models/zoe/cat", httpx.Response(200, json=FINE_TUNE), httpx.Response(200, json=newer))
    training = {"id": "t1", "status": "succeeded", "output": {"version": f"zoe/cat:{'e' * 64}"}}
    upstream.on("GET /trainings/t1", httpx.Response(200, json=training))
    upstream.on("GET /trainings", httpx.Response(200, json={"next": None, "results": [training]}))
    request = GenerationRequest("a cat", model="zoe/cat")
    assert (await client.plan_generation(request)).version == VERSION
    if by == "forget_model":
        client.forget_model("zoe/cat")
    elif by == "fetch":
        await client.fetch(Run(JobKind.TRAINING, "t1"))
    else:
        await client.sweep(JobKind.TRAINING, since=HastyClock().now())
    for _ in range(2):
        assert (await client.plan_generation(request)).version == "e" * 64


async def test_a_training_is_ordered_with_everything_but_the_secrets(client: ReplicateClient) -> None:
    order = await client.plan_training(
        TrainingRequest(
            "TOK",
            training_images_url="https://example.com/a.zip",
            destination="cat",
            options={"steps": 500},
            secrets={"hf_token": "hf_secret_value"},
        )
    )
    assert (order.model, order.version) == ("ostris/flux-dev-lora-trainer", TRAINER_VERSION)
    assert order.input == {
        "input_images": "https://example.com/a.zip",
        "trigger_word": "TOK",
        "steps": 500,
    }
    assert (order.destination, order.trigger_word, order.training_set) == ("zoe/cat", "TOK", None)


@pytest.mark.parametrize(
    ("asked", "trigger_word", "destination"),
    [
        ("cat", "TOK", "zoe/cat"),
        ("acme-Inc/cat.v2", "TOK", "acme-Inc/cat.v2"),
        (None, "TOK", "zoe/tok"),
        (None, "My Cat, the 2nd!", "zoe/my-cat-the-2nd"),
        (None, "猫", "zoe/flux-fine-tune"),
        (None, "", "zoe/flux-fine-tune"),
    ],
)
async def test_the_destination_gets_an_owner_and_a_name(
    client: ReplicateClient, asked: str | None, trigger_word: str, destination: str
) -> None:
    request = TrainingRequest(trigger_word, training_images_url="https://x.example/a.zip", destination=asked)
    assert (await client.plan_training(request)).destination == destination


@pytest.mark.parametrize(
    "asked", ["Cat", "zoe/Cat", "-cat", "a/b/c", "zoe/", "..", "zoe/cat:1", "my cat", ""]
)
async def test_a_destination_that_cannot_be_a_name_is_refused(client: ReplicateClient, asked: str) -> None:
    request = TrainingRequest("TOK", training_images_url="https://x.example/a.zip", destination=asked)
    with pytest.raises(InvalidRequestError) as caught:
        await client.plan_training(request)
    assert caught.value.errors[0].field == "destination_model"
    assert repr(asked) in caught.value.errors[0].message


async def test_an_official_trainer_is_started_by_its_version_too(
    client: ReplicateClient, upstream: Upstream
) -> None:
    official = httpx.Response(200, json={**TRAINER, "is_official": True})
    upstream.on("GET /models/ostris/flux-dev-lora-trainer", official)
    order = await client.plan_training(TrainingRequest("TOK", training_images_url="https://x.example/a.zip"))
    assert order.version == TRAINER_VERSION


async def test_a_trainer_can_be_pinned_to_a_version(build: Build, upstream: Upstream) -> None:
    version = "f" * 64
    document = TRAINER["latest_version"]["openapi_schema"]
    upstream.on(
        f"GET /models/ostris/flux-dev-lora-trainer/versions/{version}",
        httpx.Response(200, json={"id": version, "openapi_schema": document}),
    )
    client = build(trainer=f"ostris/flux-dev-lora-trainer:{version}")
    order = await client.plan_training(TrainingRequest("TOK", training_images_url="https://x.example/a.zip"))
    assert (order.model, order.version) == ("ostris/flux-dev-lora-trainer", version)


async def test_the_models_on_offer_are_those_that_exist(client: ReplicateClient) -> None:
    (model,) = await client.models()
    assert (model.name, model.official, model.version) == (DEV, True, None)
    assert model.description == "Twelve billion parameters"


async def test_looking_up_sends_the_token_only_to_the_api(
    client: ReplicateClient, upstream: Upstream
) -> None:
    await client.plan_generation(GenerationRequest("a cat"))
    assert upstream.seen[0].url.host == "api.replicate.com"
    assert upstream.seen[0].headers["authorization"] == f"Bearer {TOKEN}"
