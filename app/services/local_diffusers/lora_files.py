"""LoRA files: telling them from models, and which models they fit."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.services.local_diffusers.families import Line
from app.services.local_diffusers.tensor_files import Tensor

_SD2_CONTEXT = 1024
# By names alone, changes to the blocks that FLUX and Stable Diffusion 3 both have look the same.
_TRANSFORMER_WIDTHS = {3072: Line.FLUX, 1536: Line.SD3, 2432: Line.SD3}

# How the pairs of small matrices are called by peft, by diffusers of old and by kohya's scripts; LoHa and
# LoKr are relatives.
_PAIR = re.compile(
    r"\.lora_[AB]\.|\.lora[._](?:down|up)\.|\.lora_linear_layer\.|\.(?:hada|lokr)_w[12]|\.dora_scale$"
)


@dataclass(frozen=True, slots=True)
class LoraFile:
    """A LoRA by the name under which it is used; `line` is what it fits, None where that cannot be told."""

    name: str
    path: Path
    line: Line | None


def is_lora(tensors: Collection[str]) -> bool:
    """Whether the file holds changes to a model, rather than one."""
    return any(_PAIR.search(name) for name in tensors)


def fitting_line(tensors: Mapping[str, Tensor]) -> Line | None:
    """The models that a LoRA fits, None where its names do not tell.

    kohya's names write underscores for dots; both are read as underscores here.
    """
    names = {name.replace(".", "_"): tensor for name, tensor in tensors.items()}
    if _has(names, r"(?:^|_)(?:double|single)_blocks_\d|(?:^|_)single_transformer_blocks_\d"):
        return Line.FLUX
    if _has(names, r"(?:^|_)joint_blocks_\d"):
        return Line.SD3
    if _has(names, r"^(?:lora_)?transformer_transformer_blocks_\d"):
        return _TRANSFORMER_WIDTHS.get(_width_read(names, r"attn_to_q_lora_(?:A|down)_weight$") or 0)
    # The text encoder with a projection, and levels with several blocks of attention, came with XL.
    if _has(names, r"^(?:lora_te2|text_encoder_2)_|_transformer_blocks_[1-9]\d*_"):
        return Line.SDXL
    # Only the earlier ones pay attention in their first level, and have a fourth.
    if _has(names, r"unet_(?:down_blocks_0_att|up_blocks_3_att|input_blocks_1_1_|output_blocks_1[01]_1_)"):
        context = _width_read(names, r"attn2_to_k_lora_(?:A|down)_weight$")
        return Line.SD2 if context == _SD2_CONTEXT else Line.SD1
    if _has(names, r"unet_"):
        return Line.SDXL
    return None


def _has(names: Collection[str], pattern: str) -> bool:
    return any(re.search(pattern, name) for name in names)


def _width_read(names: Mapping[str, Tensor], pattern: str) -> int | None:
    """How wide that is what the first layer of that name reads."""
    return next(
        (tensor.shape[-1] for name, tensor in names.items() if re.search(pattern, name) and tensor.shape),
        None,
    )
