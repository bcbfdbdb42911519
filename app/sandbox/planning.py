"""Decides, when a prediction is created, how it will go and what it will make."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from app.sandbox import faults
from app.sandbox.catalogue import Template
from app.sandbox.faults import Fault
from app.sandbox.pace import Pace
from app.sandbox.runs import Course, Pictures, Plan, Status

_SIZES = {
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
    "2:1": (1408, 704),
    "1:2": (704, 1408),
}
_STEPS = {Template.PRO: 25, Template.KONTEXT: 28}
_MAX_SIDE, _MIN_SIDE = 1440, 256


def plan_prediction(
    template: Template,
    given: Mapping[str, object],
    pace: Pace,
    wanted: frozenset[Fault],
    *,
    style_version: str | None,
) -> Plan:
    """The plan for a valid input; `wanted` are the faults that are due this time."""
    values = with_defaults(template, given)
    asked = cast(int, values.get("num_outputs", 1))
    seed = values.get("seed")
    pictures = Pictures(
        prompt=cast(str, values["prompt"]),
        asked=asked,
        seed=cast(int, seed) if seed is not None else secrets.randbelow(2**16),
        seed_chosen=seed is None,
        width=1024,
        height=1024,
        output_format=cast(str, values["output_format"]),
        quality=cast(int, values.get("output_quality", 80)),
        steps=cast(int, values.get("num_inference_steps", _STEPS.get(template, 28))),
        single=template.single,
        style_version=style_version,
        truncated=Fault.TRUNCATED in wanted,
        expired=Fault.EXPIRED in wanted,
        as_data=Fault.DATA_URI in wanted,
    )
    course = Course(pace.boot, pace.picture * asked)
    course, pictures = _with_size(template, values, course, pictures)
    return _with_faults(Plan(course, pictures), wanted)


def with_defaults(template: Template, given: Mapping[str, object]) -> dict[str, object]:
    """A valid input with what it leaves out, whole numbers as such: JSON schema takes `2.0` for one, too."""
    values = {field.name: field.default for field in template.fields} | dict(given)
    for field in template.fields:
        value = values[field.name]
        if field.type == "integer" and isinstance(value, float):
            values[field.name] = int(value)
    return values


def course_with_faults(course: Course, wanted: frozenset[Fault]) -> Course:
    """`course`, gone wrong as wished."""
    if Fault.SLOW_START in wanted:
        course = replace(course, boot=faults.SLOW_START_SECONDS)
    if Fault.ABORTED in wanted:
        return replace(course, run=0.0, outcome=Status.ABORTED, error=None)
    for fault, error in faults.ERRORS.items():
        if fault in wanted:
            return replace(course, outcome=Status.FAILED, error=error)
    return course


def size_like(width: int, height: int) -> tuple[int, int]:
    """The size of a picture made from one of this size: the same shape within the model's limits."""
    scale = min(1.0, _MAX_SIDE / max(width, height))
    return _rounded(width * scale, 16), _rounded(height * scale, 16)


def _with_faults(plan: Plan, wanted: frozenset[Fault]) -> Plan:
    pictures = cast(Pictures, plan.pictures)
    if Fault.PARTLY_MODERATED in wanted:
        if pictures.asked == 1:
            wanted |= {Fault.MODERATED}
        else:
            pictures = replace(pictures, skipped=1)
    return Plan(course_with_faults(plan.course, wanted), pictures)


def _with_size(
    template: Template, values: Mapping[str, object], course: Course, pictures: Pictures
) -> tuple[Course, Pictures]:
    image, ratio = values.get("image"), cast(str, values["aspect_ratio"])
    if image is not None:
        return course, replace(pictures, shape_from=cast(str, image))
    if ratio == "match_input_image":
        source = values.get("input_image")
        return course, pictures if source is None else replace(pictures, shape_from=cast(str, source))
    if ratio == "custom":
        width, height = values.get("width"), values.get("height")
        if width is None or height is None:
            error = "width and height must both be given when aspect_ratio is custom"
            return replace(course, run=0.0, outcome=Status.FAILED, error=error), pictures
        multiple = 32 if template is Template.PRO else 16
        return course, replace(
            pictures,
            width=_rounded(cast(int, width), multiple),
            height=_rounded(cast(int, height), multiple),
        )
    width, height = _SIZES[ratio]
    if values.get("megapixels") == "0.25":
        width, height = width // 2, height // 2
    return course, replace(pictures, width=width, height=height)


def _rounded(side: float, multiple: int) -> int:
    """The multiple nearest to `side`, within the limits; 1440 is one of both 16 and 32."""
    return max(_MIN_SIDE, min(_MAX_SIDE, round(side / multiple) * multiple))
