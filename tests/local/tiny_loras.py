"""Small LoRAs for the tiny models, trained for a moment or made of random numbers."""

import torch
from diffusers import StableDiffusionXLPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict

from tests.local.original_layout import Weights

ALPHA = 4.0


def trained_lora(pipeline: StableDiffusionXLPipeline) -> Weights:
    """A LoRA for the UNet after a few steps of training, in diffusers' names. Changes the pipeline."""
    unet = pipeline.unet.requires_grad_(False).train()
    unet.add_adapter(
        LoraConfig(
            r=4,
            lora_alpha=4,
            init_lora_weights="gaussian",
            target_modules=["to_k", "to_q", "to_v", "to_out.0"],
        )
    )
    optimizer = torch.optim.AdamW([weight for weight in unet.parameters() if weight.requires_grad], lr=1e-2)
    randomness = torch.Generator().manual_seed(0)
    noise = torch.randn((2, 4, 8, 8), generator=randomness)
    text = torch.randn((2, 77, unet.config.cross_attention_dim), generator=randomness)
    sizes = torch.tensor([[64, 64, 0, 0, 64, 64]] * 2)
    pooled = torch.randn((2, 24), generator=randomness)
    for _ in range(5):
        guessed = unet(
            noise,
            500,
            encoder_hidden_states=text,
            added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes},
        ).sample
        torch.nn.functional.mse_loss(guessed, noise.flip(-1)).backward()
        optimizer.step()
        optimizer.zero_grad()
    named = convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))
    return {f"unet.{name}": weight for name, weight in named.items()}


def kohya_named(lora: Weights) -> Weights:
    """The same LoRA with the names that kohya's scripts and web interfaces use."""
    renamed: Weights = {}
    for name, weight in lora.items():
        layer, half = name.removeprefix("unet.").removesuffix(".weight").rsplit(".lora", 1)
        down = half in ("_A", ".down")
        prefix = f"lora_unet_{layer.replace('.', '_')}"
        renamed[f"{prefix}.lora_{'down' if down else 'up'}.weight"] = weight
        renamed[f"{prefix}.alpha"] = torch.tensor(ALPHA)
    return renamed


def text_encoder_lora(pipeline: StableDiffusionXLPipeline) -> Weights:
    """A LoRA for the first text encoder alone, of random numbers."""
    randomness = torch.Generator().manual_seed(1)
    width = pipeline.text_encoder.config.hidden_size
    return {
        f"text_encoder.text_model.encoder.layers.{layer}.self_attn.{part}.lora_{half}.weight": torch.randn(
            (4, width) if half == "A" else (width, 4), generator=randomness
        )
        for layer in range(2)
        for part in ("q_proj", "v_proj")
        for half in ("A", "B")
    }
