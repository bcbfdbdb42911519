"""Families, told from names and shapes of tensors."""

import pytest

from app.services.local_diffusers.families import Family, Line
from app.services.local_diffusers.lora_files import fitting_line, is_lora
from app.services.local_diffusers.recognition import UnknownModelError, missing_parts, recognise
from app.services.local_diffusers.tensor_files import Tensor
from tests.services.local_diffusers.headers import LORA, WHOLE, WHOLE_FILES, Shapes


def tensors(shapes: Shapes) -> dict[str, Tensor]:
    """As they are read from a header."""
    return {name: Tensor("F16", shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("family", Family)
def test_every_family_is_known_by_its_original_names(family: Family) -> None:
    assert recognise(tensors(WHOLE_FILES[family])) is family


@pytest.mark.parametrize("family", [Family.SD3, Family.SD35_LARGE, Family.FLUX_DEV, Family.FLUX_FILL])
def test_transformers_are_known_without_their_prefix(family: Family) -> None:
    bare = {name.removeprefix(WHOLE): shape for name, shape in WHOLE_FILES[family].items()}

    assert recognise(tensors(bare)) is family


@pytest.mark.parametrize(
    ("shapes", "family"),
    [
        (
            {
                "conv_in.weight": (320, 4, 3, 3),
                "time_embedding.linear_1.weight": (1280, 320),
                "add_embedding.linear_1.weight": (1280, 2816),
                "up_blocks.2.resnets.0.norm1.weight": (960,),
            },
            Family.SDXL,
        ),
        (
            {
                "conv_in.weight": (320, 9, 3, 3),
                "time_embedding.linear_1.weight": (1280, 320),
                "up_blocks.3.resnets.0.norm1.weight": (960,),
                "up_blocks.3.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 1024),
            },
            Family.SD2_INPAINT,
        ),
        (
            {
                "single_transformer_blocks.0.norm.linear.weight": (9216, 3072),
                "x_embedder.weight": (3072, 64),
                "time_text_embed.guidance_embedder.linear_1.weight": (3072, 256),
            },
            Family.FLUX_DEV,
        ),
        (
            {
                "transformer_blocks.0.norm1_context.linear.weight": (9216, 1536),
                "context_embedder.weight": (1536, 4096),
                "pos_embed.pos_embed": (1, 147456, 1536),
            },
            Family.SD35_MEDIUM,
        ),
    ],
)
def test_networks_are_known_by_the_names_of_diffusers(shapes: Shapes, family: Family) -> None:
    assert recognise(tensors(shapes)) is family


@pytest.mark.parametrize(
    ("shapes", "complaint"),
    [
        (LORA, "is a LoRA and no model; put it into LOCAL_LORAS_DIR"),
        ({**WHOLE_FILES[Family.SDXL], "edm_mean": (4,)}, r"of the family Playground v2\.5"),
        ({f"{WHOLE}single_stream_modulation.lin.weight": (1, 1)}, r"of the family FLUX\.2"),
        ({f"{WHOLE}input_blocks.0.0.weight": (320, 8, 3, 3)}, "a UNet with 8 input channels; 4, and 9"),
        ({f"{WHOLE}double_blocks.0.img_attn.qkv.weight.absmax": (1,)}, "holds quantised weights"),
        ({"control_model.time_embed.0.weight": (1, 1)}, "holds a ControlNet and no model"),
        ({"emb_params": (4, 768)}, "holds a textual inversion"),
        ({"encoder.down.0.block.0.norm1.weight": (128,)}, "holds a VAE"),
        ({"text_model.encoder.layers.0.mlp.fc1.bias": (3072,)}, "holds a text encoder"),
        ({"input_blocks.0.0.weight": (320, 4, 3, 3)}, "names lack the prefix 'model.diffusion_model.'"),
        (
            {"linear.weight": (2, 2)},
            "no model of a family that is known here; its first tensors are 'linear.w",
        ),
    ],
)
def test_what_is_no_model_is_called_by_its_name(shapes: Shapes, complaint: str) -> None:
    with pytest.raises(UnknownModelError, match=complaint):
        recognise(tensors(shapes))


def test_parts_that_are_not_in_a_file_are_named() -> None:
    unet = {name: shape for name, shape in WHOLE_FILES[Family.SDXL].items() if name.startswith(WHOLE)}

    assert missing_parts(tensors(WHOLE_FILES[Family.SDXL]), Family.SDXL) == ()
    assert missing_parts(tensors(unet), Family.SDXL) == ("vae", "text_encoder", "text_encoder_2")
    assert missing_parts(tensors(WHOLE_FILES[Family.SDXL_REFINER]), Family.SDXL_REFINER) == ()


@pytest.mark.parametrize(
    ("layer", "width", "line"),
    [
        ("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 768, Line.SD1),
        ("unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k", 768, Line.SD1),
        ("lora_unet_up_blocks_3_attentions_0_transformer_blocks_0_attn2_to_k", 1024, Line.SD2),
        ("lora_unet_output_blocks_11_1_transformer_blocks_0_attn2_to_k", 768, Line.SD1),
        ("lora_unet_down_blocks_2_attentions_0_transformer_blocks_9_attn2_to_k", 2048, Line.SDXL),
        ("unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k", 2048, Line.SDXL),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", 1280, Line.SDXL),
        ("lora_unet_double_blocks_0_img_attn_qkv", 3072, Line.FLUX),
        ("transformer.single_transformer_blocks.0.attn.to_q", 3072, Line.FLUX),
        ("transformer.transformer_blocks.0.attn.to_q", 3072, Line.FLUX),
        ("transformer.transformer_blocks.0.attn.to_q", 1536, Line.SD3),
        ("transformer.transformer_blocks.0.attn.to_q", 64, None),
        ("lora_unet_joint_blocks_0_context_block_attn_qkv", 1536, Line.SD3),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1", 768, None),
    ],
)
def test_loras_are_told_by_the_layers_that_they_change(layer: str, width: int, line: Line | None) -> None:
    down, up = ("lora_down", "lora_up") if layer.startswith("lora_") else ("lora_A", "lora_B")
    read = tensors({f"{layer}.{down}.weight": (4, width), f"{layer}.{up}.weight": (width, 4)})

    assert is_lora(read)
    assert fitting_line(read) is line
