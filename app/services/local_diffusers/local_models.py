"""The models on this machine, as far as their headers tell, and the files that are none."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.services.local_diffusers.families import FACTS, Family, FamilyFacts, PredictionType, Task
from app.services.local_diffusers.lora_files import LoraFile
from app.services.local_diffusers.model_settings import LoraUse, Precision, Sampler


class Source(StrEnum):
    """In what form a model lies on this machine."""

    FILE = "file"
    FOLDER = "folder"
    HUB = "hub"


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a request gets that does not say otherwise. With `sampler` None, the model's own scheduler."""

    width: int
    height: int
    steps: int
    guidance: float
    sampler: Sampler | None = None
    loras: tuple[LoraUse, ...] = ()


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model that can be loaded.

    `numbers` is how many numbers its weights have. `prediction_type` is None where the configuration that it
    is loaded with is right about it; `zero_snr` belongs to v-prediction. `missing` names the parts that are
    not in its file, `variant` the variant of its folder's files. `config_folder` lies beside a model in one
    file and is meant for it alone. `notes` are sentences for the operator about what was guessed.
    """

    name: str
    family: Family
    source: Source
    path: Path
    numbers: int
    defaults: Defaults
    turbo: bool = False
    prediction_type: PredictionType | None = None
    zero_snr: bool = False
    missing: tuple[str, ...] = ()
    variant: str | None = None
    config_folder: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def facts(self) -> FamilyFacts:
        """What is true of its whole family."""
        return FACTS[self.family]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What pictures can be made from."""
        return tuple(self.facts.pipelines)

    @property
    def samplers(self) -> tuple[Sampler, ...]:
        """The schedulers that may be asked for by name."""
        return () if self.facts.is_flow else tuple(Sampler)

    def weight_bytes(self, precision: Precision) -> int:
        """How much memory its weights will take, without the parts that are missing in its file."""
        return self.numbers * precision.bytes_each


@dataclass(frozen=True, slots=True)
class Refused:
    """A file, a folder or a name in the settings that is no model; `reason` is a whole sentence."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelShelf:
    """What a look at the disk found, by name.

    `default` is the name of the model that `DEFAULT_MODEL_IDENTIFIER` means. `to_fetch` is set instead where
    that is a model of the Hub that is not on this machine yet, and may be fetched.
    """

    models: Mapping[str, LocalModel]
    loras: Mapping[str, LoraFile]
    refused: tuple[Refused, ...] = ()
    default: str | None = None
    to_fetch: str | None = None
