"""The LoRAs that lie in a loaded model: read once, switched on and off for each batch."""

from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import FieldError, InvalidRequestError
from app.services.local_diffusers.lora_files import LoraFile
from app.services.local_diffusers.memory_faults import is_out_of_memory
from app.services.local_diffusers.paint_batches import ChosenLora

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

# Each takes memory, and a little time in every step even where it is switched off.
_MOST_KEPT = 8


class LoadedLoras:
    """The LoRAs of one pipeline, by file. Not for several threads."""

    def __init__(self, pipeline: "DiffusionPipeline") -> None:
        self._pipeline = pipeline
        self._adapters: dict[tuple[Path, int, int], str] = {}
        self._count = 0

    def use(self, chosen: tuple[ChosenLora, ...]) -> None:
        """Switch on these and no others. Raises `InvalidRequestError` for a file that does not fit."""
        wanted = [(self._adapter(lora.file), lora.weight) for lora in chosen if lora.weight]
        if wanted:
            self._pipeline.enable_lora()
            self._pipeline.set_adapters(
                [name for name, _ in wanted], adapter_weights=[weight for _, weight in wanted]
            )
        elif self._adapters:
            self._pipeline.disable_lora()
        self._forget_the_oldest(len(wanted))

    def _adapter(self, file: LoraFile) -> str:
        """The name of the file's adapter in the pipeline. A file that was replaced is another one."""
        try:
            now = file.path.stat()
        except OSError as exc:
            raise _refused(file, "is no longer on the disk") from exc
        key = (file.path, now.st_mtime_ns, now.st_size)
        # Taken out and put in again, so that those last used stand at the end.
        name = self._adapters.pop(key, None) or self._load(file)
        self._adapters[key] = name
        return name

    def _load(self, file: LoraFile) -> str:
        self._count += 1
        name = f"lora_{self._count}"  # File names may hold dots, which adapters' names must not.
        try:
            self._pipeline.load_lora_weights(
                str(file.path.parent),
                weight_name=file.path.name,
                adapter_name=name,
                local_files_only=True,
                use_safetensors=True,
            )
        except Exception as exc:
            # Names and shapes that do not fit show up as KeyError, ValueError, RuntimeError and others.
            self._remove(name)
            if is_out_of_memory(exc):
                raise
            raise _refused(file, "does not fit the model") from exc
        if not self._holds(name):
            raise _refused(file, "changes nothing in the model, so it is for another one")
        return name

    def _holds(self, name: str) -> bool:
        return any(name in names for names in self._pipeline.get_list_adapters().values())

    def _forget_the_oldest(self, in_use: int) -> None:
        while len(self._adapters) > max(_MOST_KEPT, in_use):
            self._remove(self._adapters.pop(next(iter(self._adapters))))

    def _remove(self, name: str) -> None:
        if self._holds(name):
            self._pipeline.delete_adapters(name)


def _refused(file: LoraFile, why: str) -> InvalidRequestError:
    return InvalidRequestError([FieldError("loras", f"{file.name!r} {why}; take another LoRA.")])
