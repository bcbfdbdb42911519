"""The table of endpoints: every range is kept, every default is BFL's own, and nothing unknown is sent."""

import pytest

from app.models import JsonValue
from app.services.bfl_client.catalogue import Catalogue
from app.services.bfl_client.endpoints import ENDPOINTS, Endpoint
from app.services.model_inputs import InputSchema

FLUX_1 = {"prompt_upsampling": False, "seed": None, "safety_tolerance": 2, "output_format": "jpeg"}
SIDES = {"width": 1024, "height": 768}
FLUX_2 = {"prompt": None, "width": None, "height": None, "seed": None, "safety_tolerance": 2}
TOOL = {"seed": None, "safety_tolerance": 2, "output_format": "png"}
EIGHT = ["input_image", *(f"input_image_{number}" for number in range(2, 9))]
PICTURES_8: dict[str, JsonValue] = dict.fromkeys(EIGHT)
PICTURES_4: dict[str, JsonValue] = dict.fromkeys(EIGHT[:4])
ULTRA = {**FLUX_1, "prompt": "", "aspect_ratio": "16:9", "image_prompt": None, "image_prompt_strength": 0.1}
FILL = {**FLUX_1, "image": None, "prompt": "", "steps": 50, "guidance": 60}
KONTEXT = {**FLUX_1, **PICTURES_4, "prompt": None, "aspect_ratio": None, "output_format": "png"}
KLEIN = {**FLUX_2, **PICTURES_4, "output_format": "jpeg"}
PRO_2 = {**FLUX_2, **PICTURES_8, "output_format": "jpeg", "disable_pup": False}
TRY_ON: dict[str, JsonValue] = {
    "prompt": None,
    "person": None,
    "garment": None,
    **TOOL,
    "output_format": "jpeg",
}
TUNED = {"finetune_id": None, "finetune_strength": 1.1}

DEFAULTS: dict[str, dict[str, JsonValue]] = {
    "flux-3-image": dict.fromkeys(
        ("prompt", "images", "aspect_ratio", "resolution", "grounding", "safety_tolerance")
    ),
    "flux-2-max": PRO_2,
    "flux-2-pro": PRO_2,
    "flux-2-pro-preview": PRO_2,
    "flux-2-flex": {
        **FLUX_2,
        **PICTURES_8,
        "output_format": "jpeg",
        "prompt_upsampling": True,
        "guidance": 5,
        "steps": 50,
        "input_image_blob_path": None,
    },
    "flux-2-klein-4b": KLEIN,
    "flux-2-klein-9b": KLEIN,
    "flux-2-klein-9b-preview": KLEIN,
    "flux-kontext-pro": KONTEXT,
    "flux-kontext-max": KONTEXT,
    "flux-pro-1.1": {**FLUX_1, **SIDES, "prompt": "", "image_prompt": None},
    "flux-pro-1.1-ultra": {**ULTRA, "raw": False},
    "flux-dev": {**FLUX_1, **SIDES, "prompt": "", "image_prompt": None, "steps": 28, "guidance": 3},
    "flux-pro-1.0-fill": {**FILL, "mask": None},
    "flux-pro-1.0-expand": {**FILL, "top": 0, "bottom": 0, "left": 0, "right": 0},
    "flux-tools/outpainting-v1": {
        **dict.fromkeys(("input_image", "width", "height", "reference_offset_x", "reference_offset_y")),
        **dict.fromkeys(("prompt", "mode", "auto_crop", "disable_pup")),
        "safety_tolerance": 2,
        "output_format": "png",
    },
    "flux-tools/erase-v1": {**TOOL, "image": None, "mask": None, "dilate_pixels": 10},
    "flux-tools/deblur-v1": {**TOOL, "image": None},
    "flux-tools/vto-v1": TRY_ON,
    "vto-v2": TRY_ON,
    "flux-pro-1.1-ultra-finetuned": {**ULTRA, **TUNED, "finetune_strength": 1.2},
    "flux-pro-1.0-fill-finetuned": {**FILL, **TUNED, "mask": None},
    "flux-2-klein-4b-finetuned": {**KLEIN, **TUNED},
    "flux-2-klein-9b-finetuned": {**KLEIN, **TUNED},
    "flux-2-klein-9b-kv-finetuned": {**KLEIN, **TUNED},
    "flux-2-klein-9b-kv-bf16-finetuned": {**KLEIN, **TUNED},
    "flux-2-klein-base-4b-finetuned": {**KLEIN, **TUNED},
    "flux-2-klein-base-9b-finetuned": {**KLEIN, **TUNED},
}

ONE, MANY = (1.5, 100), (15, 50)
BOUNDS: list[tuple[str, dict[str, tuple[float | None, float | None]]]] = [
    (
        "flux-dev",
        {
            "width": (256, 1440),
            "height": (256, 1440),
            "steps": (1, 50),
            "guidance": (1.5, 5),
            "safety_tolerance": (0, 6),
        },
    ),
    ("flux-pro-1.1", {"width": (256, 1440), "height": (256, 1440), "safety_tolerance": (0, 6)}),
    ("flux-pro-1.1-ultra", {"image_prompt_strength": (0, 1), "safety_tolerance": (0, 6)}),
    ("flux-kontext-pro", {"safety_tolerance": (0, 6)}),
    ("flux-2-pro", {"width": (64, None), "height": (64, None), "safety_tolerance": (0, 5)}),
    ("flux-2-flex", {"guidance": (1.5, 10), "steps": (1, 50), "safety_tolerance": (0, 5)}),
    ("flux-2-klein-4b", {"width": (64, None), "safety_tolerance": (0, 5)}),
    ("flux-3-image", {"safety_tolerance": (0, 4)}),
    ("flux-pro-1.0-fill", {"steps": MANY, "guidance": ONE, "safety_tolerance": (0, 6)}),
    ("flux-pro-1.0-expand", {"steps": MANY, "guidance": ONE, "top": (0, 2048), "right": (0, 2048)}),
    ("flux-tools/erase-v1", {"dilate_pixels": (0, 25), "safety_tolerance": (0, 5)}),
    ("flux-tools/outpainting-v1", {"width": (64, None), "safety_tolerance": (0, 5)}),
    ("flux-pro-1.1-ultra-finetuned", {"finetune_strength": (0, 2)}),
    ("flux-2-klein-9b-finetuned", {"finetune_strength": (0, 2)}),
]


async def schema_of(path: str) -> InputSchema:
    return (await Catalogue().model(f"bfl/{path}")).schema


def test_every_row_is_checked_here() -> None:
    assert ENDPOINTS.keys() == DEFAULTS.keys()


@pytest.mark.parametrize("path", DEFAULTS)
async def test_a_row_has_the_inputs_and_the_defaults_of_bfl(path: str) -> None:
    schema = await schema_of(path)
    assert {name: field.default for name, field in schema.fields.items()} == DEFAULTS[path]


@pytest.mark.parametrize(("path", "bounds"), BOUNDS, ids=[path for path, _ in BOUNDS])
async def test_a_range_takes_its_ends_and_nothing_beyond(
    path: str, bounds: dict[str, tuple[float | None, float | None]]
) -> None:
    schema = await schema_of(path)
    for name, (low, high) in bounds.items():
        assert schema.bounds(name) == (low, high)
        step = schema.fields[name].rules.get("multipleOf", 1)
        assert isinstance(step, int)
        if low is not None:
            assert schema.takes(name, low)
            assert "is too low for" in str(schema.complaint(name, low - step))
        if high is not None:
            assert schema.takes(name, high)
            assert "is too high for" in str(schema.complaint(name, high + step))


@pytest.mark.parametrize(
    ("path", "step"),
    [("flux-dev", 32), ("flux-pro-1.1", 32), ("flux-2-max", 16), ("flux-2-klein-9b-finetuned", 16)],
)
async def test_sides_are_multiples(path: str, step: int) -> None:
    schema = await schema_of(path)
    for name in ("width", "height"):
        assert schema.takes(name, 512)
        assert f"multiples of {step}" in str(schema.complaint(name, 512 + step // 2))


@pytest.mark.parametrize(
    ("path", "required"),
    [
        ("flux-dev", ()),
        ("flux-pro-1.1-ultra", ()),
        ("flux-2-pro", ("prompt",)),
        ("flux-3-image", ("prompt",)),
        ("flux-kontext-max", ("prompt",)),
        ("flux-pro-1.0-fill", ("image",)),
        ("flux-tools/erase-v1", ("image", "mask")),
        ("flux-tools/outpainting-v1", ("input_image", "width", "height")),
        ("flux-tools/vto-v1", ("prompt", "person", "garment")),
        ("flux-pro-1.0-fill-finetuned", ("finetune_id", "image")),
    ],
)
async def test_what_cannot_be_left_out_is_known(path: str, required: tuple[str, ...]) -> None:
    assert (await schema_of(path)).required == required


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=ENDPOINTS)
def test_pictures_are_among_the_inputs(endpoint: Endpoint) -> None:
    assert set(endpoint.pictures) <= endpoint.inputs.keys()
    assert {name for name in endpoint.required if "image" in name} <= set(endpoint.pictures)
