"""Painters without torch: they paint flat colors told by prompt and seed, and do as they are told."""

import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from app.services.local_diffusers.failures import OutOfMemoryError
from app.services.local_diffusers.local_models import LocalModel
from app.services.local_diffusers.paint_batches import PaintBatch
from app.services.local_diffusers.painters import Capacity
from app.services.local_diffusers.pipelines import OnStep

GIB = 2**30
REAL_SECONDS = 30
"""How long a painter waits, by the machine's time, for a test to let it go on."""


@dataclass
class Gate:
    """Stops whoever comes through until a test opens it; `reached` tells that somebody stands there."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def pass_through(self) -> None:
        self.reached.set()
        if not self.opened.wait(REAL_SECONDS):
            raise AssertionError("a test left a gate closed")


class FakePainters:
    """Makes painters, and keeps count of what they did.

    `sizes` says how many bytes each model takes, a GiB if nothing. `at_step` and `at_load` hold gates by step
    and by model. `most_pixels` is what fits into the memory beside the models, `most_loaded` how many models
    do.
    """

    def __init__(self) -> None:
        self.missing: str | None = None
        self.device = Capacity(memory_bytes=100 * GIB, pictures_at_once=4)
        self.sizes: dict[str, int] = defaultdict(lambda: GIB)
        self.at_step: dict[int, Gate] = {}
        self.at_load: dict[str, Gate] = {}
        self.load_fault: Callable[[str], Exception | None] = lambda _: None
        self.paint_fault: Callable[[PaintBatch], Exception | None] = lambda _: None
        self.most_pixels: int | None = None
        self.most_loaded: int | None = None
        self.loaded: list[str] = []
        self.events: list[str] = []
        self.batches: list[PaintBatch] = []
        self.steps_taken = 0
        self.threads: dict[str, set[int]] = defaultdict(set)

    def missing_package(self) -> str | None:
        return self.missing

    def capacity(self) -> Capacity:
        return self.device

    def bytes_needed(self, model: LocalModel) -> int:
        return self.sizes[model.name]

    def load(self, model: LocalModel) -> "FakePainter":
        if model.name in self.at_load:
            self.at_load[model.name].pass_through()
        if self.most_loaded is not None and len(self.loaded) >= self.most_loaded:
            self.events.append(f"no memory for {model.name}")
            raise OutOfMemoryError(f"{model.name!r} does not fit.")
        if (fault := self.load_fault(model.name)) is not None:
            raise fault
        self.loaded.append(model.name)
        self.events.append(f"load {model.name}")
        return FakePainter(self, model.name)

    def fetch(self, identifier: str) -> LocalModel:
        raise AssertionError(f"nobody fetches {identifier} here")


class FakePainter:
    """One loaded model."""

    def __init__(self, painters: FakePainters, name: str) -> None:
        self._painters = painters
        self._name = name

    @property
    def weight_bytes(self) -> int:
        return self._painters.sizes[self._name]

    def paint(self, batch: PaintBatch, on_step: OnStep) -> list[Image.Image]:
        painters = self._painters
        painters.threads[self._name].add(threading.get_ident())
        painters.batches.append(batch)
        painters.events.append(f"paint {self._name}")
        pixels = len(batch.items) * batch.width * batch.height
        if painters.most_pixels is not None and pixels > painters.most_pixels:
            raise OutOfMemoryError(f"{len(batch.items)} pictures do not fit.")
        if (fault := painters.paint_fault(batch)) is not None:
            raise fault
        for step in range(1, batch.steps + 1):
            if step in painters.at_step:
                painters.at_step[step].pass_through()
            painters.steps_taken += 1
            on_step(step, batch.steps)
        return [_flat(batch, self._name, item.prompt, item.seed) for item in batch.items]

    def unload(self) -> None:
        self._painters.loaded.remove(self._name)
        self._painters.events.append(f"unload {self._name}")


def _flat(batch: PaintBatch, model: str, prompt: str, seed: int) -> Image.Image:
    text = f"{model} {prompt} {seed} {batch.steps} {batch.guidance}"
    red, green, blue, *_ = hashlib.sha256(text.encode()).digest()
    return Image.new("RGB", (batch.width, batch.height), (red, green, blue))


def write_model_file(path: Path) -> None:
    """A file whose header is that of Stable Diffusion XL, without a single weight."""
    network = "model.diffusion_model."
    shapes = {f"{network}input_blocks.0.0.weight": [0, 4, 3, 3], f"{network}label_emb.0.0.weight": [0, 8]}
    header = json.dumps(
        {name: {"dtype": "F16", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()}
    ).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def write_lora_file(path: Path) -> None:
    """A file whose header is that of a LoRA for Stable Diffusion XL."""
    name = "unet.down_blocks.1.attentions.0.transformer_blocks.1.attn1.to_q.lora_A.weight"
    header = json.dumps({name: {"dtype": "F16", "shape": [0, 8], "data_offsets": [0, 0]}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(header).to_bytes(8, "little") + header)
