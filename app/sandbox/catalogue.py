"""The models that the sandbox always has."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache

from app.sandbox import flux_inputs, trainer_inputs
from app.sandbox.input_schema import Field, JSONObject, Output, document

READY_MADE = "flux-toy-robot"
READY_MADE_TRIGGER = "TOYBOT"
_READY_MADE_STYLE = json.dumps(
    {"palette": [[214, 58, 47], [247, 201, 72], [58, 124, 165], [236, 236, 228], [46, 52, 64]], "pieces": []}
)


class Template(Enum):
    """What a version takes and gives."""

    SCHNELL = "flux-schnell"
    DEV = "flux-dev"
    LORA = "flux-lora"
    PRO = "flux-1.1-pro"
    KONTEXT = "flux-kontext-pro"
    FLUX_DEV_LORA_TRAINER = "flux-dev-lora-trainer"
    FAST_FLUX_TRAINER = "fast-flux-trainer"

    @property
    def trains(self) -> bool:
        """Whether it is run with trainings."""
        return _OUTPUTS.get(self) is Output.TRAINING

    @property
    def single(self) -> bool:
        """Whether its output is one address instead of a list."""
        return _OUTPUTS.get(self) is Output.PICTURE

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its inputs."""
        return _FIELDS[self]


_FIELDS = {
    Template.SCHNELL: flux_inputs.SCHNELL,
    Template.DEV: flux_inputs.DEV,
    Template.LORA: flux_inputs.LORA,
    Template.PRO: flux_inputs.PRO,
    Template.KONTEXT: flux_inputs.KONTEXT,
    Template.FLUX_DEV_LORA_TRAINER: trainer_inputs.FLUX_DEV_LORA,
    Template.FAST_FLUX_TRAINER: trainer_inputs.FAST_FLUX,
}
_OUTPUTS = {
    Template.PRO: Output.PICTURE,
    Template.KONTEXT: Output.PICTURE,
    Template.FLUX_DEV_LORA_TRAINER: Output.TRAINING,
    Template.FAST_FLUX_TRAINER: Output.TRAINING,
}


@cache
def openapi_schema(template: Template) -> JSONObject:
    """The document that a version of this template publishes; not to be changed."""
    return document(template.fields, _OUTPUTS.get(template, Output.PICTURES))


@dataclass(frozen=True)
class Version:
    """A version of a model; `style` is what a training learnt, as JSON."""

    id: str
    model: str
    created: datetime
    template: Template
    trigger_word: str | None = None
    style: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class Model:
    """A model; `about` is what its owner says of it, `version` the newest one, if there is any yet."""

    owner: str
    name: str
    created: datetime
    about: Mapping[str, str]
    official: bool = False
    built_in: bool = False
    version: Version | None = None

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

    @property
    def public(self) -> bool:
        """Whether everybody may see and run it."""
        return self.about.get("visibility") != "private"


def version_id(*parts: str) -> str:
    """The id of a version: 64 hexadecimal digits that follow from `parts`."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def built_in_models(account: str) -> list[Model]:
    """The models that exist without anybody having made them, oldest first."""
    black_forest_labs = "black-forest-labs"
    rows = [
        (
            black_forest_labs,
            "flux-schnell",
            Template.SCHNELL,
            True,
            "The fastest image generation model tailored for local development and personal use",
        ),
        (
            black_forest_labs,
            "flux-dev",
            Template.DEV,
            True,
            "A 12 billion parameter rectified flow transformer capable of generating images from text"
            " descriptions",
        ),
        (
            "ostris",
            "flux-dev-lora-trainer",
            Template.FLUX_DEV_LORA_TRAINER,
            False,
            "Fine-tune FLUX.1-dev using ai-toolkit",
        ),
        (
            black_forest_labs,
            "flux-1.1-pro",
            Template.PRO,
            True,
            "Faster, better FLUX Pro. Text-to-image model with excellent image quality, prompt adherence,"
            " and output diversity.",
        ),
        (
            "replicate",
            "fast-flux-trainer",
            Template.FAST_FLUX_TRAINER,
            False,
            "Train subjects or styles faster than ever",
        ),
        (
            black_forest_labs,
            "flux-kontext-pro",
            Template.KONTEXT,
            True,
            "A state-of-the-art text-based image editing model that delivers high-quality outputs",
        ),
        (
            account,
            READY_MADE,
            Template.LORA,
            False,
            f"An example of a fine-tune: FLUX.1-dev with a toy robot by the name of {READY_MADE_TRIGGER}.",
        ),
    ]
    first = datetime(2025, 1, 6, 9, 30, 12, 345678, tzinfo=UTC)
    return [
        _built_in(
            owner, name, template, official, description, first + timedelta(days=7 * week, minutes=week)
        )
        for week, (owner, name, template, official, description) in enumerate(rows)
    ]


def _built_in(
    owner: str, name: str, template: Template, official: bool, description: str, created: datetime
) -> Model:
    version = Version(
        id=version_id("sandbox", owner, name),
        model=f"{owner}/{name}",
        created=created + timedelta(hours=1, milliseconds=217),
        template=template,
        trigger_word=READY_MADE_TRIGGER if template is Template.LORA else None,
        style=_READY_MADE_STYLE if template is Template.LORA else None,
    )
    return Model(
        owner=owner,
        name=name,
        created=created,
        about={"description": description, "readme": f"# {name}\n\n{description}\n"},
        official=official,
        built_in=True,
        version=version,
    )
