"""From the input of an order to what is painted for it."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from app.errors import FieldError, InvalidRequestError
from app.models import JsonValue
from app.services.local_diffusers.given_pictures import given_picture
from app.services.local_diffusers.input_schemas import HIGHEST_SEED
from app.services.local_diffusers.local_models import LocalModel
from app.services.local_diffusers.lora_files import LoraFile
from app.services.local_diffusers.model_settings import LoraUse, Sampler
from app.services.local_diffusers.paint_batches import (
    ChosenLora,
    PaintBatch,
    PaintItem,
    StartingPicture,
    check_batch,
    chosen_loras,
    lora_fault,
)
from app.services.local_diffusers.picture_files import PictureFormat

# What diffusers' own pipelines take: enough to change a picture visibly, and all of what a mask leaves free.
_STRENGTH = 0.8
_STRENGTH_WITH_MASK = 1.0


@dataclass(frozen=True, slots=True)
class PaintRequest:
    """The pictures of one run. `shape` is a batch without items: all that they share with each other."""

    shape: PaintBatch
    items: tuple[PaintItem, ...]
    format: PictureFormat


@dataclass(frozen=True, slots=True)
class _Input:
    """The input of an order, as `input_schemas` describes it, with everything filled in."""

    prompt: str
    width: int
    height: int
    num_inference_steps: int
    guidance_scale: float
    seed: int
    num_outputs: int = 1
    output_format: PictureFormat = PictureFormat.WEBP
    negative_prompt: str = ""
    scheduler: Sampler | None = None
    loras: tuple[str, ...] = ()
    extra_lora: str | None = None
    lora_scale: float = 1.0
    image: str | None = None
    mask_image: str | None = None
    strength: float | None = None


_INPUT = TypeAdapter(_Input)


def read_request(
    order_input: Mapping[str, JsonValue], model: LocalModel, loras: Mapping[str, LoraFile]
) -> PaintRequest:
    """What the order wants of the model. Blocks: pictures in it are decoded.

    The seeds of several pictures follow each other. Raises `InvalidRequestError` for what the model cannot
    do.
    """
    try:
        wanted = _INPUT.validate_python(order_input)
    except ValidationError as exc:
        raise InvalidRequestError(
            [FieldError(".".join(map(str, fault["loc"])), f"{fault['msg']}.") for fault in exc.errors()]
        ) from exc
    shape = PaintBatch(
        items=(),
        width=wanted.width,
        height=wanted.height,
        steps=wanted.num_inference_steps,
        guidance=wanted.guidance_scale,
        sampler=wanted.scheduler,
        loras=_loras(wanted, model, loras),
        start=_start(wanted),
    )
    check_batch(shape, model)
    items = tuple(
        PaintItem(wanted.prompt, (wanted.seed + position) % (HIGHEST_SEED + 1), wanted.negative_prompt)
        for position in range(wanted.num_outputs)
    )
    return PaintRequest(shape, items, wanted.output_format)


def _start(wanted: _Input) -> StartingPicture | None:
    if wanted.image is None:
        if wanted.mask_image is not None:
            fault = "A mask says what to change in a picture; give image as well, or leave the mask out."
            raise InvalidRequestError([FieldError("mask_image", fault)])
        return None
    picture = given_picture("image", wanted.image)
    mask = given_picture("mask_image", wanted.mask_image) if wanted.mask_image is not None else None
    strength = wanted.strength
    if strength is None:
        strength = _STRENGTH if mask is None else _STRENGTH_WITH_MASK
    return StartingPicture(picture, strength, mask)


def _loras(wanted: _Input, model: LocalModel, known: Mapping[str, LoraFile]) -> tuple[ChosenLora, ...]:
    """Those of `loras`, and `extra_lora` beside them; it wins where both name the same."""
    chosen = [_lora_use(text, known) for text in wanted.loras]
    if wanted.extra_lora is not None:
        fault = lora_fault(wanted.extra_lora, known, model)
        if fault is not None:
            raise InvalidRequestError([FieldError("extra_lora", fault)])
        chosen = [use for use in chosen if use.name != wanted.extra_lora]
        chosen.append(LoraUse(wanted.extra_lora, wanted.lora_scale))
    return chosen_loras(tuple(chosen), known, model)


def _lora_use(text: str, known: Mapping[str, LoraFile]) -> LoraUse:
    """`name`, or `name:weight`. Files' names may hold colons themselves."""
    name, colon, weight = text.rpartition(":")
    if not colon or text in known:
        return LoraUse(text)
    try:
        return LoraUse(name, _checked_weight(weight))
    except ValueError:
        fault = f"{text[:80]!r} has no weight behind its colon; name:weight with -10 to 10 is allowed."
        raise InvalidRequestError([FieldError("loras", fault)]) from None


def _checked_weight(text: str) -> float:
    weight = float(text)
    if not -10 <= weight <= 10:  # False for what is no number as well.
        raise ValueError(text)
    return weight
