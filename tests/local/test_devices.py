"""Where models are run, and in which numbers."""

import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from app.services.local_diffusers.devices import choose_device, choose_offload, part_bytes
from app.services.local_diffusers.failures import ModelUnusableError
from app.services.local_diffusers.model_settings import DeviceChoice, Offload, Precision
from tests.local.disk import HAS_GPU, Disk, batch

GIB = 2**30


def test_a_processor_does_not_reckon_in_float16() -> None:
    device = choose_device(DeviceChoice.CPU, Precision.FLOAT16)

    assert (device.precision, device.dtype) == (Precision.FLOAT32, torch.float32)
    assert device.notes
    assert choose_device(DeviceChoice.CPU, Precision.BFLOAT16).dtype is torch.bfloat16


@pytest.mark.skipif(torch.cuda.is_available(), reason="This machine has CUDA.")
def test_a_device_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(
        ModelUnusableError, match=r"LOCAL_DEVICE is 'cuda', which .* has not; there is: .*cpu"
    ):
        choose_device(DeviceChoice.CUDA, Precision.FLOAT16)


@pytest.mark.skipif(HAS_GPU, reason="This machine has a GPU.")
def test_without_a_gpu_the_processor_is_used() -> None:
    assert choose_device(DeviceChoice.AUTO, Precision.FLOAT32).kind == "cpu"


@pytest.mark.parametrize("offload", Offload)
def test_a_processor_offloads_nothing(disk: Disk, sdxl: StableDiffusionXLPipeline, offload: Offload) -> None:
    disk.put_folder("painter", sdxl)
    disk.use(offload=offload)

    loaded = disk.load("painter")

    assert loaded.offload is Offload.NONE
    assert [picture.size for picture in loaded.paint(batch())] == [(64, 64)]


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="This machine has neither CUDA nor Metal.")
@pytest.mark.parametrize("offload", [Offload.MODEL, Offload.SEQUENTIAL])
def test_a_gpu_paints_what_lies_in_main_memory(
    disk: Disk, sdxl: StableDiffusionXLPipeline, offload: Offload
) -> None:
    disk.put_folder("painter", sdxl)
    disk.use(offload=offload, device=DeviceChoice.AUTO, precision=Precision.FLOAT16)

    loaded = disk.load("painter")

    for _ in range(2):
        assert [picture.size for picture in loaded.paint(batch())] == [(64, 64)]


def test_the_parts_of_a_pipeline_are_weighed(sdxl: StableDiffusionXLPipeline) -> None:
    weights = part_bytes(sdxl)

    assert set(weights) == {"unet", "vae", "text_encoder", "text_encoder_2"}
    assert weights["unet"] == 4 * sum(weight.numel() for weight in sdxl.unet.parameters())


@pytest.mark.parametrize(
    ("free_gib", "expected"),
    [(24, Offload.NONE), (9, Offload.MODEL), (4, Offload.SEQUENTIAL), (None, Offload.NONE)],
)
def test_the_free_memory_decides_what_lies_on_the_device(free_gib: int | None, expected: Offload) -> None:
    parts = {"unet": 5 * GIB, "text_encoder": 2 * GIB}
    free = free_gib * GIB if free_gib is not None else None

    assert choose_offload(parts, free, Offload.AUTO) is expected
    assert choose_offload(parts, free, Offload.MODEL) is Offload.MODEL
