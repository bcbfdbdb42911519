"""A size in pixels in the model's own terms: width and height, or the nearest ratio and megapixels."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from app.errors import FieldError
from app.models import JsonValue
from app.services.model_inputs.field import InputField, quoted
from app.services.model_inputs.schema import InputSchema

DEFAULT_SIDE = 512
LEAST_SIDE, MOST_SIDE = 256, 1440
"""What can be asked of models that know no sides, only ratios: FLUX's own range where it takes sides."""

SIZE_NAMES = ("width", "height")
CUSTOM = "custom"

# The pixels that FLUX makes of a ratio at one megapixel (cog-flux, `ASPECT_RATIOS`).
_ONE_MEGAPIXEL = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "21:9": (1536, 640),
    "3:2": (1216, 832),
    "2:3": (832, 1216),
    "4:5": (896, 1088),
    "5:4": (1088, 896),
    "3:4": (896, 1152),
    "4:3": (1152, 896),
    "9:16": (768, 1344),
    "9:21": (640, 1536),
}
# Pictures to start from. A picture has a size already, which the model keeps unless another is asked for.
_STARTING_PICTURES = ("image", "input_image", "input_images", "init_image")


@dataclass(frozen=True)
class Size:
    """The part of a model's input that says how large the picture is, and what was left out of it."""

    input: Mapping[str, JsonValue]
    ignored: tuple[str, ...] = ()
    errors: tuple[FieldError, ...] = ()


def fit_size(given: Mapping[str, JsonValue], schema: InputSchema, *, as_given: bool = False) -> Size:
    """What the model is told about the size, from all the options that the caller gave.

    `aspect_ratio`, `megapixels` and `resolution` that the caller gave are not repeated in the answer. With
    `as_given`, a side that the caller left out is the model's own choice, and none is rounded.
    """
    asked = tuple(name for name in SIZE_NAMES if name in given)
    sides: dict[str, int] = {}
    errors = []
    for name in SIZE_NAMES:
        side = _whole(given.get(name, DEFAULT_SIDE))
        if side is None:
            errors.append(FieldError(name, f"{quoted(given[name])} is not a whole number of pixels."))
        else:
            sides[name] = side
    if errors:
        return Size({}, errors=tuple(errors))

    area_name = _area_name(schema)
    ratio = given.get("aspect_ratio") if schema.has("aspect_ratio") else None
    area_given = area_name is not None and area_name in given
    from_picture = any(name in given and schema.has(name) for name in _STARTING_PICTURES)
    if ratio is not None and ratio != CUSTOM:
        return Size({}, ignored=asked)
    if ratio is None and not asked and (area_given or from_picture or as_given):
        return Size({})
    if from_picture and schema.has("aspect_ratio") and schema.has("prompt_strength"):
        # FLUX takes the size of the picture that it starts from and reads no other.
        return Size({}, ignored=asked)
    takes_sides = all(schema.has(name) for name in SIZE_NAMES)
    if takes_sides and (not schema.has("aspect_ratio") or CUSTOM in schema.enum("aspect_ratio")):
        if ratio is None and not asked and any(_complaint(name, sides[name], schema) for name in SIZE_NAMES):
            return Size({})  # Our default is no size of this model's: it knows a better one.
        if as_given:
            return _as_asked(sides, asked, schema)
        return _by_sides(sides, asked, schema, superseded=area_name if area_given and asked else None)
    if not schema.has("aspect_ratio") or ratio == CUSTOM:
        return Size({}, ignored=asked)
    beyond = tuple(
        FieldError(name, f"{sides[name]} is too {word}; {LEAST_SIDE} to {MOST_SIDE} is allowed.")
        for name in asked
        if (word := "small" if sides[name] < LEAST_SIDE else "large" if sides[name] > MOST_SIDE else "")
    )
    if beyond:
        return Size({}, errors=beyond)
    return _by_ratio(sides["width"], sides["height"], asked, schema, None if area_given else area_name)


def _as_asked(sides: Mapping[str, int], asked: tuple[str, ...], schema: InputSchema) -> Size:
    complaints = {name: schema.complaint(name, sides[name]) for name in asked}
    errors = tuple(FieldError(name, complaint) for name, complaint in complaints.items() if complaint)
    size: dict[str, JsonValue] = {} if errors else {name: sides[name] for name in asked}
    if size and CUSTOM in schema.enum("aspect_ratio"):
        size["aspect_ratio"] = CUSTOM
    return Size(size, errors=errors)


def _by_sides(
    sides: Mapping[str, int], asked: tuple[str, ...], schema: InputSchema, *, superseded: str | None
) -> Size:
    errors = [
        FieldError(name, complaint)
        for name in asked
        if (complaint := _complaint(name, sides[name], schema)) is not None
    ]
    if errors:
        return Size({}, errors=tuple(errors))
    size: dict[str, JsonValue] = {
        name: _rounded(sides[name], schema.fields[name], schema.model) for name in SIZE_NAMES
    }
    if CUSTOM in schema.enum("aspect_ratio"):
        size["aspect_ratio"] = CUSTOM
    return Size(size, ignored=(superseded,) if superseded else ())


def _complaint(name: str, side: int, schema: InputSchema) -> str | None:
    """What is wrong with a side; one that only has to be rounded is not wrong."""
    low, high = schema.bounds(name)
    in_bounds = (low is None or side >= low) and (high is None or side <= high)
    rounds = "multipleOf" in schema.fields[name].rules
    return None if in_bounds and rounds else schema.complaint(name, side)


@lru_cache(maxsize=1024)
def _by_ratio(
    width: int, height: int, asked: tuple[str, ...], schema: InputSchema, area_name: str | None
) -> Size:
    ratio = nearest_ratio(width, height, schema.enum("aspect_ratio"))
    if ratio is None:
        return Size({}, ignored=asked)
    size: dict[str, JsonValue] = {"aspect_ratio": ratio}
    if area_name is not None:
        size[area_name] = nearest_megapixels(width * height, ratio, schema.enum(area_name))
    return Size(size)


def nearest_ratio(width: int, height: int, choices: Iterable[JsonValue]) -> str | None:
    """The ratio among `choices` whose shape is nearest; None where there is no ratio among them."""
    shape = math.log(width / height)
    ratios = {name: math.log(value) for name in choices if (value := _ratio(name)) is not None}
    return str(min(ratios, key=lambda name: abs(ratios[name] - shape))) if ratios else None


def nearest_megapixels(area: int, ratio: str, choices: Iterable[JsonValue]) -> JsonValue:
    """The choice whose picture of that ratio has the area (in pixels) nearest to `area`."""
    width, height = _ONE_MEGAPIXEL.get(ratio, _ONE_MEGAPIXEL["1:1"])
    sizes = {name: value * width * height for name in choices if (value := _megapixels(name)) is not None}
    return min(sizes, key=lambda name: abs(sizes[name] - area))


@lru_cache(maxsize=1024)
def _area_name(schema: InputSchema) -> str | None:
    """The input that says how many megapixels the picture has, if there is one."""
    return next(
        (
            name
            for name in ("megapixels", "resolution")
            if any(_megapixels(choice) is not None for choice in schema.enum(name))
        ),
        None,
    )


def _ratio(choice: JsonValue) -> float | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)", choice) if isinstance(choice, str) else None
    return float(match[1]) / float(match[2]) if match and float(match[1]) and float(match[2]) else None


def _megapixels(choice: JsonValue) -> float | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(?: MP)?", choice) if isinstance(choice, str) else None
    return float(match[1]) if match else None


def _whole(value: JsonValue) -> int | None:
    """`value` as a positive whole number, None if it is none."""
    match = re.fullmatch(r"\s*(\d{1,9})(?:\.0+)?\s*", str(value), re.ASCII)
    return (int(match[1]) or None) if match else None


def _rounded(side: int, field: InputField, model: str) -> int:
    """The nearest side that the model makes, within its bounds."""
    choices = [choice for choice in field.enum if isinstance(choice, int)]
    if choices:
        return min(choices, key=lambda choice: abs(choice - side))
    low, high = field.bounds
    side = int(min(max(side, low or side), high or side))
    multiple = _multiple(field, model)
    lowest = math.ceil((low or multiple) / multiple)
    highest = math.floor(high / multiple) if high is not None else math.inf
    return int(min(max(math.floor(side / multiple + 0.5), lowest), highest)) * multiple


def _multiple(field: InputField, model: str) -> int:
    """What a side must be a multiple of; 1 where that is nothing or the model sees to it."""
    stated = field.rules.get("multipleOf")
    if isinstance(stated, int):
        return stated
    said = re.search(r"multiples? of (\d{1,4})", field.description)
    if "must be a multiple" in field.description.lower() and said:
        return max(1, int(said[1]))
    # The models that Black Forest Labs run themselves take multiples of 32; fine-tunes round as they like.
    return 32 if model.startswith("black-forest-labs/") else 1
