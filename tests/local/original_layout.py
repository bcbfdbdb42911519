"""Writes pipelines as one file with the names that the original checkpoints have, whatever their geometry."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import save_file

Weights = dict[str, torch.Tensor]

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out": "proj_out"}
_OPEN_CLIP_TOP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}
_OPEN_CLIP_LAYER = {
    "self_attn.out_proj": "attn.out_proj",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


def save_weights(
    weights: Mapping[str, torch.Tensor], path: Path, metadata: dict[str, str] | None = None
) -> Path:
    """Write the weights to a file, which may not hold tensors that share memory."""
    own = {name: weight.detach().clone().contiguous() for name, weight in weights.items()}
    save_file(own, str(path), metadata=metadata)
    return path


def sdxl_weights(pipeline: StableDiffusionXLPipeline) -> Weights:
    """All of Stable Diffusion XL under its original names."""
    first = pipeline.text_encoder.state_dict()
    return {
        **unet_weights(pipeline.unet),
        **vae_weights(pipeline.vae),
        **_clip(first, "conditioner.embedders.0.transformer.text_model."),
        **_open_clip(pipeline.text_encoder_2.state_dict(), "conditioner.embedders.1.model."),
    }


def sd15_weights(pipeline: StableDiffusionPipeline) -> Weights:
    """All of Stable Diffusion 1.5 under its original names."""
    return {
        **unet_weights(pipeline.unet),
        **vae_weights(pipeline.vae),
        **_clip(pipeline.text_encoder.state_dict(), "cond_stage_model.transformer.text_model."),
    }


def unet_weights(unet: torch.nn.Module) -> Weights:
    """The UNet's weights under their original names."""
    weights = unet.state_dict()
    prefixes = dict(
        _unet_prefixes(weights, len(unet.config.block_out_channels), unet.config.layers_per_block)
    )
    renamed = {}
    for name, weight in weights.items():
        prefix = next(prefix for prefix in prefixes if name.startswith(prefix))
        rest = name.removeprefix(prefix)
        if ".resnets." in name:
            part, _, tail = rest.partition(".")
            rest = f"{_RESNET[part]}.{tail}"
        renamed[f"model.diffusion_model.{prefixes[prefix]}{rest}"] = weight
    return renamed


def _unet_prefixes(weights: Iterable[str], levels: int, per_level: int) -> Iterable[tuple[str, str]]:
    """Pairs of what names begin with: blocks are counted through there, and nested in levels here."""
    yield from (
        ("time_embedding.linear_1.", "time_embed.0."),
        ("time_embedding.linear_2.", "time_embed.2."),
        ("add_embedding.linear_1.", "label_emb.0.0."),
        ("add_embedding.linear_2.", "label_emb.0.2."),
        ("conv_in.", "input_blocks.0.0."),
        ("conv_norm_out.", "out.0."),
        ("conv_out.", "out.2."),
        ("mid_block.resnets.0.", "middle_block.0."),
        ("mid_block.attentions.0.", "middle_block.1."),
        ("mid_block.resnets.1.", "middle_block.2."),
    )
    down = up = 0
    for level in range(levels):
        for block in range(per_level):
            down += 1
            yield f"down_blocks.{level}.resnets.{block}.", f"input_blocks.{down}.0."
            yield f"down_blocks.{level}.attentions.{block}.", f"input_blocks.{down}.1."
        if level < levels - 1:
            down += 1
            yield f"down_blocks.{level}.downsamplers.0.conv.", f"input_blocks.{down}.0.op."
    for level in range(levels):
        attends = any(name.startswith(f"up_blocks.{level}.attentions.") for name in weights)
        for block in range(per_level + 1):
            yield f"up_blocks.{level}.resnets.{block}.", f"output_blocks.{up}.0."
            yield f"up_blocks.{level}.attentions.{block}.", f"output_blocks.{up}.1."
            up += 1
        yield f"up_blocks.{level}.upsamplers.0.conv.", f"output_blocks.{up - 1}.{1 + attends}.conv."


def vae_weights(vae: torch.nn.Module) -> Weights:
    """The VAE's weights under their original names."""
    levels = len(vae.config.block_out_channels)
    return {
        f"first_stage_model.{_vae_name(name, levels)}": weight[:, :, None, None]
        if ".attentions." in name and weight.ndim == 2
        else weight
        for name, weight in vae.state_dict().items()
    }


def _vae_name(name: str, levels: int) -> str:
    for new, old in (("conv_shortcut", "nin_shortcut"), ("conv_norm_out", "norm_out")):
        name = name.replace(new, old)
    match name.split("."):
        case [side, "mid_block", "resnets", number, *tail]:
            return ".".join([side, "mid", f"block_{int(number) + 1}", *tail])
        case [side, "mid_block", "attentions", _, part, *tail]:
            return ".".join([side, "mid.attn_1", _VAE_ATTENTION[part], tail[-1]])
        case [side, "down_blocks", level, "resnets", *tail]:
            return ".".join([side, "down", level, "block", *tail])
        case [side, "down_blocks", level, "downsamplers", _, *tail]:
            return ".".join([side, "down", level, "downsample", *tail])
        case [side, "up_blocks", level, "resnets", *tail]:
            return ".".join([side, "up", str(levels - 1 - int(level)), "block", *tail])
        case [side, "up_blocks", level, "upsamplers", _, *tail]:
            return ".".join([side, "up", str(levels - 1 - int(level)), "upsample", *tail])
    return name


def _clip(weights: Weights, prefix: str) -> Weights:
    return {prefix + name.removeprefix("text_model."): weight for name, weight in weights.items()}


def _open_clip(weights: Weights, prefix: str) -> Weights:
    """The second text encoder's weights, where queries, keys and values lie in one tensor."""
    renamed: Weights = {}
    joined: dict[str, list[torch.Tensor]] = {}
    for full_name, weight in weights.items():
        name = full_name.removeprefix("text_model.")
        match name.split("."):
            case ["text_projection", "weight"]:
                renamed[f"{prefix}text_projection"] = weight.T
            case ["encoder", "layers", layer, "self_attn", "q_proj" | "k_proj" | "v_proj" as third, kind]:
                thirds = joined.setdefault(
                    f"{prefix}transformer.resblocks.{layer}.attn.in_proj_{kind}", [weight] * 3
                )
                thirds["qkv".index(third[0])] = weight
            case ["encoder", "layers", layer, *rest, kind]:
                part = _OPEN_CLIP_LAYER[".".join(rest)]
                renamed[f"{prefix}transformer.resblocks.{layer}.{part}.{kind}"] = weight
            case _:
                renamed[prefix + _OPEN_CLIP_TOP[name]] = weight
    return renamed | {name: torch.cat(thirds) for name, thirds in joined.items()}
