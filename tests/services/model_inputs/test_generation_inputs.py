import pytest

from app.errors import InvalidRequestError
from app.models import GenerationRequest, JsonValue
from app.services.model_inputs import Fitted, fit_generation
from tests.services.model_inputs.schemas import (
    FINE_TUNE,
    FLUX_2,
    FLUX_DEV,
    FLUX_DEV_LORA,
    FLUX_PRO,
    FLUX_SCHNELL,
    KONTEXT,
    PROMPT,
    SDXL,
    Fields,
    Fit,
    SchemaOf,
)


def test_every_default_of_ours_is_sent_to_a_model_that_takes_it(generate: Fit) -> None:
    assert generate(FINE_TUNE) == Fitted(
        input={
            "prompt": "a photo of TOK",
            "width": 512,
            "height": 512,
            "aspect_ratio": "custom",
            "num_outputs": 1,
            "output_format": "webp",
            "guidance_scale": 3.5,
            "num_inference_steps": 28,
            "lora_scale": 1,
            "disable_safety_checker": False,
            "seed": 7,
        },
        ignored=(),
        seed=7,
        expected_outputs=1,
    )


def test_a_default_that_the_model_does_not_take_is_left_to_the_model(generate: Fit) -> None:
    fitted = generate(FLUX_SCHNELL)
    assert "num_inference_steps" not in fitted.input
    assert "guidance_scale" not in fitted.input
    assert generate(KONTEXT).input.keys() == {"prompt", "aspect_ratio", "seed"}
    assert fitted.ignored == ()


@pytest.mark.parametrize(
    ("fields", "options", "ignored"),
    [
        (FLUX_DEV, {"aspect_ratio": "16:9", "width": 800}, ("width",)),
        (FINE_TUNE, {"aspect_ratio": "16:9", "width": 800, "height": 600}, ("width", "height")),
        (FINE_TUNE, {"megapixels": "1", "width": 800}, ("megapixels",)),
        (FINE_TUNE, {"image": "https://a.example/b.png", "width": 800}, ("width",)),
        ({"prompt": PROMPT}, {"width": 800, "height": 600}, ("width", "height")),
        (FLUX_SCHNELL, {"guidance_scale": 4, "lora_scale": 1}, ("guidance_scale", "lora_scale")),
        (FLUX_DEV, {"extra_lora": "owner/name", "typo": 1}, ("extra_lora", "typo")),
        (FLUX_DEV, {"guidance_scale": 4, "guidance": 5}, ("guidance_scale",)),
        (FLUX_PRO, {"num_outputs": 2, "num_inference_steps": 28}, ("num_outputs", "num_inference_steps")),
        (FLUX_PRO, {"num_outputs": 1}, ()),
        (FLUX_PRO, {"extra_lora": "", "num_outputs": None}, ()),
        (FLUX_DEV, {"prompt": "another", "seed": 3}, ("prompt", "seed")),
    ],
)
def test_what_the_model_has_no_place_for_is_named(
    generate: Fit, fields: Fields, options: dict[str, JsonValue], ignored: tuple[str, ...]
) -> None:
    fitted = generate(fields, options)
    assert fitted.ignored == ignored
    assert not set(ignored) - {"prompt", "seed"} & fitted.input.keys()


@pytest.mark.parametrize(
    ("fields", "options", "name", "value"),
    [
        (FLUX_DEV, {"guidance_scale": 2.5}, "guidance", 2.5),
        (FLUX_DEV, {}, "guidance", 3.5),
        (FLUX_DEV, {"guidance": 2}, "guidance", 2),
        (FLUX_DEV_LORA, {"extra_lora": "owner/name"}, "lora_weights", "owner/name"),
        (FINE_TUNE, {"extra_lora": "owner/name"}, "extra_lora", "owner/name"),
        (FINE_TUNE, {"lora_scale": -1}, "lora_scale", -1),
        (FLUX_DEV, {"output_quality": "95"}, "output_quality", 95),
        (FLUX_DEV, {"output_quality": 95.0}, "output_quality", 95),
        (FLUX_DEV, {"go_fast": "false"}, "go_fast", False),
        (FLUX_DEV, {"go_fast": "On"}, "go_fast", True),
        (FLUX_DEV, {"prompt_strength": "3.5e-1"}, "prompt_strength", 0.35),
        (FLUX_DEV, {"megapixels": 1}, "megapixels", "1"),
        (
            FLUX_PRO,
            {"image_prompt": "data:image/png;base64,AAAA"},
            "image_prompt",
            "data:image/png;base64,AAAA",
        ),
        (
            FLUX_2,
            {"input_images": "https://a.example/b"},
            "input_images",
            ["https://a.example/b"],
        ),
    ],
)
def test_an_option_arrives_under_the_model_own_name_and_type(
    generate: Fit, fields: Fields, options: dict[str, JsonValue], name: str, value: JsonValue
) -> None:
    sent = generate(fields, options).input[name]
    assert (sent, type(sent)) == (value, type(value))


@pytest.mark.parametrize(
    ("fields", "options", "field", "message"),
    [
        (
            FLUX_SCHNELL,
            {"num_inference_steps": 28},
            "num_inference_steps",
            "28 is too high for owner/model; it takes 1 to 4.",
        ),
        (FLUX_DEV, {"guidance_scale": 10.5}, "guidance_scale", "10.5 is too high for owner/model"),
        (FLUX_DEV, {"output_quality": -1}, "output_quality", "-1 is too low for owner/model; it takes"),
        (KONTEXT, {"output_format": "webp"}, "output_format", "with owner/model; it takes jpg or png."),
        (FLUX_DEV, {"go_fast": "perhaps"}, "go_fast", "'perhaps' is not true or false, which is"),
        (FLUX_DEV, {"output_quality": "high"}, "output_quality", "'high' is not a whole number"),
        (FLUX_DEV, {"prompt_strength": float("nan")}, "prompt_strength", "nan is not a number that"),
        (FLUX_DEV, {"image": "file.png"}, "image", "'file.png' is not an address; owner/model takes"),
        (FLUX_2, {"input_images": ["https://a.example", 3]}, "input_images", "Item 2: 3 is not text"),
        (FLUX_2, {"input_images": ["https://a.example"] * 9}, "input_images", "maxItems is 8"),
        (FINE_TUNE, {"width": 1500}, "width", "1500 is too high for owner/model; it takes 256 to 1440."),
        (FINE_TUNE, {"width": "wide"}, "width", "'wide' is not a whole number of pixels."),
        (FLUX_DEV, {"height": 0}, "height", "0 is not a whole number of pixels."),
        (FLUX_DEV, {"aspect_ratio": "custom"}, "aspect_ratio", "'custom' is not possible with"),
        (FLUX_DEV, {"hf_token": "hf_abc"}, "hf_token", "secrets are not taken here"),
        (FLUX_DEV_LORA, {"hf_api_token": "hf_abc"}, "hf_api_token", "secrets are not taken here"),
    ],
)  # fmt: skip
def test_what_the_model_does_not_allow_is_refused_in_the_callers_words(
    generate: Fit, fields: Fields, options: dict[str, JsonValue], field: str, message: str
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        generate(fields, options)
    assert [error.field for error in refused.value.errors] == [field]
    assert message in refused.value.errors[0].message
    assert "hf_abc" not in refused.value.detail


def test_everything_wrong_is_said_at_once(generate: Fit) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        generate(FINE_TUNE, {"num_outputs": 9, "width": 100, "wandb_api_key": "abc"})
    assert {error.field for error in refused.value.errors} == {"num_outputs", "width", "wandb_api_key"}


def test_a_missing_input_is_named(schema: SchemaOf) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"input_image: is missing; owner/model cannot run without it\."
    ):
        fit_generation(GenerationRequest(prompt="a cat"), schema(KONTEXT, ("prompt", "input_image")))


def test_a_long_value_is_cut_short_in_the_message(generate: Fit) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        generate(FLUX_DEV, {"image": "x" * 1_000_000})
    assert len(refused.value.detail) < 200


def test_the_seed_is_given_or_chosen_and_always_told(generate: Fit) -> None:
    assert generate(FLUX_DEV, seed=42).seed == 42
    assert generate(FLUX_DEV, seed=0).input["seed"] == 0
    assert generate(FLUX_DEV).input["seed"] == 7
    without = generate(SDXL, seed=42)
    assert (without.seed, without.ignored) == (None, ("seed",))
    large: dict[str, JsonValue] = {"type": "integer", "maximum": 2**31 - 1}
    with pytest.raises(InvalidRequestError, match=r"it takes at most 2147483647\."):
        generate({"prompt": PROMPT, "seed": large}, seed=2**31)
    small: dict[str, JsonValue] = {"type": "integer", "minimum": 1, "maximum": 5}
    chosen = generate({"prompt": PROMPT, "seed": small})
    assert chosen.seed == chosen.input["seed"] == 3
    with pytest.raises(InvalidRequestError, match=r"seed: 6 is too high for owner/model; it takes 1 to 5\."):
        generate({"prompt": PROMPT, "seed": small}, seed=6)


def test_a_seed_that_nobody_gave_differs_from_time_to_time(schema: SchemaOf) -> None:
    seeds = {fit_generation(GenerationRequest(prompt="a cat"), schema(FLUX_DEV)).seed for _ in range(5)}
    assert len(seeds) > 1
    assert all(seed is not None and 0 <= seed < 2**31 for seed in seeds)


@pytest.mark.parametrize(("fields", "expected"), [(FLUX_DEV, 3), (FLUX_PRO, 1)])
def test_the_number_of_pictures_to_come_is_what_the_model_can_make(
    generate: Fit, fields: Fields, expected: int
) -> None:
    assert generate(fields, {"num_outputs": 3}).expected_outputs == expected


@pytest.mark.parametrize(
    ("fields", "flavour", "options", "model", "steps"),
    [
        (FINE_TUNE, "schnell", {}, "schnell", 4),
        (FINE_TUNE, "schnell", {"num_inference_steps": 2}, "schnell", 2),
        (FINE_TUNE, None, {"model": "schnell"}, "schnell", 4),
        (FINE_TUNE, "dev", {}, "dev", 28),
        (FINE_TUNE, None, {}, None, 28),
        (FLUX_SCHNELL, "schnell", {}, None, 4),
        (FLUX_DEV, "dev", {}, None, 28),
    ],
)
def test_a_flavour_is_chosen_where_the_model_has_flavours(
    generate: Fit,
    fields: Fields,
    flavour: str | None,
    options: dict[str, JsonValue],
    model: str | None,
    steps: int,
) -> None:
    fitted = generate(fields, options, flavour=flavour)
    assert fitted.input.get("model") == model
    assert fitted.input["num_inference_steps"] == steps


@pytest.mark.parametrize(
    ("formats", "given", "sent"),
    [
        (["jpeg", "png"], "jpg", "jpeg"),
        (["webp", "jpg", "png"], "jpeg", "jpg"),
        (["jpg", "jpeg"], "jpeg", "jpeg"),
        (["jpeg", "png"], "png", "png"),
    ],
)
def test_a_format_is_spelled_as_the_model_spells_it(
    generate: Fit, formats: list[JsonValue], given: str, sent: str
) -> None:
    fields: Fields = {"prompt": PROMPT, "output_format": {"enum": formats}}
    assert generate(fields, {"output_format": given}).input["output_format"] == sent


@pytest.mark.parametrize("fields", [FLUX_DEV, FINE_TUNE, FLUX_PRO, KONTEXT, FLUX_2, SDXL])
def test_what_was_left_out_may_be_left_to_the_model(generate: Fit, fields: Fields) -> None:
    fitted = generate(fields, as_given=True)
    assert fitted.input.keys() <= {"prompt", "seed"}
    assert fitted.expected_outputs == 1
