"""The inputs that BFL's endpoints have in common, each as a node of JSON Schema."""

from collections.abc import Mapping

from app.models import JsonValue

Inputs = Mapping[str, Mapping[str, JsonValue]]

TEXT: Mapping[str, JsonValue] = {"type": "string"}
OPTIONAL_TEXT: Mapping[str, JsonValue] = {"type": "string", "default": ""}
PICTURE: Mapping[str, JsonValue] = {"type": "string", "minLength": 1}
WHOLE: Mapping[str, JsonValue] = {"type": "integer"}
SWITCH: Mapping[str, JsonValue] = {"type": "boolean"}

RATIOS = ("21:9", "2:1", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16", "1:2", "9:21")


def whole(low: int, high: int, default: int | None = None) -> dict[str, JsonValue]:
    """A whole number from `low` to `high`."""
    return {"type": "integer", "minimum": low, "maximum": high, "default": default}


def at_least(low: int) -> dict[str, JsonValue]:
    """A whole number without an upper bound."""
    return {"type": "integer", "minimum": low}


def multiples(
    step: int, *, low: int, high: int | None = None, default: int | None = None
) -> dict[str, JsonValue]:
    """A multiple of `step`."""
    bounds = whole(low, high, default) if high is not None else at_least(low)
    return {**bounds, "multipleOf": step}


def between(low: float, high: float, default: float | None = None) -> dict[str, JsonValue]:
    """A number from `low` to `high`."""
    return {"type": "number", "minimum": low, "maximum": high, "default": default}


def switch(*, default: bool) -> dict[str, JsonValue]:
    """True or false."""
    return {"type": "boolean", "default": default}


def one_of(*choices: str, default: str | None = None) -> dict[str, JsonValue]:
    """One of some words."""
    return {"type": "string", "enum": list(choices), "default": default}


def output_format(default: str) -> dict[str, JsonValue]:
    """What kind of file the picture is."""
    return one_of("jpeg", "png", "webp", default=default)


def finishing(*, most_tolerant: int, format_by_default: str = "jpeg") -> dict[str, Mapping[str, JsonValue]]:
    """What nearly every endpoint ends with; a `safety_tolerance` of 0 is the strictest."""
    return {
        "seed": WHOLE,
        "safety_tolerance": whole(0, most_tolerant, 2),
        "output_format": output_format(format_by_default),
    }


def numbered_pictures(most: int) -> tuple[str, ...]:
    """`input_image`, `input_image_2` and so on."""
    return ("input_image", *(f"input_image_{number}" for number in range(2, most + 1)))
