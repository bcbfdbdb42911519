"""What the engine needs of a model that paints, so that it can be tried without one."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from app.services.local_diffusers.devices import choose_device
from app.services.local_diffusers.loading import fetch_model, load_model
from app.services.local_diffusers.local_models import LocalModel
from app.services.local_diffusers.machine_memory import total_bytes
from app.services.local_diffusers.model_settings import LocalModelSettings
from app.services.local_diffusers.paint_batches import PaintBatch
from app.services.local_diffusers.pipelines import OnStep

if TYPE_CHECKING:
    from PIL.Image import Image

_PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "peft", "safetensors")

# Shares of what one picture costs fall as others are painted with it; on a processor they soon stop falling.
_AT_ONCE_ON_ACCELERATORS = 8
_AT_ONCE_ON_PROCESSORS = 4


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the device can bear: bytes of memory in all, and how many pictures are best painted at once."""

    memory_bytes: int
    pictures_at_once: int


class Painter(Protocol):
    """A loaded model. It belongs to one thread, and every method blocks."""

    @property
    def weight_bytes(self) -> int:
        """How much memory it takes."""
        ...

    def paint(self, batch: PaintBatch, on_step: OnStep) -> "list[Image]":
        """The pictures of the batch, in its order. After whatever it raises, it can be used again."""
        ...

    def unload(self) -> None:
        """Free its memory."""
        ...


class Painters(Protocol):
    """Where painters come from. Every method blocks and raises the errors of `failures`."""

    def missing_package(self) -> str | None:
        """A package that has to be installed first, if any."""
        ...

    def capacity(self) -> Capacity:
        """What the device can bear."""
        ...

    def bytes_needed(self, model: LocalModel) -> int:
        """How much memory the model will take, as far as can be told before it is loaded."""
        ...

    def load(self, model: LocalModel) -> Painter:
        """The model, ready to paint."""
        ...

    def fetch(self, identifier: str) -> LocalModel:
        """A model of the Hub, brought to this machine."""
        ...


class DiffusersPainters:
    """Painters that are pipelines of diffusers."""

    def __init__(self, settings: LocalModelSettings) -> None:
        self._settings = settings

    def missing_package(self) -> str | None:
        return next((package for package in _PACKAGES if find_spec(package) is None), None)

    def capacity(self) -> Capacity:
        device = choose_device(self._settings.device, self._settings.precision)
        at_once = _AT_ONCE_ON_ACCELERATORS if device.is_accelerator else _AT_ONCE_ON_PROCESSORS
        return Capacity(total_bytes(device), at_once)

    def bytes_needed(self, model: LocalModel) -> int:
        device = choose_device(self._settings.device, self._settings.precision)
        return model.weight_bytes(device.precision)

    def load(self, model: LocalModel) -> Painter:
        return load_model(model, self._settings)

    def fetch(self, identifier: str) -> LocalModel:
        return fetch_model(identifier, self._settings)
