"""Requests in our words become orders in BFL's, or are refused before anything is recorded."""

import base64

import pytest

from app.errors import InvalidRequestError, ModelNotFoundError, ProviderRefusedError
from app.models import FailureCode, GenerationRequest, JsonValue, Limits
from app.services.bfl_client import BflClient
from app.services.bfl_client.endpoints import ENDPOINTS
from tests.services.bfl_client.conftest import Build
from tests.services.replicate_client.scripted import Upstream

PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(64))).decode()
LINK = "https://example.com/a.png"


async def fitted(client: BflClient, model: str, options: dict[str, JsonValue]) -> dict[str, JsonValue]:
    order = await client.plan_generation(GenerationRequest("a cat", model=model, seed=7, options=options))
    assert order.ignored == ()
    return dict(order.input)


async def test_what_is_left_out_is_left_to_bfl(client: BflClient) -> None:
    order = await client.plan_generation(GenerationRequest("a cat", model="bfl/flux-dev", seed=7))
    assert (order.provider, order.model, order.version, order.seed) == ("bfl", "bfl/flux-dev", None, 7)
    assert order.input == {"prompt": "a cat", "seed": 7}
    assert order.expected_outputs == 1


async def test_a_seed_is_chosen_where_the_model_takes_one(client: BflClient) -> None:
    order = await client.plan_generation(GenerationRequest("a cat", model="bfl/flux-2-pro"))
    assert order.seed == order.input["seed"]
    without = await client.plan_generation(GenerationRequest("a cat", model="bfl/flux-3-image"))
    assert (without.seed, without.input) == (None, {"prompt": "a cat"})


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        (
            "bfl/flux-dev",
            {"guidance_scale": 4, "num_inference_steps": "30", "output_format": "jpg"},
            {"guidance": 4, "steps": 30, "output_format": "jpeg"},
        ),
        ("bfl/flux-dev", {"guidance": 2, "steps": 10}, {"guidance": 2, "steps": 10}),
        ("bfl/flux-dev", {"width": 1440, "height": 256}, {"width": 1440, "height": 256}),
        ("bfl/flux-dev", {"width": 512}, {"width": 512}),
        ("bfl/flux-2-pro", {"width": 2048, "height": 2048}, {"width": 2048, "height": 2048}),
        ("bfl/flux-pro-1.1-ultra", {"width": 1024, "height": 1024}, {"aspect_ratio": "1:1"}),
        (
            "bfl/flux-pro-1.1-ultra",
            {"aspect_ratio": "9:21", "raw": "true"},
            {"aspect_ratio": "9:21", "raw": True},
        ),
        ("bfl/flux-kontext-max", {"input_image": LINK}, {"input_image": LINK}),
        ("bfl/flux-kontext-pro", {"output_format": "webp", "num_outputs": 1}, {"output_format": "webp"}),
    ],
)
async def test_options_arrive_in_bfls_words(
    client: BflClient, model: str, options: dict[str, JsonValue], expected: dict[str, JsonValue]
) -> None:
    assert await fitted(client, model, options) == {"prompt": "a cat", "seed": 7, **expected}


async def test_a_size_becomes_the_nearest_shape_where_pixels_cannot_be_chosen(client: BflClient) -> None:
    options: dict[str, JsonValue] = {"width": 700, "height": 500}
    order = await client.plan_generation(GenerationRequest("a cat", "bfl/flux-3-image", options=options))
    assert (order.input, order.ignored) == ({"prompt": "a cat", "aspect_ratio": "7:5"}, ())


@pytest.mark.parametrize(
    ("model", "options", "ignored"),
    [
        (
            "bfl/flux-dev",
            {"num_outputs": 2, "extra_lora": "a/b", "typo": 1},
            {"num_outputs", "extra_lora", "typo"},
        ),
        (
            "bfl/flux-dev",
            {"negative_prompt": "dogs", "aspect_ratio": "1:1"},
            {"negative_prompt", "aspect_ratio"},
        ),
        (
            "bfl/flux-pro-1.1",
            {"num_inference_steps": 5, "guidance_scale": 3},
            {"num_inference_steps", "guidance_scale"},
        ),
        (
            "bfl/flux-3-image",
            {"output_format": "png", "disable_safety_checker": True},
            {"output_format", "disable_safety_checker", "seed"},
        ),
        ("bfl/flux-tools/deblur-v1", {"image": PICTURE, "width": 512}, {"prompt", "width"}),
    ],
)
async def test_what_the_model_has_no_place_for_is_named_and_never_sent(
    client: BflClient, model: str, options: dict[str, JsonValue], ignored: set[str]
) -> None:
    order = await client.plan_generation(GenerationRequest("a cat", model=model, seed=7, options=options))
    assert set(order.ignored) == ignored
    assert not ignored & order.input.keys()
    assert order.input.keys() <= ENDPOINTS[model.removeprefix("bfl/")].inputs.keys()


@pytest.mark.parametrize(
    ("model", "options", "field", "message"),
    [
        ("flux-dev", {"width": 99}, "width",
         "99 is too low for bfl/flux-dev; it takes multiples of 32 from 256 to 1440."),
        ("flux-dev", {"height": 1000}, "height",
         "1000 is not possible with bfl/flux-dev; it takes multiples of 32 from 256 to 1440."),
        ("flux-2-pro", {"width": 99}, "width",
         "99 is not possible with bfl/flux-2-pro; it takes multiples of 16, 64 or more."),
        ("flux-2-pro", {"width": 2048, "height": 2064}, "width",
         "2048 x 2064 are more pixels than bfl/flux-2-pro makes; width times height may be 4,194,304 at most,"
         " as in 2048 x 2048."),
        ("flux-dev", {"guidance_scale": 5.5}, "guidance_scale",
         "5.5 is too high for bfl/flux-dev; it takes 1.5 to 5."),
        ("flux-dev", {"num_inference_steps": 51}, "num_inference_steps",
         "51 is too high for bfl/flux-dev; it takes 1 to 50."),
        ("flux-dev", {"safety_tolerance": 7}, "safety_tolerance",
         "7 is too high for bfl/flux-dev; it takes 0 to 6."),
        ("flux-2-max", {"safety_tolerance": 6}, "safety_tolerance",
         "6 is too high for bfl/flux-2-max; it takes 0 to 5."),
        ("flux-dev", {"output_format": "gif"}, "output_format",
         "'gif' is not possible with bfl/flux-dev; it takes jpeg, png or webp."),
        ("flux-pro-1.0-fill", {}, "image", "is missing; bfl/flux-pro-1.0-fill cannot run without it."),
        ("flux-dev", {"image_prompt": LINK}, "image_prompt",
         f"{LINK!r} is an address, which the model does not follow."
         " bfl/flux-dev takes a picture in base64, also as a data: address."),
        ("flux-2-pro", {"input_image": "nonsense"}, "input_image",
         "'nonsense' is the base64 of no PNG, JPEG, WebP or GIF."
         " bfl/flux-2-pro takes a picture in base64, also as a data: address, or its http(s) address."),
        ("flux-2-pro", {"input_image": "cat.png"}, "input_image",
         "'cat.png' is not base64."
         " bfl/flux-2-pro takes a picture in base64, also as a data: address, or its http(s) address."),
        ("flux-2-pro", {"input_image": "data:image/png,abc"}, "input_image",
         "'data:image/png' is not followed by base64."
         " bfl/flux-2-pro takes a picture in base64, also as a data: address, or its http(s) address."),
        ("flux-3-image", {"images": [LINK] * 11}, "images", None),
        ("flux-3-image", {"resolution": "8k"}, "resolution",
         "'8k' is not possible with bfl/flux-3-image; it takes 768sq, 1k, 1.5k, 2k or 4k."),
        ("flux-pro-1.1-ultra-finetuned", {}, "finetune_id",
         "is missing; bfl/flux-pro-1.1-ultra-finetuned cannot run without it."),
    ],
)  # fmt: skip
async def test_what_bfl_would_refuse_is_refused_here(
    client: BflClient, model: str, options: dict[str, JsonValue], field: str, message: str | None
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        await client.plan_generation(GenerationRequest("a cat", model=f"bfl/{model}", options=options))
    assert [error.field for error in refused.value.errors] == [field]
    if message is not None:
        assert refused.value.errors[0].message == message


@pytest.mark.parametrize(
    "given", [PICTURE, f"data:image/png;base64,{PICTURE}", f" {PICTURE[:20]}\n{PICTURE[20:]} "]
)
async def test_a_picture_is_sent_as_plain_base64(client: BflClient, given: str) -> None:
    assert (await fitted(client, "bfl/flux-dev", {"image_prompt": given}))["image_prompt"] == PICTURE


async def test_a_list_of_pictures_may_mix_addresses_and_pictures(client: BflClient) -> None:
    order = await client.plan_generation(
        GenerationRequest(
            "a cat", model="bfl/flux-3-image", options={"images": [LINK, f"data:image/png;base64,{PICTURE}"]}
        )
    )
    assert order.input["images"] == [LINK, PICTURE]


@pytest.mark.parametrize("finetune_id", ["my-finetune", "11111111-2222-4333-8444-555555555555", "org-1/cats"])
async def test_a_fine_tune_is_named_after_the_models_name(client: BflClient, finetune_id: str) -> None:
    model = f"bfl/flux-pro-1.1-ultra-finetuned:{finetune_id}"
    order = await client.plan_generation(GenerationRequest("a cat", model=model))
    assert (order.model, order.version) == ("bfl/flux-pro-1.1-ultra-finetuned", finetune_id)
    assert order.input["finetune_id"] == finetune_id


async def test_a_fine_tune_may_be_an_option(client: BflClient) -> None:
    request = GenerationRequest(
        "a cat",
        model="bfl/flux-2-klein-9b-finetuned",
        options={"finetune_id": "cats", "finetune_strength": 2},
    )
    order = await client.plan_generation(request)
    assert (order.version, order.input["finetune_strength"]) == ("cats", 2)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("bfl/flux-dev:cats", {}, "'bfl/flux-dev' is one model for all: give it without ':cats'."),
        ("bfl/flux-pro-1.0-fill-finetuned:", {}, "'' cannot be a fine-tune"),
        ("bfl/flux-pro-1.1-ultra-finetuned:a b", {}, "'a b' cannot be a fine-tune"),
        ("bfl/flux-pro-1.1-ultra-finetuned:cats", {"finetune_id": "dogs"}, "'dogs' is another fine-tune"),
    ],
)
async def test_a_fine_tune_that_makes_no_sense_is_refused(
    client: BflClient, model: str, options: dict[str, JsonValue], message: str
) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        await client.plan_generation(GenerationRequest("a cat", model=model, options=options))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("bfl/flux-dv", "Black Forest Labs has no model 'bfl/flux-dv'. Near to it: bfl/flux-dev"),
        ("bfl/flux-1.1-pro", "bfl/flux-pro-1.1"),
        ("bfl/sdxl", "Black Forest Labs has no model 'bfl/sdxl'."),
        ("bfl/flux-pro", "'bfl/flux-pro' was withdrawn by Black Forest Labs; bfl/flux-pro-1.1 has taken"),
        ("bfl/flux-pro-1.0-canny", "was withdrawn by Black Forest Labs; bfl/flux-2-pro takes pictures"),
        ("bfl/flux-pro-1.0-depth", "was withdrawn by Black Forest Labs; bfl/flux-2-pro takes pictures"),
        ("bfl/flux-3-video", "makes videos, and only pictures are made here."),
    ],
)
async def test_a_model_that_is_not_there_is_explained(client: BflClient, model: str, message: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        await client.plan_generation(GenerationRequest("a cat", model=model))
    assert message in caught.value.detail


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (None, "Set BFL_API_KEY to use the models of Black Forest Labs."),
        ("", "Set BFL_API_KEY to use the models of Black Forest Labs."),
        ("two words", "Black Forest Labs refused the service's API key. Set a valid BFL_API_KEY."),
        ("kéy", "Black Forest Labs refused the service's API key. Set a valid BFL_API_KEY."),
    ],
)
async def test_without_a_usable_key_nothing_is_planned(
    build: Build, upstream: Upstream, key: str | None, sentence: str
) -> None:
    with pytest.raises(ProviderRefusedError) as caught:
        await build(key=key).plan_generation(GenerationRequest("a cat", model="bfl/flux-dev"))
    assert (caught.value.detail, caught.value.failure_code) == (sentence, FailureCode.PROVIDER_TOKEN_REFUSED)
    assert upstream.seen == []


async def test_the_models_are_listed_once_there_is_a_key(build: Build) -> None:
    models = await build().models()
    assert [model.name for model in models] == [f"bfl/{path}" for path in ENDPOINTS]
    assert all(model.provider == "bfl" and model.official and model.description for model in models)
    assert await build(key=None).models() == []


@pytest.mark.parametrize(
    ("model", "of_model"), [("bfl/flux-dev", None), ("bfl/flux-kontext-max", 6), ("bfl/finetune", None)]
)
def test_24_tasks_run_at_once_and_fewer_of_kontext_max(
    client: BflClient, model: str, of_model: int | None
) -> None:
    assert client.limits(model) == Limits(in_all=24, of_model=of_model)
