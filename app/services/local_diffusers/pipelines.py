"""A model that is loaded: paints batches, one at a time."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from app.services.local_diffusers import libraries
from app.services.local_diffusers.devices import Device, part_bytes
from app.services.local_diffusers.failures import OutOfMemoryError
from app.services.local_diffusers.families import Family, Task
from app.services.local_diffusers.local_models import LocalModel
from app.services.local_diffusers.loras import LoadedLoras
from app.services.local_diffusers.memory_faults import is_out_of_memory
from app.services.local_diffusers.model_settings import Offload
from app.services.local_diffusers.paint_batches import PaintBatch, StartingPicture, check_batch
from app.services.local_diffusers.schedulers import new_scheduler

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
    from PIL.Image import Image
    from torch import Tensor

OnStep = Callable[[int, int], None]
"""Is told how many steps are done, and of how many. What it raises ends the painting, and comes out of it."""

# Models that were trained down to pure noise overexpose without it (Lin et al. 2023, section 3.4).
_GUIDANCE_RESCALE = 0.7
# FLUX.1 schnell was trained on shorter prompts than the others.
_SCHNELL_TOKENS = 256


class LoadedModel:
    """A model on its device.

    Only one thread at a time may use it: schedulers, tokenizers and LoRAs have state that all of it shares.
    """

    def __init__(
        self, model: LocalModel, pipeline: "DiffusionPipeline", *, device: Device, offload: Offload
    ) -> None:
        self.model = model
        self.device = device
        self.offload = offload
        self._pipeline = pipeline
        self._shells: dict[Task, DiffusionPipeline] = {}
        self._loras = LoadedLoras(pipeline)
        self._vae_dtype = pipeline.vae.dtype

    @property
    def weight_bytes(self) -> int:
        """How much memory its weights take, wherever they lie; LoRAs included."""
        return sum(part_bytes(self._pipeline).values())

    def paint(self, batch: PaintBatch, on_step: OnStep | None = None) -> "list[Image]":
        """The pictures of the batch, in its order. Blocks, for as long as painting takes.

        Raises `InvalidRequestError` for what the model cannot do, `OutOfMemoryError`, after which the model
        can be used for less, and whatever `on_step` raises, after which it can be used as before.
        """
        check_batch(batch, self.model)
        shortage = ""
        try:
            self._loras.use(batch.loras)
            return list(self._shell(batch.task)(**self._arguments(batch, on_step)).images)
        except Exception as exc:
            if not is_out_of_memory(exc):
                raise
            shortage = str(exc).partition("\n")[0][:200]
        finally:
            self._tidy()
        # Outside of the handler: the exception keeps alive all that the painting had made until then.
        self.device.free_unused()
        raise OutOfMemoryError(
            f"{len(batch.items)} x {batch.width} x {batch.height} pixels do not fit into the memory of the "
            f"device {self.device.kind!r} together with {self.model.name!r}; ask for fewer or smaller "
            f"pictures. ({shortage})"
        )

    def unload(self) -> None:
        """Free its memory; it cannot be used afterwards."""
        self._shells.clear()
        del self._pipeline, self._loras
        self.device.free_unused()

    def _shell(self, task: Task) -> "DiffusionPipeline":
        """The pipeline for the task, around the same weights.

        Built by hand, since `from_pipe` of diffusers turns the weights of the original to float32.
        """
        if task not in self._shells:
            kind = getattr(libraries.diffusers(), self.model.facts.pipelines[task])
            parts = self._pipeline.components
            settings = {
                name: self._pipeline.config[name]
                for name in inspect.signature(kind).parameters
                if name not in parts and name in self._pipeline.config
            }
            shell = kind(**parts, **settings)
            shell.set_progress_bar_config(disable=True)
            self._shells[task] = shell
        return self._shells[task]

    def _arguments(self, batch: PaintBatch, on_step: OnStep | None) -> dict[str, object]:
        """What the pipeline is called with; it gets what it has a name for."""
        torch = libraries.torch()
        shell = self._shell(batch.task)
        shell.scheduler = new_scheduler(self._pipeline.scheduler, batch.sampler)

        def after_step(
            pipeline: "DiffusionPipeline", step: int, timestep: int, tensors: "dict[str, Tensor]"
        ) -> "dict[str, Tensor]":
            if on_step is not None:
                on_step(step + 1, pipeline.num_timesteps)
            return tensors

        arguments: dict[str, object] = {
            "prompt": [item.prompt for item in batch.items],
            "width": batch.width,
            "height": batch.height,
            "num_inference_steps": batch.steps,
            "guidance_scale": batch.guidance,
            # On the processor, where the same seed gives the same noise for every device.
            "generator": [torch.Generator("cpu").manual_seed(item.seed) for item in batch.items],
            "callback_on_step_end": after_step,
        }
        facts = self.model.facts
        if facts.takes_negative_prompts:
            # Never None: to some pipelines that is not the same as an empty one, and no batch can mix them.
            arguments["negative_prompt"] = [item.negative_prompt for item in batch.items]
        if shell.scheduler.config.get("rescale_betas_zero_snr"):
            arguments["guidance_rescale"] = _GUIDANCE_RESCALE
        if self.model.family is Family.FLUX_SCHNELL:
            arguments["max_sequence_length"] = _SCHNELL_TOKENS
        if batch.start is not None:
            arguments |= _starting_arguments(batch.start, batch)
        known = inspect.signature(type(shell).__call__).parameters
        return {name: value for name, value in arguments.items() if name in known}

    def _tidy(self) -> None:
        """Undo what a pipeline leaves behind that is ended halfway, and what a shell cannot undo itself."""
        # A VAE that overflows in float16 is turned to float32 for as long as it works.
        if self._pipeline.vae.dtype is not self._vae_dtype:
            self._pipeline.vae.to(dtype=self._vae_dtype)
        if self.offload is Offload.MODEL:
            self._pipeline.maybe_free_model_hooks()


def _starting_arguments(start: StartingPicture, batch: PaintBatch) -> dict[str, object]:
    """The picture and the mask, once for each picture of the batch, in the size that is painted."""
    size, count = (batch.width, batch.height), len(batch.items)
    arguments: dict[str, object] = {
        "image": [start.picture.convert("RGB").resize(size)] * count,
        "strength": start.strength,
    }
    if start.mask is not None:
        arguments["mask_image"] = [start.mask.convert("L").resize(size)] * count
    return arguments
