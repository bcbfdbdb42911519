"""Where a model is run, in which numbers, and how much of it lies there at a time."""

import gc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.services.local_diffusers import libraries
from app.services.local_diffusers.failures import ModelUnusableError
from app.services.local_diffusers.model_settings import DeviceChoice, Offload, Precision

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline

# What a picture of a megapixel needs beside the weights: the activations of the largest network here, and of
# the VAE when it decodes. Roughly, and rather too much.
_WORKING_BYTES = 3 * 2**30


@dataclass(frozen=True, slots=True)
class Device:
    """A device by torch's name for its kind, and the numbers that are used on it."""

    kind: str
    precision: Precision
    notes: tuple[str, ...] = ()

    @property
    def dtype(self) -> "torch.dtype":
        """The numbers as torch has them."""
        match self.precision:
            case Precision.FLOAT32:
                return libraries.torch().float32
            case Precision.FLOAT16:
                return libraries.torch().float16
            case Precision.BFLOAT16:
                return libraries.torch().bfloat16

    @property
    def is_accelerator(self) -> bool:
        """Whether it has memory of its own."""
        return self.kind != DeviceChoice.CPU

    def free_bytes(self) -> int | None:
        """How much of its memory is free, None where that cannot be told."""
        torch = libraries.torch()
        match self.kind:
            case DeviceChoice.CUDA:
                free, _ = torch.cuda.mem_get_info()
                return int(free)
            case DeviceChoice.MPS:
                return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
        return None

    def free_unused(self) -> None:
        """Give back what nothing refers to any more."""
        gc.collect()
        torch = libraries.torch()
        match self.kind:
            case DeviceChoice.CUDA:
                torch.cuda.empty_cache()
            case DeviceChoice.MPS:
                torch.mps.empty_cache()


def choose_device(choice: DeviceChoice, precision: Precision) -> Device:
    """The device to use, with numbers that it can reckon with.

    Raises `ModelUnusableError` where a device was named that is not there, and `LocalExtraMissingError`
    without the packages.
    """
    torch = libraries.torch()
    there = {
        DeviceChoice.CUDA: torch.cuda.is_available(),
        DeviceChoice.MPS: torch.backends.mps.is_available(),
        DeviceChoice.CPU: True,
    }
    if choice is DeviceChoice.AUTO:
        choice = next(kind for kind, is_there in there.items() if is_there)
    elif not there[choice]:
        found = ", ".join(kind for kind, is_there in there.items() if is_there)
        raise ModelUnusableError(
            f"LOCAL_DEVICE is {choice.value!r}, which this machine or its torch has not; there is: {found}."
        )
    if choice is DeviceChoice.CPU and precision is Precision.FLOAT16:
        return Device(
            choice, Precision.FLOAT32, ("A processor is slow and inexact in float16; float32 is used.",)
        )
    if choice is DeviceChoice.CUDA and precision is Precision.BFLOAT16 and not torch.cuda.is_bf16_supported():
        return Device(choice, Precision.FLOAT16, ("The GPU has no bfloat16; float16 is used.",))
    return Device(choice, precision)


def place(pipeline: "DiffusionPipeline", device: Device, wanted: Offload) -> Offload:
    """Bring the pipeline, which lies in main memory, to its device; the answer says how it lies there."""
    offload = choose_offload(part_bytes(pipeline), device.free_bytes(), wanted)
    if not device.is_accelerator:
        return Offload.NONE  # Everything lies in main memory anyway, and diffusers refuses to offload.
    match offload:
        case Offload.MODEL:
            pipeline.enable_model_cpu_offload(device=device.kind)
        case Offload.SEQUENTIAL:
            pipeline.enable_sequential_cpu_offload(device=device.kind)
        case _:
            pipeline.to(device.kind)
    return offload


def choose_offload(parts: Mapping[str, int], free: int | None, wanted: Offload) -> Offload:
    """How a pipeline with parts of these bytes lies best in the free memory of the device."""
    if wanted is not Offload.AUTO:
        return wanted
    if free is None or sum(parts.values()) + _WORKING_BYTES <= free:
        return Offload.NONE
    return Offload.MODEL if max(parts.values()) + _WORKING_BYTES <= free else Offload.SEQUENTIAL


def part_bytes(pipeline: "DiffusionPipeline") -> dict[str, int]:
    """How much memory the weights of each part take."""
    module = libraries.torch().nn.Module
    return {
        name: sum(tensor.numel() * tensor.element_size() for tensor in part.state_dict().values())
        for name, part in pipeline.components.items()
        if isinstance(part, module)
    }
