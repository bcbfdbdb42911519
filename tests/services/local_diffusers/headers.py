"""Files with the headers of real models, whose weights are holes in the disk."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from app.services.local_diffusers.families import Family

Shapes = Mapping[str, tuple[int, ...]]

WHOLE = "model.diffusion_model."
_VAE: Shapes = {"first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3)}
_FLUX = f"{WHOLE}double_blocks.0.img_attn.norm.key_norm.scale"
_JOINT = f"{WHOLE}joint_blocks.0.context_block.adaLN_modulation.1.bias"


def _unet(channels: int, context: int, *, levels: int, sized: bool) -> Shapes:
    """What tells UNets apart: their input, the text they read, their depth, and whether size is told them."""
    attention = "input_blocks.4.1" if sized else "input_blocks.2.1"
    shapes = {
        f"{WHOLE}input_blocks.0.0.weight": (320, channels, 3, 3),
        f"{WHOLE}{attention}.transformer_blocks.0.attn2.to_k.weight": (320, context),
    }
    if sized:
        shapes[f"{WHOLE}label_emb.0.0.weight"] = (1280, 2816)
    if levels == 4:
        shapes[f"{WHOLE}output_blocks.11.0.skip_connection.weight"] = (320, 640, 1, 1)
    return shapes


_CLIP_L = "transformer.text_model.embeddings.position_embedding.weight"
_SD1_TEXT: Shapes = {f"cond_stage_model.{_CLIP_L}": (77, 768)}
_SD2_TEXT: Shapes = {"cond_stage_model.model.token_embedding.weight": (49408, 1024)}
_XL_TEXT: Shapes = {
    f"conditioner.embedders.0.{_CLIP_L}": (77, 768),
    "conditioner.embedders.1.model.transformer.resblocks.9.mlp.c_proj.bias": (1280,),
}
_REFINER_TEXT: Shapes = {"conditioner.embedders.0.model.transformer.resblocks.9.mlp.c_proj.bias": (1280,)}

WHOLE_FILES: Mapping[Family, Shapes] = {
    Family.SD1: {**_unet(4, 768, levels=4, sized=False), **_SD1_TEXT, **_VAE},
    Family.SD1_INPAINT: {**_unet(9, 768, levels=4, sized=False), **_SD1_TEXT, **_VAE},
    Family.SD2: {**_unet(4, 1024, levels=4, sized=False), **_SD2_TEXT, **_VAE},
    Family.SD2_INPAINT: {**_unet(9, 1024, levels=4, sized=False), **_SD2_TEXT, **_VAE},
    Family.SDXL: {**_unet(4, 2048, levels=3, sized=True), **_XL_TEXT, **_VAE},
    Family.SDXL_INPAINT: {**_unet(9, 2048, levels=3, sized=True), **_XL_TEXT, **_VAE},
    Family.SDXL_REFINER: {**_unet(4, 1280, levels=4, sized=True), **_REFINER_TEXT, **_VAE},
    Family.SD3: {_JOINT: (9216,), f"{WHOLE}pos_embed": (1, 36864, 1536)},
    Family.SD35_MEDIUM: {_JOINT: (9216,), f"{WHOLE}pos_embed": (1, 147456, 1536)},
    Family.SD35_LARGE: {
        _JOINT: (14592,),
        f"{WHOLE}pos_embed": (1, 36864, 2432),
        f"{WHOLE}joint_blocks.37.x_block.mlp.fc1.weight": (9728, 2432),
    },
    Family.FLUX_DEV: {
        _FLUX: (128,),
        f"{WHOLE}guidance_in.in_layer.bias": (3072,),
        f"{WHOLE}img_in.weight": (3072, 64),
    },
    Family.FLUX_SCHNELL: {_FLUX: (128,), f"{WHOLE}img_in.weight": (3072, 64)},
    Family.FLUX_FILL: {
        _FLUX: (128,),
        f"{WHOLE}guidance_in.in_layer.bias": (3072,),
        f"{WHOLE}img_in.weight": (3072, 384),
    },
}
"""The telling tensors of a file in the original layout, for each family."""

LORA: Shapes = {
    "lora_unet_down_blocks_1_attentions_0_transformer_blocks_1_attn1_to_q.lora_down.weight": (4, 640),
    "lora_unet_down_blocks_1_attentions_0_transformer_blocks_1_attn1_to_q.lora_up.weight": (640, 4),
}


def write_header(path: Path, shapes: Shapes, metadata: Mapping[str, str] | None = None) -> Path:
    """A file with tensors of these shapes in float16."""
    described: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * math.prod(shape)
        described[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [start, end]}
    header = json.dumps(described).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + end)
    return path
