"""One request shape for every model: our words, mapped onto the model's own input schema."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from app.errors import FieldError, InvalidRequestError
from app.models import GenerationRequest, JsonValue, TrainingRequest
from app.services.model_inputs.field import listed, quoted
from app.services.model_inputs.picture_size import SIZE_NAMES, fit_size
from app.services.model_inputs.schema import InputSchema, compiles

DEFAULT_STEPS = 1000
IMAGES_INPUT = "input_images"

_GENERATION_DEFAULTS: Mapping[str, str | int | float | bool] = {
    "num_outputs": 1,
    "output_format": "webp",
    "guidance_scale": 3.5,
    "num_inference_steps": 28,
    "lora_scale": 1,
    "disable_safety_checker": False,
}
_SCHNELL_STEPS = 4

# What models call what we have a name for; the first that a model has is taken.
_MODEL_NAMES = {
    "guidance_scale": ("guidance_scale", "guidance"),
    "num_inference_steps": ("num_inference_steps", "steps"),
    "extra_lora": ("extra_lora", "lora_weights"),
}
_SAME_FORMAT = {"jpg": "jpeg", "jpeg": "jpg"}
_TRAINER_NAMES = {"steps": ("steps", "training_steps", "max_train_steps", "iterations")}
_TRIGGER_NAMES = ("trigger_word", "instance_prompt")


@dataclass(frozen=True)
class Fitted:
    """An input as the model takes it. `ignored` names, in the caller's words, what it has no place for.

    `expected_outputs` is how many pictures will come, 0 for a training.
    """

    input: dict[str, JsonValue]
    ignored: tuple[str, ...]
    seed: int | None
    expected_outputs: int


@dataclass
class _Draft:
    """An input while it is put together, with the caller's name for each of its fields.

    `sound` names the fields whose values need no check any more.
    """

    schema: InputSchema
    input: dict[str, JsonValue] = field(default_factory=dict)
    said_as: dict[str, str] = field(default_factory=dict)
    sound: set[str] = field(default_factory=set)
    ignored: list[str] = field(default_factory=list)
    errors: list[FieldError] = field(default_factory=list)

    def put(self, name: str, value: JsonValue, *, said_as: str | None = None) -> None:
        self.input[name] = self.schema.fields[name].coerced(value)
        self.said_as[name] = said_as or name

    def refuse(self, name: str, message: str) -> None:
        self.errors.append(FieldError(name, message))

    def check(self, *, provided: frozenset[str] = frozenset()) -> None:
        """Raise `InvalidRequestError` if anything is wrong; `provided` are inputs that come another way."""
        refused = {error.field for error in self.errors}
        for name, value in self.input.items():
            if name in self.sound:
                continue
            complaint = self.schema.complaint(name, value)
            if complaint is not None and self.said_as[name] not in refused:
                self.refuse(self.said_as[name], complaint)
        for name in self.schema.required:
            if name not in self.input and name not in provided and name not in refused:
                self.refuse(name, f"is missing; {self.schema.model} cannot run without it.")
        if self.errors:
            raise InvalidRequestError(self.errors)


def _random_seed() -> int:
    return random.randrange(2**31)  # noqa: S311 - a seed is no secret


def fit_generation(
    request: GenerationRequest,
    schema: InputSchema,
    *,
    flavour: str | None = None,
    as_given: bool = False,
    choose_seed: Callable[[], int] = _random_seed,
) -> Fitted:
    """The input that makes `request`; `flavour` is `dev` or `schnell` for models that can be both.

    Our defaults are sent only where the model takes them, and with `as_given` not at all: what the caller
    left out is then the model's own choice, and a side is not rounded but refused. Raises
    `InvalidRequestError` with the caller's own field names for values that the model does not allow.
    """
    given = _given(request.options)
    draft = _Draft(schema)
    if schema.has("prompt"):
        draft.put("prompt", request.prompt)
    elif request.prompt:
        draft.ignored.append("prompt")
    if flavour is not None and flavour in schema.enum("model"):
        draft.put("model", flavour)

    for name, value in given.items():
        if name in SIZE_NAMES:
            continue
        _take(name, value, given, draft)
    size = fit_size(given, schema, as_given=as_given)
    draft.ignored += [name for name in size.ignored if name not in draft.ignored]
    draft.errors += size.errors
    for name in size.ignored:
        draft.input.pop(name, None)
    for name, value in size.input.items():
        draft.put(name, value)

    schnell = flavour == "schnell" or draft.input.get("model") == "schnell"
    for name, value in {} if as_given else _GENERATION_DEFAULTS.items():
        target = schema.first_of(*_MODEL_NAMES.get(name, (name,)))
        default = _SCHNELL_STEPS if schnell and name == "num_inference_steps" else value
        if target is None or name in given or target in given:
            continue
        if _takes_default(schema, target, default):
            draft.put(target, default)
            draft.sound.add(target)

    seed = _seed(request.seed, draft, choose_seed)
    draft.check()
    outputs = draft.input.get("num_outputs")
    return Fitted(
        input=draft.input,
        ignored=tuple(draft.ignored),
        seed=seed,
        expected_outputs=outputs if isinstance(outputs, int) else 1,
    )


def _take(name: str, value: JsonValue, given: Mapping[str, JsonValue], draft: _Draft) -> None:
    """Put one option that the caller gave where the model wants it, or say why not."""
    schema = draft.schema
    if schema.is_secret(name):
        draft.refuse(
            name, "is a secret, and secrets are not taken here: what is generated is recorded. Leave it out."
        )
        return
    target = schema.first_of(*_MODEL_NAMES.get(name, (name,)))
    if name == "num_outputs" and target is None and str(value) == "1":
        return  # One picture is what the model makes anyway.
    if target is None or target in draft.input or name == "seed" or (target != name and target in given):
        draft.ignored.append(name)
        return
    if name == "output_format" and value not in schema.enum(target):
        value = _SAME_FORMAT.get(str(value), value)
    draft.put(target, value, said_as=name)


@lru_cache(maxsize=1024, typed=True)
def _takes_default(schema: InputSchema, name: str, value: str | int | float | bool) -> bool:
    """Whether the model takes one of our defaults: the same answer for as long as the schema is kept."""
    return schema.takes(name, value)


def _seed(given: int | None, draft: _Draft, choose_seed: Callable[[], int]) -> int | None:
    if not draft.schema.has("seed"):
        if given is not None:
            draft.ignored.append("seed")
        return None
    seed = choose_seed() if given is None else given
    if given is None and not draft.schema.takes("seed", seed):
        low, high = draft.schema.bounds("seed")
        least = int(low or 0)
        seed = least + seed % (int(high) - least + 1) if high is not None else max(seed, least)
    draft.put("seed", seed)
    return seed


def fit_training(request: TrainingRequest, schema: InputSchema, *, as_given: bool = False) -> Fitted:
    """The input that trains `request`, without its secrets and without an archive still to be uploaded.

    Nothing is dropped silently, since a training costs money: an option that the trainer does not have,
    or that it does not allow, raises `InvalidRequestError`. With `as_given`, steps that the caller left out
    are the trainer's own choice.
    """
    given = _given(request.options)
    draft = _Draft(schema)
    if not schema.has(IMAGES_INPUT):
        draft.refuse("training_images_url", f"{schema.model} takes no {IMAGES_INPUT}: it is not a trainer.")
    elif request.training_images_url is not None:
        draft.put(IMAGES_INPUT, request.training_images_url, said_as="training_images_url")

    trigger = schema.first_of(*_TRIGGER_NAMES)
    if trigger is not None:
        draft.put(trigger, request.trigger_word, said_as="trigger_word")
    elif request.trigger_word:
        draft.ignored.append("trigger_word")

    for name, value in given.items():
        _take_for_training(name, value, given, draft)
    steps = schema.first_of(*_TRAINER_NAMES["steps"])
    if (
        steps is not None
        and not as_given
        and "steps" not in given
        and steps not in given
        and schema.takes(steps, DEFAULT_STEPS)
    ):
        draft.put(steps, DEFAULT_STEPS, said_as="steps")
    _check_values(draft)
    provided = {IMAGES_INPUT}
    for name in request.secrets or {}:
        if schema.has(name):
            provided.add(name)
        else:
            known = listed([secret for secret in schema.fields if schema.is_secret(secret)]) or "no secrets"
            draft.refuse(name, f"is not a secret that {schema.model} knows; it takes {known}.")
    draft.check(provided=frozenset(provided))
    seed = draft.input.get("seed")
    return Fitted(
        input=draft.input,
        ignored=tuple(draft.ignored),
        seed=seed if isinstance(seed, int) else None,
        expected_outputs=0,
    )


def _take_for_training(name: str, value: JsonValue, given: Mapping[str, JsonValue], draft: _Draft) -> None:
    schema = draft.schema
    target = schema.first_of(*_TRAINER_NAMES.get(name, (name,)))
    if schema.is_secret(name):
        draft.refuse(name, "is a secret and cannot be an option, since options are recorded.")
    elif target is None:
        options = [option for option in schema.fields if option not in (IMAGES_INPUT, *_TRIGGER_NAMES)]
        known = listed([option for option in options if not schema.is_secret(option)]) or "none"
        draft.refuse(name, f"is not an option of {schema.model}; it takes {known}.")
    elif target in draft.input or target == IMAGES_INPUT:
        draft.refuse(
            name, "is given by training_images_url, the uploaded pictures or trigger_word; leave it out."
        )
    elif target != name and target in given:
        draft.refuse(name, f"means the same as {target}; give one of them.")
    else:
        draft.put(target, value, said_as=name)


def _check_values(draft: _Draft) -> None:
    """Catch what the trainer's schema lets through and the trainer would fail at, after it was paid for."""
    resolution = draft.schema.fields.get("resolution")
    if resolution is not None and resolution.type == "string" and "resolution" in draft.input:
        value = draft.input["resolution"]
        sizes = [str(size).strip() for size in (value if isinstance(value, list) else str(value).split(","))]
        if all(re.fullmatch(r"[1-9]\d{0,4}", size, re.ASCII) for size in sizes):
            draft.input["resolution"] = ",".join(sizes)
        else:
            draft.refuse(
                "resolution",
                f"{quoted(value)} is not a list of whole numbers, which {draft.schema.model} takes"
                " separated by commas, such as 512,768,1024.",
            )
    pattern = draft.input.get("layers_to_optimize_regex")
    if isinstance(pattern, str) and not compiles(pattern):
        draft.refuse("layers_to_optimize_regex", f"{quoted(pattern)} is not a regular expression.")


def _given(options: Mapping[str, JsonValue] | None) -> dict[str, JsonValue]:
    """The options that say something: an empty form field and null are no answer."""
    return {name: value for name, value in (options or {}).items() if value is not None and value != ""}
