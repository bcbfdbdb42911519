"""LoRAs: used, mixed, switched off, and refused where they do not fit."""

from dataclasses import replace

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from PIL.Image import Image

from app.errors import InvalidRequestError
from app.services.local_diffusers.families import Line
from app.services.local_diffusers.model_settings import LoraUse
from app.services.local_diffusers.paint_batches import chosen_loras
from app.services.local_diffusers.pipelines import LoadedModel
from tests.local.disk import Disk, batch, difference, everywhere
from tests.local.original_layout import Weights
from tests.local.tiny_loras import kohya_named, text_encoder_lora, trained_lora
from tests.local.tiny_pipelines import tiny_sdxl


class Studio:
    """A loaded model, and the LoRAs of its disk."""

    def __init__(self, disk: Disk, loaded: LoadedModel) -> None:
        self.disk = disk
        self.loaded = loaded

    def paint(self, **weights: float) -> list[Image]:
        """The same pictures, always, with LoRAs by name."""
        uses = tuple(LoraUse(name, weight) for name, weight in weights.items())
        chosen = chosen_loras(uses, self.disk.shelf().loras, self.loaded.model)
        return self.loaded.paint(replace(batch("a red house", "a dog"), loras=chosen))


@pytest.fixture(scope="session")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """A LoRA that was trained with peft."""
    return trained_lora(tiny_sdxl(tmp_path_factory.mktemp("trained")))


@pytest.fixture
def studio(disk: Disk, sdxl: StableDiffusionXLPipeline, lora: Weights) -> Studio:
    """A model with one LoRA under the names of two worlds, and with another one for its text encoder."""
    disk.put_folder("painter", sdxl)
    disk.put_lora("trained", lora)
    disk.put_lora("kohya.v1", kohya_named(lora))
    disk.put_lora("words", text_encoder_lora(sdxl))
    return Studio(disk, disk.load("painter"))


@everywhere
def test_a_lora_changes_pictures_as_long_as_it_is_asked_for(studio: Studio) -> None:
    plain = studio.paint()

    changed = studio.paint(trained=1)

    assert difference(changed, plain) > 10
    assert difference(studio.paint(), plain) <= 1
    assert difference(studio.paint(trained=0), plain) <= 1
    assert difference(studio.paint(trained=1), changed) <= 1


@everywhere
def test_the_weight_says_how_much(studio: Studio) -> None:
    plain = studio.paint()

    half, whole = studio.paint(trained=0.5), studio.paint(trained=1)

    assert difference(half, plain) > 0
    assert difference(half, whole) > 0


def test_names_of_kohya_mean_the_same(studio: Studio) -> None:
    assert difference(studio.paint(trained=1), studio.paint(**{"kohya.v1": 1})) <= 1


def test_two_halves_make_a_whole(studio: Studio) -> None:
    assert difference(studio.paint(trained=0.5, **{"kohya.v1": 0.5}), studio.paint(trained=1)) <= 1


def test_a_lora_of_another_part_leaves_nothing_behind(studio: Studio) -> None:
    alone = studio.paint(trained=1)
    words = studio.paint(words=1)

    assert difference(words, studio.paint()) > 0
    assert difference(studio.paint(trained=1), alone) <= 1
    assert difference(studio.paint(trained=1, words=1), alone) > 0


def test_a_file_is_read_once_until_it_is_replaced(studio: Studio, lora: Weights) -> None:
    studio.paint(trained=1)
    whole = studio.loaded.weight_bytes
    studio.paint(trained=0.7)
    assert studio.loaded.weight_bytes == whole
    before = studio.paint(trained=1)

    turned = {name: -weight if ".up." in name else weight for name, weight in lora.items()}
    studio.disk.put_lora("trained", turned)

    assert difference(studio.paint(trained=1), before) > 0


def test_only_those_last_used_are_kept(studio: Studio, lora: Weights) -> None:
    names = [f"copy_{number}" for number in range(10)]
    for name in names:
        studio.disk.put_lora(name, lora)
    expected = studio.paint(copy_0=1)
    studio.paint(**dict.fromkeys(names[1:9], 0.1))
    whole = studio.loaded.weight_bytes

    studio.paint(copy_9=1)

    assert studio.loaded.weight_bytes == whole
    assert difference(studio.paint(copy_0=1), expected) <= 1


def test_loras_are_told_by_what_they_fit(studio: Studio) -> None:
    lines = {name: file.line for name, file in studio.disk.shelf().loras.items()}

    assert lines == {"kohya.v1": Line.SDXL, "trained": Line.SDXL, "words": None}


def test_an_unknown_lora_is_refused(studio: Studio) -> None:
    with pytest.raises(
        InvalidRequestError, match=r"'other' is no LoRA in LOCAL_LORAS_DIR; there is: kohya\.v1, "
    ):
        studio.paint(other=1)


def test_a_lora_for_another_line_is_refused(studio: Studio) -> None:
    layer = "transformer.single_transformer_blocks.0.attn.to_q"
    studio.disk.put_lora(
        "of_flux", {f"{layer}.lora_A.weight": torch.zeros(4, 8), f"{layer}.lora_B.weight": torch.zeros(8, 4)}
    )

    with pytest.raises(
        InvalidRequestError, match=r"'of_flux' is for FLUX\.1, and 'painter' is a model of Stable"
    ):
        studio.paint(of_flux=1)


@pytest.mark.parametrize(
    "layer",
    [
        "unet.mid_block.attentions.0.transformer_blocks.1.attn1.to_q",
        "unet.mid_block.nowhere",
        "somewhere.else",
    ],
)
def test_a_lora_that_does_not_fit_is_refused_and_harms_nothing(studio: Studio, layer: str) -> None:
    plain, changed = studio.paint(), studio.paint(trained=1)
    studio.disk.put_lora(
        "unfit", {f"{layer}.lora_A.weight": torch.ones(4, 7), f"{layer}.lora_B.weight": torch.ones(7, 4)}
    )

    for _ in range(2):
        with pytest.raises(InvalidRequestError, match=r"'unfit' .*; take another LoRA"):
            studio.paint(unfit=1)

    assert difference(studio.paint(trained=1), changed) <= 1
    assert difference(studio.paint(), plain) <= 1
