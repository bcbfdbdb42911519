"""What is painted at a time: pictures that differ in prompt and seed, and share everything else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.errors import FieldError, InvalidRequestError
from app.services.local_diffusers.families import Task
from app.services.local_diffusers.local_models import LocalModel
from app.services.local_diffusers.lora_files import LoraFile
from app.services.local_diffusers.model_settings import LoraUse, Sampler

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_SIDE = 4096
_MOST_STEPS = 1000
_MOST_GUIDANCE = 100


@dataclass(frozen=True, slots=True)
class PaintItem:
    """One picture. The seed decides about it on every device, whatever else is in the batch."""

    prompt: str
    seed: int
    negative_prompt: str = ""


@dataclass(frozen=True, slots=True)
class StartingPicture:
    """What to start from, in any size. `strength` says how much is changed, up to 1.

    Where there is a `mask`, only what is white in it is painted anew.
    """

    picture: "Image"
    strength: float
    mask: "Image | None" = None


@dataclass(frozen=True, slots=True)
class ChosenLora:
    """A LoRA file, and how strong it is; 1 is as it was trained."""

    file: LoraFile
    weight: float


@dataclass(frozen=True, slots=True)
class PaintBatch:
    """Pictures to paint at a time. With `sampler` None, the model's own scheduler is used."""

    items: tuple[PaintItem, ...]
    width: int
    height: int
    steps: int
    guidance: float
    sampler: Sampler | None = None
    loras: tuple[ChosenLora, ...] = ()
    start: StartingPicture | None = None

    @property
    def task(self) -> Task:
        """What the pictures are made from."""
        if self.start is None:
            return Task.TEXT_TO_IMAGE
        return Task.IMAGE_TO_IMAGE if self.start.mask is None else Task.INPAINTING


def chosen_loras(
    uses: tuple[LoraUse, ...], known: Mapping[str, LoraFile], model: LocalModel
) -> tuple[ChosenLora, ...]:
    """The files of the LoRAs that were named. Raises `InvalidRequestError` where one cannot be used."""
    faults = [FieldError("loras", fault) for use in uses if (fault := lora_fault(use.name, known, model))]
    names = [use.name for use in uses]
    faults += [FieldError("loras", f"{name!r} is named twice.") for name in {*names} if names.count(name) > 1]
    if faults:
        raise InvalidRequestError(faults)
    return tuple(ChosenLora(known[use.name], use.weight) for use in uses)


def lora_fault(name: str, known: Mapping[str, LoraFile], model: LocalModel) -> str | None:
    """Why the LoRA of that name cannot go with the model, as a sentence."""
    file = known.get(name)
    if file is None:
        return f"{name[:80]!r} is no LoRA in LOCAL_LORAS_DIR; there is: {', '.join(known) or 'none'}."
    if file.line not in (None, model.facts.line):
        return f"{name!r} is for {file.line}, and {model.name!r} is a model of {model.facts.line}."
    return None


def check_batch(batch: PaintBatch, model: LocalModel) -> None:
    """Raise `InvalidRequestError` for what the model cannot paint."""
    faults = tuple(_faults(batch, model))
    if faults:
        raise InvalidRequestError(faults)


def _faults(batch: PaintBatch, model: LocalModel) -> Iterator[FieldError]:
    multiple = model.facts.multiple
    for name, side in (("width", batch.width), ("height", batch.height)):
        if side % multiple or not multiple <= side <= _MOST_SIDE:
            yield FieldError(
                name, f"{side} is not possible; multiples of {multiple} up to {_MOST_SIDE} are allowed."
            )
    if not 1 <= batch.steps <= _MOST_STEPS:
        yield FieldError(
            "num_inference_steps", f"{batch.steps} is not possible; 1 to {_MOST_STEPS} is allowed."
        )
    if not 0 <= batch.guidance <= _MOST_GUIDANCE:
        yield FieldError(
            "guidance_scale", f"{batch.guidance} is not possible; 0 to {_MOST_GUIDANCE} is allowed."
        )
    if batch.sampler is not None and batch.sampler not in model.samplers:
        yield FieldError(
            "scheduler",
            f"{batch.sampler.value!r} is not possible with {model.name!r}; "
            f"models of {model.facts.line} have one scheduler, which is used when none is named.",
        )
    if batch.task not in model.tasks:
        yield FieldError(
            "model",
            f"{model.name!r} is {model.facts.title} and cannot do {batch.task}; "
            f"{' and '.join(model.tasks)} can be done with it.",
        )
    if batch.start is not None:
        yield from _start_faults(batch.start.strength, batch.steps)


def _start_faults(strength: float, steps: int) -> Iterator[FieldError]:
    if not 0 < strength <= 1:
        yield FieldError("strength", f"{strength} is not possible; more than 0, and up to 1, is allowed.")
    elif steps >= 1 and int(steps * strength) < 1:
        # Only the last part of the steps is taken: with one step and half the strength, that would be none.
        yield FieldError(
            "strength",
            f"{strength} of {steps} steps leaves no step to take; "
            f"{1 / steps:.3g} and more is allowed with that number of steps.",
        )
