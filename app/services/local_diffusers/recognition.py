"""Which family the tensors of a file belong to, told from their names and shapes.

The names are those of the original checkpoints and of diffusers' own files; both are in circulation.
"""

from collections.abc import Iterable, Mapping

from app.services.local_diffusers.families import FACTS, Family
from app.services.local_diffusers.lora_files import is_lora
from app.services.local_diffusers.tensor_files import Tensor

Tensors = Mapping[str, Tensor]

# How whole models, and some that hold the network alone, write its names.
_WHOLE = "model.diffusion_model."
_INPAINTING_CHANNELS = 9
_LATENT_CHANNELS = 4
_FILL_CHANNELS = 384
_FLUX_CHANNELS = 64
_SD2_CONTEXT = 1024
# The tables of positions of SD3 Medium and SD3.5 Medium have 192 and 384 places to a side.
_SD35_MEDIUM_POSITIONS = 384**2

# Models that have something of a known family about them and need other code: what a name says of them.
_FOREIGN = {
    "edm_mean": "Playground v2.5",
    "distilled_guidance_layer.in_proj.bias": "Chroma",
    f"{_WHOLE}distilled_guidance_layer.in_proj.bias": "Chroma",
    "single_stream_modulation.lin.weight": "FLUX.2",
    f"{_WHOLE}single_stream_modulation.lin.weight": "FLUX.2",
}
_QUANTISED = (".quant_state.", ".scale_weight", ".weight_scale", "scaled_fp8", ".absmax")


class UnknownModelError(Exception):
    """The file holds no model that can be run here; the message is the end of a sentence about it."""


def recognise(tensors: Tensors) -> Family:
    """The family of the model. Raises `UnknownModelError`."""
    if is_lora(tensors):
        raise UnknownModelError(
            "is a LoRA and no model; put it into LOCAL_LORAS_DIR and name it with a model"
        )
    if any(mark in name for name in tensors for mark in _QUANTISED):
        raise UnknownModelError("holds quantised weights; take the same model in float16 or bfloat16")
    for name, title in _FOREIGN.items():
        if name in tensors:
            raise UnknownModelError(f"is a model of the family {title}, which is not run here")
    for told in (_original_unet, _diffusers_unet, _flux, _diffusers_flux, _sd3, _diffusers_sd3):
        family = told(tensors)
        if family is not None:
            return family
    raise UnknownModelError(_what_else(tensors))


def missing_parts(tensors: Tensors, family: Family) -> tuple[str, ...]:
    """The parts that a model of that family needs and that are not in the file, as diffusers calls them."""
    return tuple(
        part
        for part, prefixes in FACTS[family].parts.items()
        if not any(name.startswith(prefixes) for name in tensors)
    )


def _original_unet(tensors: Tensors) -> Family | None:
    first = tensors.get(f"{_WHOLE}input_blocks.0.0.weight")
    if first is None:
        return None
    return _unet(
        first,
        tensors,
        has_size_embedding=f"{_WHOLE}label_emb.0.0.weight" in tensors,
        has_four_levels=_any_starts(tensors, f"{_WHOLE}output_blocks.11."),
    )


def _diffusers_unet(tensors: Tensors) -> Family | None:
    first = tensors.get("conv_in.weight")
    if first is None or "time_embedding.linear_1.weight" not in tensors:
        return None
    if _any_starts(tensors, "controlnet_") or not _any_starts(tensors, "up_blocks."):
        return None
    return _unet(
        first,
        tensors,
        has_size_embedding="add_embedding.linear_1.weight" in tensors,
        has_four_levels=_any_starts(tensors, "up_blocks.3."),
    )


def _unet(first: Tensor, tensors: Tensors, *, has_size_embedding: bool, has_four_levels: bool) -> Family:
    channels = first.shape[1] if len(first.shape) == 4 else 0
    if channels not in (_LATENT_CHANNELS, _INPAINTING_CHANNELS):
        raise UnknownModelError(
            f"has a UNet with {channels} input channels; {_LATENT_CHANNELS}, and {_INPAINTING_CHANNELS} for "
            "inpainting, are run here"
        )
    inpaints = channels == _INPAINTING_CHANNELS
    is_sd2 = _context(tensors) == _SD2_CONTEXT
    match has_size_embedding, has_four_levels:
        case True, False:
            return Family.SDXL_INPAINT if inpaints else Family.SDXL
        case True, True:
            if is_sd2 or inpaints:
                raise UnknownModelError("is a variant of Stable Diffusion (unCLIP) that is not run here")
            return Family.SDXL_REFINER
        case _:
            if is_sd2:
                return Family.SD2_INPAINT if inpaints else Family.SD2
            return Family.SD1_INPAINT if inpaints else Family.SD1


def _context(tensors: Tensors) -> int | None:
    """How wide the text is that the UNet reads."""
    return next(
        (tensor.shape[-1] for name, tensor in tensors.items() if name.endswith("attn2.to_k.weight")), None
    )


def _flux(tensors: Tensors) -> Family | None:
    for prefix in (_WHOLE, ""):
        if f"{prefix}double_blocks.0.img_attn.norm.key_norm.scale" in tensors:
            return _flux_by(
                tensors.get(f"{prefix}img_in.weight"),
                is_guided=_any_starts(tensors, f"{prefix}guidance_in."),
            )
    return None


def _diffusers_flux(tensors: Tensors) -> Family | None:
    if not _any_starts(tensors, "single_transformer_blocks.0.", "x_embedder."):
        return None
    return _flux_by(
        tensors.get("x_embedder.weight"), is_guided=_any_starts(tensors, "time_text_embed.guidance_embedder.")
    )


def _flux_by(first: Tensor | None, *, is_guided: bool) -> Family:
    channels = first.shape[-1] if first is not None else 0
    if channels == _FILL_CHANNELS:
        return Family.FLUX_FILL
    if channels > _FLUX_CHANNELS:
        raise UnknownModelError(
            f"is a FLUX.1 model with {channels} input channels (depth, canny, redux), which is not run here"
        )
    return Family.FLUX_DEV if is_guided else Family.FLUX_SCHNELL


def _sd3(tensors: Tensors) -> Family | None:
    for prefix in (_WHOLE, ""):
        if f"{prefix}joint_blocks.0.context_block.adaLN_modulation.1.bias" in tensors:
            return _sd3_by(
                tensors.get(f"{prefix}pos_embed"), is_large=_any_starts(tensors, f"{prefix}joint_blocks.37.")
            )
    return None


def _diffusers_sd3(tensors: Tensors) -> Family | None:
    if not _any_starts(tensors, "transformer_blocks.0.norm1_context.", "context_embedder."):
        return None
    return _sd3_by(
        tensors.get("pos_embed.pos_embed"), is_large=_any_starts(tensors, "transformer_blocks.37.")
    )


def _sd3_by(positions: Tensor | None, *, is_large: bool) -> Family:
    if is_large:
        return Family.SD35_LARGE
    is_medium = positions is not None and _SD35_MEDIUM_POSITIONS in positions.shape
    return Family.SD35_MEDIUM if is_medium else Family.SD3


def _what_else(tensors: Tensors) -> str:
    """What a file without a network that we know seems to be."""
    for prefixes, what in _OTHER_THINGS:
        if any(name.startswith(prefixes) for name in tensors):
            return f"holds {what} and no model"
    shown = ", ".join(repr(name[:60]) for name in list(tensors)[:3])
    return f"holds no model of a family that is known here; its first tensors are {shown}"


_OTHER_THINGS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("control_model.", "controlnet_", "input_hint_block."), "a ControlNet"),
    (("emb_params", "clip_g", "clip_l", "string_to_param"), "a textual inversion"),
    (
        ("input_blocks.", "middle_block."),
        "a UNet whose names lack the prefix 'model.diffusion_model.'",
    ),
    (("encoder.down", "decoder.up", "first_stage_model.", "quant_conv."), "a VAE"),
    (
        ("text_model.", "text_encoders.", "encoder.block.", "encoder.layers.", "cond_stage_model."),
        "a text encoder",
    ),
)


def _any_starts(tensors: Iterable[str], *prefixes: str) -> bool:
    """Whether there is a tensor for each of the prefixes."""
    return all(any(name.startswith(prefix) for name in tensors) for prefix in prefixes)
