"""What a model cannot paint is refused before anything is painted."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from app.errors import InvalidRequestError
from app.services.local_diffusers.families import Family, Line
from app.services.local_diffusers.local_models import Defaults, LocalModel, Source
from app.services.local_diffusers.lora_files import LoraFile
from app.services.local_diffusers.model_settings import LoraUse, Sampler
from app.services.local_diffusers.paint_batches import (
    ChosenLora,
    PaintBatch,
    PaintItem,
    StartingPicture,
    check_batch,
    chosen_loras,
)

PICTURE = Image.new("RGB", (8, 8))
BATCH = PaintBatch((PaintItem("a cat", seed=1),), width=512, height=512, steps=20, guidance=7.5)


def model(family: Family) -> LocalModel:
    """A model of the family, of which nothing but the description is there."""
    return LocalModel(
        "painter", family, Source.FILE, Path("painter.safetensors"), 1, Defaults(512, 512, 20, 7.5)
    )


@pytest.mark.parametrize("family", [Family.SD1, Family.SDXL])
def test_what_can_be_painted_passes(family: Family) -> None:
    check_batch(BATCH, model(family))
    check_batch(replace(BATCH, sampler=Sampler.DDIM), model(family))
    check_batch(replace(BATCH, start=StartingPicture(PICTURE, 0.5, mask=PICTURE)), model(family))


@pytest.mark.parametrize(
    ("family", "batch", "complaint"),
    [
        (Family.SDXL, replace(BATCH, width=500), "width: 500 is not possible; multiples of 8 up to 4096"),
        (Family.FLUX_DEV, replace(BATCH, height=520), "height: 520 is not possible; multiples of 16 up to"),
        (Family.SDXL, replace(BATCH, width=0), "width: 0 is not possible"),
        (Family.SDXL, replace(BATCH, height=8192), "height: 8192 is not possible"),
        (Family.SDXL, replace(BATCH, steps=0), "num_inference_steps: 0 is not possible; 1 to 1000"),
        (Family.SDXL, replace(BATCH, guidance=-1), "guidance_scale: -1 is not possible; 0 to 100"),
        (Family.SDXL, replace(BATCH, guidance=float("nan")), "guidance_scale: nan is not possible"),
        (Family.SD3, replace(BATCH, sampler=Sampler.LCM), "scheduler: 'lcm' is not possible with 'painter'"),
        (
            Family.SDXL_INPAINT,
            BATCH,
            "model: 'painter' is Stable Diffusion XL for inpainting and cannot do text to image; inpainting ",
        ),
        (
            Family.SDXL_REFINER,
            replace(BATCH, start=StartingPicture(PICTURE, 0.5, mask=PICTURE)),
            "cannot do inpainting; image to image can be done with it",
        ),
        (
            Family.SDXL,
            replace(BATCH, start=StartingPicture(PICTURE, 1.5)),
            "strength: 1.5 is not possible; more than 0, and up to 1, is allowed",
        ),
        (
            Family.SDXL,
            replace(BATCH, steps=2, start=StartingPicture(PICTURE, 0.4)),
            "strength: 0.4 of 2 steps leaves no step to take; 0.5 and more is allowed",
        ),
    ],
)
def test_what_cannot_is_refused_in_a_sentence(family: Family, batch: PaintBatch, complaint: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        check_batch(batch, model(family))

    assert complaint in caught.value.detail


def test_loras_are_chosen_by_name() -> None:
    style = LoraFile("style", Path("style.safetensors"), Line.SDXL)
    vague = LoraFile("vague", Path("vague.safetensors"), None)
    known = {lora.name: lora for lora in (style, vague)}

    chosen = chosen_loras((LoraUse("style", 0.5), LoraUse("vague")), known, model(Family.SDXL))

    assert chosen == (ChosenLora(style, 0.5), ChosenLora(vague, 1.0))


@pytest.mark.parametrize(
    ("uses", "complaint"),
    [
        ((LoraUse("other"),), "loras: 'other' is no LoRA in LOCAL_LORAS_DIR; there is: style."),
        ((LoraUse("style"), LoraUse("style", 2)), "loras: 'style' is named twice."),
    ],
)
def test_loras_that_cannot_be_used_are_refused(uses: tuple[LoraUse, ...], complaint: str) -> None:
    known = {"style": LoraFile("style", Path("style.safetensors"), Line.SDXL)}

    with pytest.raises(InvalidRequestError) as caught:
        chosen_loras(uses, known, model(Family.SDXL))

    assert caught.value.detail == complaint
