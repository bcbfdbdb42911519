"""Pipelines of every line with their real geometry, tiny widths and random weights.

Two things matter for files with all of Stable Diffusion XL: diffusers tells its text encoders apart by their
widths, and takes it for XL only where the second one has ten layers.
"""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PNDMScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, T5Config, T5EncoderModel

from tests.local.tiny_tokenizers import clip_tokenizer, t5_tokenizer

_NARROW, _WIDE, _PROJECTION, _TIME = 16, 32, 24, 8
_NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def tiny_sdxl(scratch: Path) -> StableDiffusionXLPipeline:
    """Stable Diffusion XL with a million numbers, for pictures of 64 pixels."""
    torch.manual_seed(0)
    first = clip_tokenizer(scratch / "tokenizer")
    second = clip_tokenizer(scratch / "tokenizer_2", pad="!")
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32, 32),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 2),
        attention_head_dim=(2, 4, 4),
        cross_attention_dim=_NARROW + _WIDE,
        norm_num_groups=8,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=_TIME,
        projection_class_embeddings_input_dim=6 * _TIME + _PROJECTION,
    )
    return _quiet(
        StableDiffusionXLPipeline(
            vae=_vae(scaling_factor=0.13025),
            text_encoder=CLIPTextModel(_clip(first, _NARROW, projection_dim=_NARROW)).eval(),
            text_encoder_2=CLIPTextModelWithProjection(
                _clip(second, _WIDE, projection_dim=_PROJECTION, num_hidden_layers=10, hidden_act="gelu")
            ).eval(),
            tokenizer=first,
            tokenizer_2=second,
            unet=unet.eval(),
            scheduler=EulerDiscreteScheduler(**_NOISE, timestep_spacing="leading"),
        )
    )


def tiny_sd15(scratch: Path) -> StableDiffusionPipeline:
    """Stable Diffusion 1.5 for pictures of 64 pixels, without its filter."""
    torch.manual_seed(1)
    tokenizer = clip_tokenizer(scratch / "tokenizer")
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 16, 32, 32),
        cross_attention_dim=_NARROW,
        norm_num_groups=8,
        attention_head_dim=2,
    )
    return _quiet(
        StableDiffusionPipeline(
            vae=_vae(),
            text_encoder=CLIPTextModel(_clip(tokenizer, _NARROW)).eval(),
            tokenizer=tokenizer,
            unet=unet.eval(),
            scheduler=PNDMScheduler(**_NOISE, skip_prk_steps=True),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


def tiny_sd3(scratch: Path) -> StableDiffusion3Pipeline:
    """Stable Diffusion 3 with one block."""
    torch.manual_seed(2)
    tokenizer, tokenizer_3 = clip_tokenizer(scratch / "tokenizer"), t5_tokenizer()
    transformer = SD3Transformer2DModel(
        sample_size=32,
        patch_size=1,
        in_channels=16,
        out_channels=16,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=32,
        pooled_projection_dim=2 * _WIDE,
    )
    return _quiet(
        StableDiffusion3Pipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(),
            vae=_flow_vae(latent_channels=16),
            transformer=transformer.eval(),
            text_encoder=CLIPTextModelWithProjection(_clip(tokenizer, _WIDE, projection_dim=_WIDE)).eval(),
            tokenizer=tokenizer,
            text_encoder_2=CLIPTextModelWithProjection(_clip(tokenizer, _WIDE, projection_dim=_WIDE)).eval(),
            tokenizer_2=tokenizer,
            text_encoder_3=_t5(tokenizer_3),
            tokenizer_3=tokenizer_3,
        )
    )


def tiny_flux(scratch: Path, *, guided: bool = True) -> FluxPipeline:
    """FLUX.1 with one block of each kind: dev, or schnell where it is not guided."""
    torch.manual_seed(3)
    tokenizer, tokenizer_2 = clip_tokenizer(scratch / "tokenizer"), t5_tokenizer()
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=_WIDE,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=guided,
    )
    return _quiet(
        FluxPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(),
            vae=_flow_vae(latent_channels=1),
            text_encoder=CLIPTextModel(_clip(tokenizer, _WIDE)).eval(),
            tokenizer=tokenizer,
            text_encoder_2=_t5(tokenizer_2),
            tokenizer_2=tokenizer_2,
            transformer=transformer.eval(),
        )
    )


def _clip(tokenizer: Any, width: int, **changes: Any) -> CLIPTextConfig:
    return CLIPTextConfig(
        **{
            "vocab_size": len(tokenizer),
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 77,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            **changes,
        }
    )


def _t5(tokenizer: Any) -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=32,
            d_kv=8,
            d_ff=37,
            num_layers=2,
            num_heads=4,
            relative_attention_num_buckets=8,
            feed_forward_proj="gated-gelu",
            is_encoder_decoder=False,
            use_cache=False,
        )
    ).eval()


def _vae(**changes: Any) -> AutoencoderKL:
    return AutoencoderKL(
        latent_channels=4,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        sample_size=64,
        **changes,
    ).eval()


def _flow_vae(*, latent_channels: int) -> AutoencoderKL:
    return AutoencoderKL(
        sample_size=32,
        block_out_channels=(4,),
        layers_per_block=1,
        latent_channels=latent_channels,
        norm_num_groups=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.0609,
        scaling_factor=1.5035,
    ).eval()


def _quiet(pipeline: DiffusionPipeline) -> Any:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
