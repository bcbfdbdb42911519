import pytest

from app.errors import InvalidRequestError
from app.models import JsonValue
from tests.services.model_inputs.schemas import (
    FINE_TUNE,
    FLUX_2,
    FLUX_DEV,
    FLUX_PRO,
    KONTEXT,
    PROMPT,
    SDXL,
    SIDE,
    Fields,
    Fit,
)


@pytest.mark.parametrize(
    ("fields", "options", "expected"),
    [
        (FLUX_DEV, {}, {"aspect_ratio": "1:1", "megapixels": "0.25"}),
        (FLUX_DEV, {"width": 1024, "height": 1024}, {"aspect_ratio": "1:1", "megapixels": "1"}),
        (FLUX_DEV, {"width": 1440, "height": 810}, {"aspect_ratio": "16:9", "megapixels": "1"}),
        (FLUX_DEV, {"width": 256, "height": 1440}, {"aspect_ratio": "9:21", "megapixels": "0.25"}),
        (FLUX_DEV, {"width": "768", "height": 512.0}, {"aspect_ratio": "3:2", "megapixels": "0.25"}),
        (FLUX_DEV, {"width": 1024}, {"aspect_ratio": "16:9", "megapixels": "0.25"}),
        (FLUX_DEV, {"aspect_ratio": "16:9"}, {"aspect_ratio": "16:9"}),
        (FLUX_DEV, {"megapixels": "1"}, {"megapixels": "1"}),
        (
            FLUX_DEV,
            {"megapixels": 0.25, "width": 800, "height": 600},
            {"megapixels": "0.25", "aspect_ratio": "4:3"},
        ),
        (FLUX_DEV, {"image": "https://a.example/b.png"}, {}),
        (FINE_TUNE, {"width": 500}, {"aspect_ratio": "custom", "width": 500, "height": 512}),
        (FINE_TUNE, {"aspect_ratio": "custom"}, {"aspect_ratio": "custom", "width": 512, "height": 512}),
        (FINE_TUNE, {"aspect_ratio": "3:2"}, {"aspect_ratio": "3:2"}),
        (FINE_TUNE, {"megapixels": "0.25"}, {"megapixels": "0.25"}),
        (FLUX_PRO, {"width": 500, "height": 1000}, {"aspect_ratio": "custom", "width": 512, "height": 992}),
        (FLUX_PRO, {"width": 1440, "height": 256}, {"aspect_ratio": "custom", "width": 1440, "height": 256}),
        (KONTEXT, {}, {"aspect_ratio": "1:1"}),
        (KONTEXT, {"input_image": "https://a.example/b.png"}, {}),
        (KONTEXT, {"input_image": "https://a.example/b.png", "width": 1024}, {"aspect_ratio": "2:1"}),
        (FLUX_2, {}, {"aspect_ratio": "1:1", "resolution": "0.5 MP"}),
        (FLUX_2, {"width": 1440, "height": 1440}, {"aspect_ratio": "1:1", "resolution": "2 MP"}),
        (FLUX_2, {"resolution": "4 MP"}, {"resolution": "4 MP"}),
        (SDXL, {"width": 768}, {"width": 768, "height": 512}),
        ({"prompt": PROMPT}, {}, {}),
    ],
)
def test_a_size_is_said_in_the_terms_of_the_model(
    generate: Fit, fields: Fields, options: dict[str, JsonValue], expected: dict[str, JsonValue]
) -> None:
    fitted = generate(fields, options)
    names = ("aspect_ratio", "megapixels", "resolution", "width", "height")
    assert {name: value for name, value in fitted.input.items() if name in names} == expected
    assert fitted.ignored == ()


def test_the_models_of_black_forest_labs_get_multiples_of_32(generate: Fit) -> None:
    fields = {**FLUX_PRO, "width": SIDE, "height": SIDE}
    fitted = generate(fields, {"width": 1000, "height": 300}, model="black-forest-labs/flux-1.1-pro")
    assert (fitted.input["width"], fitted.input["height"]) == (992, 288)


def test_a_stated_multiple_is_kept_within_the_bounds(generate: Fit) -> None:
    side: dict[str, JsonValue] = {"type": "integer", "minimum": 260, "maximum": 1000, "multipleOf": 64}
    fields = {"prompt": PROMPT, "width": side, "height": side}
    fitted = generate(fields, {"width": 261, "height": 999})
    assert (fitted.input["width"], fitted.input["height"]) == (320, 960)


def test_a_model_too_large_for_our_default_size_keeps_its_own(generate: Fit) -> None:
    large: dict[str, JsonValue] = {"type": "integer", "minimum": 1024}
    listed: dict[str, JsonValue] = {"type": "integer", "enum": [1024, 2048]}
    for side in (large, listed):
        fields = {"prompt": PROMPT, "width": side, "height": side}
        assert generate(fields).input == {"prompt": "a photo of TOK"}
        fitted = generate(fields, {"height": 2048})
        assert (fitted.input["width"], fitted.input["height"]) == (1024, 2048)
        with pytest.raises(InvalidRequestError, match="height: 512 is"):
            generate(fields, {"height": 512})
    custom = {**FINE_TUNE, "width": large, "height": large}
    assert generate(custom, {"aspect_ratio": "custom"}).input["width"] == 1024


@pytest.mark.parametrize(
    ("fields", "options", "expected"),
    [
        (SDXL, {"width": 768}, {"width": 768}),
        (FLUX_PRO, {"width": 512}, {"width": 512, "aspect_ratio": "custom"}),
        (KONTEXT, {"width": 1024}, {"aspect_ratio": "2:1"}),
        (FLUX_DEV, {"aspect_ratio": "16:9"}, {"aspect_ratio": "16:9"}),
    ],
)
def test_a_side_that_was_left_out_may_be_left_to_the_model(
    generate: Fit, fields: Fields, options: dict[str, JsonValue], expected: dict[str, JsonValue]
) -> None:
    fitted = generate(fields, options, as_given=True)
    assert {name: value for name, value in fitted.input.items() if name not in ("prompt", "seed")} == expected


@pytest.mark.parametrize(
    ("bounds", "side", "message"),
    [
        (
            {"minimum": 256, "maximum": 1440},
            99,
            "99 is too low for owner/model; it takes multiples of 32 from 256 to 1440.",
        ),
        (
            {"minimum": 256, "maximum": 1440},
            500,
            "500 is not possible with owner/model; it takes multiples of 32 from 256 to 1440.",
        ),
        ({"minimum": 64}, 99, "99 is not possible with owner/model; it takes multiples of 32, 64 or more."),
        ({"maximum": 512}, 600, "600 is too high for owner/model; it takes multiples of 32, at most 512."),
        ({}, 99, "99 is not possible with owner/model; it takes multiples of 32."),
    ],
)
def test_a_side_that_must_not_be_rounded_is_refused(
    generate: Fit, bounds: dict[str, JsonValue], side: int, message: str
) -> None:
    rules: dict[str, JsonValue] = {"type": "integer", "multipleOf": 32, **bounds}
    with pytest.raises(InvalidRequestError) as refused:
        generate({"prompt": PROMPT, "width": rules, "height": rules}, {"width": side}, as_given=True)
    assert [(error.field, error.message) for error in refused.value.errors] == [("width", message)]
