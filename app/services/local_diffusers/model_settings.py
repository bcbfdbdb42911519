"""What the operator says about local models: where they lie, and how they are to be run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field

from app.services.local_diffusers.families import Family, PredictionType


class Precision(StrEnum):
    """In which numbers a model is run."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"

    @property
    def bytes_each(self) -> int:
        """How much memory one number takes."""
        return 4 if self is Precision.FLOAT32 else 2


class DeviceChoice(StrEnum):
    """Where a model is run; `AUTO` takes CUDA, else Apple's Metal (`MPS`), else the processor."""

    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


class Offload(StrEnum):
    """What lies in main memory while it is not needed.

    `MODEL` moves whole parts, `SEQUENTIAL` single layers (slow, and it needs the least memory of the device);
    `AUTO` decides by the memory that is free when the model is loaded.
    """

    AUTO = "auto"
    NONE = "none"
    MODEL = "model"
    SEQUENTIAL = "sequential"


class Sampler(StrEnum):
    """The schedulers that can be asked for by name. FLUX and Stable Diffusion 3 have their own one."""

    EULER = "euler"
    EULER_ANCESTRAL = "euler_a"
    DDIM = "ddim"
    DPM_PLUS_PLUS = "dpm++"
    UNIPC = "unipc"
    LCM = "lcm"
    HEUN = "heun"


@dataclass(frozen=True, slots=True)
class LoraUse:
    """A LoRA by its name in `LOCAL_LORAS_DIR`, and how strong it is."""

    name: str
    weight: Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)] = 1.0


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What `LOCAL_MODEL_CONFIGS` says about one model; what is None is told from its files.

    `zero_snr` says whether a model with v-prediction was trained down to pure noise.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    family: Family | None = None
    prediction_type: PredictionType | None = None
    zero_snr: bool | None = None
    turbo: bool | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=100)] | None = None
    num_inference_steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    width: Annotated[int, Field(ge=8, multiple_of=8)] | None = None
    height: Annotated[int, Field(ge=8, multiple_of=8)] | None = None
    scheduler: Sampler | None = None
    loras: tuple[LoraUse, ...] = ()


@dataclass(frozen=True, slots=True)
class LocalModelSettings:
    """Where models come from and how they are run.

    `models_dir` is None where no models are to be taken from this machine. `default_model` is the name of one
    of them or an id on the Hub, `owner/name`, which is fetched only with `allow_downloads`. In `configs_dir`,
    a folder per family holds the configuration for models in one file. `variant` names the files to prefer in
    folders, as in `fp16`. `hub_cache` is where the Hub's files are kept; None means their usual place.
    """

    models_dir: Path | None
    loras_dir: Path
    configs_dir: Path
    default_model: str | None = None
    allow_downloads: bool = False
    hub_cache: Path | None = None
    precision: Precision = Precision.FLOAT16
    variant: str | None = None
    device: DeviceChoice = DeviceChoice.AUTO
    offload: Offload = Offload.AUTO
    configs: Mapping[str, ModelConfig] = field(default_factory=dict)
