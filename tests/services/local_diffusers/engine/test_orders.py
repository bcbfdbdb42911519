"""What becomes of a request: the model's own defaults, what it can take, and what is refused."""

import base64
from dataclasses import replace

import pytest

from app.errors import (
    InvalidRequestError,
    ModelNotFoundError,
    ProviderRefusedError,
    ProviderUnavailableError,
)
from app.models import FailureCode, GenerationRequest, JobKind, JsonValue, Order, TrainingRequest
from app.services.local_diffusers.client import LocalDiffusers
from app.services.local_diffusers.families import Family
from app.services.local_diffusers.model_settings import LocalModelSettings, LoraUse, ModelConfig, Sampler
from tests.pictures import encoded
from tests.services.local_diffusers.engine.conftest import Planned, Start
from tests.services.local_diffusers.engine.fake_painters import FakePainters


@pytest.fixture
def picture() -> str:
    """A picture of 96 x 72 pixels as a caller sends it."""
    return "data:image/png;base64," + base64.b64encode(encoded("PNG", 96, 72)).decode()


async def test_the_models_own_defaults_are_sent(start: Start, model_settings: LocalModelSettings) -> None:
    async with start(settings=replace(model_settings, configs={})) as local:
        order = await local.plan_generation(GenerationRequest("a tree", "local/oak", 7))
    assert order == Order(
        provider="local",
        kind=JobKind.GENERATION,
        model="local/oak",
        version=None,
        input={
            "prompt": "a tree",
            "width": 1024,
            "height": 1024,
            "num_inference_steps": 25,
            "guidance_scale": 7.5,
            "num_outputs": 1,
            "output_format": "webp",
            "lora_scale": 1.0,
            "seed": 7,
        },
        expected_outputs=1,
        seed=7,
    )


async def test_a_turbo_model_takes_one_step_without_guidance(
    start: Start, model_settings: LocalModelSettings
) -> None:
    async with start(settings=replace(model_settings, configs={"oak": ModelConfig(turbo=True)})) as local:
        order = await local.plan_generation(GenerationRequest("a tree", "local/oak"))
    assert (order.input["num_inference_steps"], order.input["guidance_scale"]) == (1, 0.0)
    assert (order.input["width"], order.input["height"]) == (512, 512)


async def test_what_the_operator_said_of_a_model_comes_before_what_is_usual(
    start: Start, model_settings: LocalModelSettings
) -> None:
    config = ModelConfig(guidance_scale=4, width=640, scheduler=Sampler.UNIPC, loras=(LoraUse("moss", 0.5),))
    async with start(settings=replace(model_settings, configs={"oak": config})) as local:
        order = await local.plan_generation(GenerationRequest("a tree", "local/oak"))
        changed = await local.plan_generation(
            GenerationRequest("a tree", "local/oak", options={"scheduler": "lcm", "height": 500, "width": ""})
        )
    assert order.input["guidance_scale"] == 4
    assert (order.input["width"], order.input["height"]) == (640, 1024)
    assert (order.input["scheduler"], order.input["loras"]) == ("unipc", ["moss:0.5"])
    assert (changed.input["scheduler"], changed.input["width"], changed.input["height"]) == ("lcm", 640, 504)


async def test_a_picture_to_start_from_gives_its_size(planned: Planned, picture: str) -> None:
    order = await planned(image=picture, num_inference_steps=None)
    assert (order.input["width"], order.input["height"]) == (96, 72)
    order = await planned(image=picture.partition(",")[2], width=64, strength="0.5", mask_image=picture)
    assert (order.input["width"], order.input["height"], order.input["strength"]) == (64, 72, 0.5)


async def test_what_has_no_meaning_is_named_as_ignored(planned: Planned) -> None:
    order = await planned(strength=0.5, disable_safety_checker=True)
    assert sorted(order.ignored) == ["disable_safety_checker", "strength"]
    assert "strength" not in order.input


async def test_the_word_jpeg_is_understood(planned: Planned) -> None:
    assert (await planned(output_format="jpeg")).input["output_format"] == "jpg"


async def test_a_model_without_negative_prompts_and_schedulers_ignores_them(
    start: Start, model_settings: LocalModelSettings
) -> None:
    config = ModelConfig(family=Family.FLUX_DEV, scheduler=Sampler.EULER)
    async with start(settings=replace(model_settings, configs={"oak": config})) as local:
        request = GenerationRequest(
            "a tree", "local/oak", options={"negative_prompt": "leaves", "scheduler": "euler"}
        )
        order = await local.plan_generation(request)
    assert sorted(order.ignored) == ["negative_prompt", "scheduler"]


@pytest.mark.parametrize(
    ("options", "field", "sentence"),
    [
        ({"num_outputs": 5}, "num_outputs", "5 is too high for local/oak; it takes 1 to 4."),
        ({"num_inference_steps": 0}, "num_inference_steps", "0 is too low for local/oak"),
        ({"width": 4096}, "width", "4096 is too high for local/oak; it takes"),
        ({"output_format": "gif"}, "output_format", "it takes webp, jpg or png."),
        ({"scheduler": "magic"}, "scheduler", "'magic' is not possible with local/oak"),
        ({"extra_lora": "rust"}, "extra_lora", "'rust' is no LoRA in LOCAL_LORAS_DIR; there is: moss."),
        ({"loras": ["rust:1"]}, "loras", "'rust' is no LoRA in LOCAL_LORAS_DIR; there is: moss."),
        ({"loras": ["moss:much"]}, "loras", "'moss:much' has no weight behind its colon"),
        ({"loras": ["moss:11"]}, "loras", "name:weight with -10 to 10 is allowed."),
        ({"image": "https://example.com/cat.png"}, "image", "is an address, and none is fetched"),
        ({"image": "data:image/png,xyz"}, "image", "is a data: URI without base64"),
        ({"image": "not base64!"}, "image", "is not in base64"),
        ({"image": "bm90IGEgcGljdHVyZQ=="}, "image", "cannot be read as a picture"),
        ({"mask_image": "bm90IGEgcGljdHVyZQ=="}, "mask_image", "give image as well"),
    ],
)
async def test_what_the_model_cannot_do_is_refused_with_field_value_and_what_is_allowed(
    planned: Planned, options: dict[str, JsonValue], field: str, sentence: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        await planned(**options)
    (error,) = caught.value.errors
    assert error.field == field
    assert sentence in error.message


async def test_a_strength_that_leaves_no_step_is_refused(planned: Planned, picture: str) -> None:
    with pytest.raises(InvalidRequestError, match="leaves no step to take"):
        await planned(image=picture, strength=0.1)


async def test_a_damaged_picture_is_refused(planned: Planned) -> None:
    damaged = base64.b64encode(encoded("PNG", 96, 72)[:-100]).decode()
    with pytest.raises(InvalidRequestError, match="cut off or damaged"):
        await planned(image=damaged)


async def test_an_unknown_model_is_answered_with_those_there_are(planned: Planned) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        await planned(model="local/yew")
    assert caught.value.detail == (
        "No local model is called 'yew'; there is: local/ash, local/elm, local/oak."
    )


async def test_a_refused_file_is_answered_with_the_reason(
    start: Start, model_settings: LocalModelSettings
) -> None:
    assert model_settings.models_dir is not None
    (model_settings.models_dir / "yew.ckpt").write_bytes(b"")
    async with start() as local:
        shown = {info.name: info.problem for info in await local.models()}
        with pytest.raises(ModelNotFoundError, match=r"yew\.ckpt is a pickle"):
            await local.plan_generation(GenerationRequest("a tree", "local/yew.ckpt"))
    assert shown["local/oak"] is None
    assert shown["local/yew.ckpt"] is not None
    assert [refused.name for refused in local.refused()] == ["yew.ckpt"]


async def test_no_model_named_and_no_default_is_said_so(local: LocalDiffusers) -> None:
    with pytest.raises(ModelNotFoundError, match="DEFAULT_MODEL_IDENTIFIER names none"):
        await local.plan_generation(GenerationRequest("a tree"))


async def test_without_the_packages_every_model_says_what_to_install(
    start: Start, painters: FakePainters
) -> None:
    painters.missing = "torch"
    async with start() as local:
        with pytest.raises(ProviderUnavailableError, match=r"pip install .*requirements-local\.txt"):
            await local.plan_generation(GenerationRequest("a tree", "local/oak"))
        assert all(info.problem for info in await local.models())
    assert painters.events == []


async def test_an_order_whose_model_is_gone_is_refused(local: LocalDiffusers, planned: Planned) -> None:
    order = replace(await planned(), model="local/yew")
    with pytest.raises(ProviderRefusedError) as caught:
        await local.create(order, wait=None, secrets={})
    assert caught.value.failure_code == FailureCode.PROVIDER_REFUSED


async def test_nothing_is_trained_here(local: LocalDiffusers) -> None:
    with pytest.raises(ProviderRefusedError, match="not trained here"):
        await local.plan_training(TrainingRequest("TOK"))
