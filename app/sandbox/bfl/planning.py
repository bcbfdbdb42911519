"""Decides, when a task is created, how it will go and what it will make."""

import math
import secrets
from collections.abc import Mapping, Sequence
from typing import cast

from app.sandbox import faults
from app.sandbox.bfl.catalogue import Endpoint, Family
from app.sandbox.bfl.input_pictures import InputPicture
from app.sandbox.bfl.orders import Resolution, ratio
from app.sandbox.bfl.tasks import Course, Method, Sample, Stage, Status
from app.sandbox.faults import Fault
from app.sandbox.inputs import UnreadableInputError
from app.sandbox.pace import Pace

_UPSAMPLED = ", in soft natural light, with rich detail"
_RESOLUTIONS = {
    Resolution.SQUARE_768: 768**2,
    Resolution.ONE_K: 1024**2,
    Resolution.ONE_AND_A_HALF_K: 1536**2,
    Resolution.TWO_K: 2048**2,
    Resolution.FOUR_K: 4096**2,
}
_MOST_PIXELS = 4096**2
_MULTIPLE = 16

_ENDINGS: Mapping[Fault, tuple[Status, Mapping[str, object]]] = {
    Fault.FLAGGED: (Status.REQUEST_MODERATED, {"Moderation Reasons": ["Safety Filter"]}),
    Fault.MODERATED: (Status.CONTENT_MODERATED, {"Moderation Reasons": ["Safety Filter"]}),
    # There is one picture to a task, so no part of it is left.
    Fault.PARTLY_MODERATED: (Status.CONTENT_MODERATED, {"Moderation Reasons": ["Safety Filter"]}),
    Fault.FAILED: (Status.ERROR, {"error": faults.FAILED}),
    Fault.FAILED_UNAVAILABLE: (Status.ERROR, {"error": faults.FAILED}),
    Fault.OUT_OF_MEMORY: (Status.ERROR, {"error": faults.OUT_OF_MEMORY}),
    Fault.INTERRUPTED: (Status.ERROR, {"error": faults.INTERRUPTED}),
    Fault.ALWAYS_INTERRUPTED: (Status.ERROR, {"error": faults.INTERRUPTED}),
}


def generation_course(family: Family, pace: Pace, wanted: frozenset[Fault]) -> Course:
    """How a generation goes."""
    match family:
        case Family.FLUX_1:
            stages = [Stage(Status.PENDING, pace.picture)]
        case Family.FLUX_2:
            stages = [Stage(Status.GENERATING, pace.picture)]
        case Family.FLUX_3:
            stages = [Stage(Status.REASONING, pace.picture / 2), Stage(Status.GENERATING, pace.picture / 2)]
    return _with_faults(pace.boot, stages, wanted)


def finetune_course(iterations: int, pace: Pace, wanted: frozenset[Fault]) -> Course:
    """How a fine-tune goes."""
    seconds = pace.step * iterations + pace.saving
    return _with_faults(pace.training_boot, [Stage(Status.PENDING, seconds)], wanted)


def failed_course(reason: str, boot: float) -> Course:
    """How a task goes whose input cannot be read."""
    return Course((Stage(Status.PENDING, boot),), Status.ERROR, {"error": reason})


def _with_faults(boot: float, stages: list[Stage], wanted: frozenset[Fault]) -> Course:
    if Fault.REASONING in wanted:
        stages.insert(0, Stage(Status.REASONING, faults.REASONING_SECONDS))
    waiting = Stage(Status.PENDING, faults.SLOW_START_SECONDS if Fault.SLOW_START in wanted else boot)
    for fault, (outcome, details) in _ENDINGS.items():
        if fault in wanted:
            # A request is looked at before anything runs.
            rest = [] if outcome is Status.REQUEST_MODERATED else stages
            return Course((waiting, *rest), outcome, details)
    return Course((waiting, *stages))


def plan_sample(
    endpoint: Endpoint,
    given: Mapping[str, object],
    pictures: Sequence[InputPicture],
    mask: InputPicture | None,
) -> Sample:
    """The picture that a valid order makes; UnreadableInputError when its pictures do not fit together."""
    if mask is not None and (mask.width, mask.height) != (pictures[0].width, pictures[0].height):
        raise UnreadableInputError(
            f"mask must have the size of the image, {pictures[0].width}x{pictures[0].height},"
            f" not {mask.width}x{mask.height}"
        )
    margins = _margins(given, pictures[0]) if endpoint.method is Method.EXPAND else (0, 0, 0, 0)
    width, height = _size(endpoint, given, pictures, margins)
    if width * height > _MOST_PIXELS:
        raise UnreadableInputError(f"The result would have {width}x{height} pixels, more than 16 megapixels")
    prompt = cast("str | None", given["prompt"]) or ""
    # FLUX.2 [pro] and [max] do it unless they are told not to.
    upsampled = bool(given.get("prompt_upsampling", not given.get("disable_pup", True)))
    seed = cast("int | None", given.get("seed"))
    return Sample(
        prompt=prompt + _UPSAMPLED if upsampled else prompt,
        seed=secrets.randbelow(2**32) if seed is None else seed,
        width=width,
        height=height,
        output_format=cast(str, given.get("output_format", "jpeg")),
        method=endpoint.method,
        input_pixels=sum(picture.width * picture.height for picture in pictures),
        inputs=tuple(picture.name for picture in pictures),
        mask=None if mask is None else mask.name,
        keep=cast(float, given.get("image_prompt_strength", endpoint.keep)),
        top=margins[0],
        left=margins[2],
        finetune_id=cast("str | None", given.get("finetune_id")),
    )


def _size(
    endpoint: Endpoint,
    given: Mapping[str, object],
    pictures: Sequence[InputPicture],
    margins: tuple[int, int, int, int],
) -> tuple[int, int]:
    if endpoint.method is not Method.PAINT:
        top, bottom, left, right = margins
        return pictures[0].width + left + right, pictures[0].height + top + bottom
    width, height = (cast(int, given.get(name, 0)) for name in ("width", "height"))
    if width and height:
        return width, height
    shape = cast("str | None", given.get("aspect_ratio"))
    pixels = endpoint.megapixels * 1e6
    if "resolution" in given:
        pixels = _RESOLUTIONS[Resolution(cast(str, given["resolution"]))]
    like = pictures[0].width / pictures[0].height if pictures else 1.0
    wide = like if shape is None else ratio(shape)
    shaped = _side(math.sqrt(pixels * wide)), _side(math.sqrt(pixels / wide))
    return width or shaped[0], height or shaped[1]


def _margins(given: Mapping[str, object], picture: InputPicture) -> tuple[int, int, int, int]:
    """Pixels at the top, the bottom, the left and the right; a tool that is told none adds a quarter."""
    top, bottom, left, right = (cast(int, given[side]) for side in ("top", "bottom", "left", "right"))
    if top or bottom or left or right:
        return top, bottom, left, right
    return picture.height // 4, picture.height // 4, picture.width // 4, picture.width // 4


def _side(length: float) -> int:
    return max(_MULTIPLE, round(length / _MULTIPLE) * _MULTIPLE)
