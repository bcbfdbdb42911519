"""What lies in the folder of models of system D's operator; needs the packages that run them."""

from pathlib import Path

import torch

from tests.local.original_layout import save_weights, sdxl_weights
from tests.local.tiny_pipelines import tiny_sdxl


def put_models(models: Path, scratch: Path) -> None:
    """Put models into the folder: three in one file each, one in a folder, and two files that are none.

    All have the same weights but for the folder's variant `fp16`, whose weights are others.
    """
    pipeline = tiny_sdxl(scratch / "tokenizers")
    models.mkdir()
    for name in ("my_sdxl_model", "velvet", "sdxl_turbo"):
        save_weights(sdxl_weights(pipeline), models / f"{name}.safetensors")
    configuration = models / "configs" / "sdxl"
    pipeline.save_pretrained(configuration)
    for weights in configuration.rglob("*.safetensors"):
        weights.unlink()
    (models / "truncated.safetensors").write_bytes((models / "velvet.safetensors").read_bytes()[:-1000])
    (models / "old.ckpt").write_bytes(b"\x80\x04")

    pipeline.save_pretrained(models / "in_a_folder")
    with torch.no_grad():
        for weight in pipeline.unet.parameters():
            weight.mul_(1.1)
    pipeline.save_pretrained(models / "in_a_folder", variant="fp16")
