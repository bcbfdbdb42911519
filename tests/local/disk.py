"""The folders of a machine with models, and what is put into them."""

import inspect
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import ImageChops
from PIL.Image import Image

from app.services.local_diffusers.families import Family
from app.services.local_diffusers.loading import load_model
from app.services.local_diffusers.local_models import LocalModel, ModelShelf
from app.services.local_diffusers.model_files import take_stock
from app.services.local_diffusers.model_settings import DeviceChoice, LocalModelSettings, ModelConfig
from app.services.local_diffusers.paint_batches import PaintBatch, PaintItem
from app.services.local_diffusers.pipelines import LoadedModel
from tests.local.original_layout import Weights, save_weights

HAS_GPU = torch.cuda.is_available() or torch.backends.mps.is_available()

everywhere = pytest.mark.parametrize(
    "disk",
    [
        DeviceChoice.CPU,
        pytest.param(
            DeviceChoice.AUTO,
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(not HAS_GPU, reason="This machine has neither CUDA nor Metal."),
            ],
        ),
    ],
    indirect=True,
)
"""Runs a test on the processor, and once more on the GPU where there is one."""


@dataclass
class Disk:
    """Where models lie; `settings` say so."""

    settings: LocalModelSettings
    models: Path

    @property
    def tolerance(self) -> int:
        """By how much a value of 0 to 255 may be off: a rounding on a processor, and more between devices."""
        return 1 if self.settings.device is DeviceChoice.CPU else 6

    def put_folder(self, name: str, pipeline: DiffusionPipeline, *, variant: str | None = None) -> Path:
        """Save a model as diffusers does."""
        pipeline.save_pretrained(self.models / name, variant=variant)
        return self.models / name

    def put_file(self, name: str, weights: Weights, metadata: dict[str, str] | None = None) -> Path:
        """Save a model as one file."""
        return save_weights(weights, self.models / f"{name}.safetensors", metadata)

    def put_lora(self, name: str, weights: Weights) -> Path:
        """Save a LoRA where such files lie."""
        self.settings.loras_dir.mkdir(exist_ok=True)
        return save_weights(weights, self.settings.loras_dir / f"{name}.safetensors")

    def put_configuration(
        self, pipeline: DiffusionPipeline, place: Family | Path, *, parts: tuple[str, ...] = ()
    ) -> Path:
        """Save what configures a pipeline, and the weights of these parts, for a family or in a folder."""
        target = self.settings.configs_dir / place if isinstance(place, Family) else place
        pipeline.save_pretrained(target)
        for weights in target.rglob("*.safetensors"):
            if weights.parent.name not in parts:
                weights.unlink()
        return target

    def use(self, **changes: Any) -> None:
        """Change the settings."""
        self.settings = replace(self.settings, **changes)

    def configure(self, name: str, config: ModelConfig) -> None:
        """Say something about a model, as `LOCAL_MODEL_CONFIGS` does."""
        self.use(configs={**self.settings.configs, name: config})

    def shelf(self) -> ModelShelf:
        """What a look at the disk finds."""
        return take_stock(self.settings)

    def load(self, name: str) -> LoadedModel:
        """The model of that name, loaded."""
        return self.load_model(self.shelf().models[name])

    def load_model(self, model: LocalModel) -> LoadedModel:
        """A model as it was found before, loaded."""
        return load_model(model, self.settings)


def batch(*prompts: str, seed: int = 7, size: int = 64, steps: int = 3, guidance: float = 5.0) -> PaintBatch:
    """A batch of pictures with seeds that follow one another."""
    items = tuple(
        PaintItem(prompt, seed + number) for number, prompt in enumerate(prompts or ("a red house",))
    )
    return PaintBatch(items, size, size, steps, guidance)


def painted_by_diffusers(pipeline: DiffusionPipeline, wanted: PaintBatch, **more: object) -> list[Image]:
    """What diffusers itself makes of a batch with the pipeline that a model was saved from."""
    known = inspect.signature(type(pipeline).__call__).parameters
    size = {"width": wanted.width, "height": wanted.height} if "width" in known else {}
    # FLUX knows the argument, and uses it only with a guidance of another kind.
    negative = {} if "true_cfg_scale" in known else {"negative_prompt": [""] * len(wanted.items)}
    return list(
        pipeline(
            prompt=[item.prompt for item in wanted.items],
            generator=[torch.Generator().manual_seed(item.seed) for item in wanted.items],
            num_inference_steps=wanted.steps,
            guidance_scale=wanted.guidance,
            **size,
            **negative,
            **more,
        ).images
    )


def difference(first: list[Image], second: list[Image]) -> int:
    """The largest difference between any two values, of 0 to 255, in two rows of pictures."""
    assert [picture.size for picture in first] == [picture.size for picture in second]
    differences = [ImageChops.difference(one, other) for one, other in zip(first, second, strict=True)]
    return max(max(picture.tobytes()) for picture in differences)
