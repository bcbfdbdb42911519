"""What we tell from headers is what diffusers tells, where diffusers can tell it."""

from pathlib import Path

import pytest
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.loaders.single_file_utils import DIFFUSERS_DEFAULT_PIPELINE_PATHS, infer_diffusers_model_type

from app.services.local_diffusers.families import FACTS, Family
from app.services.local_diffusers.recognition import recognise
from app.services.local_diffusers.tensor_files import read_tensor_file
from tests.local.original_layout import Weights, save_weights, sd15_weights, sdxl_weights
from tests.services.local_diffusers.headers import WHOLE_FILES, write_header

THEIR_NAMES = {
    Family.SD1: "v1",
    Family.SD1_INPAINT: "inpainting",
    Family.SD2: "v2",
    Family.SD2_INPAINT: "inpainting_v2",
    Family.SDXL: "xl_base",
    Family.SDXL_REFINER: "xl_refiner",
    Family.SDXL_INPAINT: "xl_inpaint",
    Family.SD3: "sd3",
    Family.SD35_MEDIUM: "sd35_medium",
    Family.SD35_LARGE: "sd35_large",
    Family.FLUX_DEV: "flux-dev",
    Family.FLUX_SCHNELL: "flux-schnell",
    Family.FLUX_FILL: "flux-fill",
}


@pytest.mark.parametrize("family", Family)
def test_the_telling_tensors_tell_diffusers_the_same(tmp_path: Path, family: Family) -> None:
    header = read_tensor_file(write_header(tmp_path / "model.safetensors", WHOLE_FILES[family]))

    assert infer_diffusers_model_type(header.tensors) == THEIR_NAMES[family]
    assert recognise(header.tensors) is family


@pytest.mark.parametrize("family", Family)
def test_the_configuration_is_looked_for_where_diffusers_would_go(family: Family) -> None:
    expected = DIFFUSERS_DEFAULT_PIPELINE_PATHS[THEIR_NAMES[family]]["pretrained_model_name_or_path"]

    assert FACTS[family].reference == expected


def test_so_do_whole_models(
    tmp_path: Path, sdxl: StableDiffusionXLPipeline, sd15: StableDiffusionPipeline
) -> None:
    def told(weights: Weights) -> tuple[Family, str]:
        tensors = read_tensor_file(save_weights(weights, tmp_path / "model.safetensors")).tensors
        return recognise(tensors), infer_diffusers_model_type(tensors)

    assert told(sdxl_weights(sdxl)) == (Family.SDXL, "xl_base")
    assert told(sd15_weights(sd15)) == (Family.SD1, "v1")


@pytest.mark.parametrize("family", Family)
def test_every_pipeline_that_is_named_exists(family: Family) -> None:
    import diffusers

    for name in FACTS[family].pipelines.values():
        assert issubclass(getattr(diffusers, name), diffusers.DiffusionPipeline)
