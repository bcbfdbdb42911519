"""Models that were trained otherwise: v-prediction, and turbo."""

import pytest
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline

from app.services.local_diffusers.families import Family, PredictionType
from app.services.local_diffusers.model_settings import ModelConfig
from tests.local.disk import Disk, batch, difference, everywhere, painted_by_diffusers
from tests.local.original_layout import Weights, sd15_weights, sdxl_weights

V_PREDICTION = {
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}


@pytest.fixture
def weights(sdxl: StableDiffusionXLPipeline) -> Weights:
    """Stable Diffusion XL as it lies in one file."""
    return sdxl_weights(sdxl)


@pytest.fixture
def v_sdxl(sdxl: StableDiffusionXLPipeline) -> StableDiffusionXLPipeline:
    """The same weights, taken for a model with v-prediction, in diffusers' own way."""
    scheduler = EulerDiscreteScheduler.from_config(sdxl.scheduler.config, **V_PREDICTION)
    pipeline = StableDiffusionXLPipeline(**{**sdxl.components, "scheduler": scheduler})
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@everywhere
def test_v_prediction_is_used_where_the_settings_say_so(
    disk: Disk, sdxl: StableDiffusionXLPipeline, v_sdxl: StableDiffusionXLPipeline, weights: Weights
) -> None:
    disk.put_configuration(sdxl, Family.SDXL)
    disk.put_file("painter", weights)
    disk.configure("painter", ModelConfig(prediction_type=PredictionType.V_PREDICTION))

    painted = disk.load("painter").paint(batch())

    expected = painted_by_diffusers(v_sdxl, batch(), guidance_rescale=0.7)
    assert difference(painted, expected) <= disk.tolerance
    assert difference(painted, painted_by_diffusers(sdxl, batch())) > 10


def test_v_prediction_is_told_from_the_metadata(
    disk: Disk, sdxl: StableDiffusionXLPipeline, v_sdxl: StableDiffusionXLPipeline, weights: Weights
) -> None:
    disk.put_configuration(sdxl, Family.SDXL)
    disk.put_file("painter", weights, {"modelspec.prediction_type": "v"})

    painted = disk.load("painter").paint(batch())

    assert difference(painted, painted_by_diffusers(v_sdxl, batch(), guidance_rescale=0.7)) == 0


def test_a_configuration_of_its_own_is_right_about_v_prediction(
    disk: Disk, v_sdxl: StableDiffusionXLPipeline, weights: Weights
) -> None:
    disk.put_configuration(v_sdxl, disk.models / "painter")
    disk.put_file("painter", weights)

    loaded = disk.load("painter")

    assert loaded._pipeline.scheduler.config.prediction_type == "v_prediction"
    expected = painted_by_diffusers(v_sdxl, batch(), guidance_rescale=0.7)
    assert difference(loaded.paint(batch()), expected) == 0


def test_the_settings_are_right_in_any_case(
    disk: Disk, sdxl: StableDiffusionXLPipeline, weights: Weights
) -> None:
    disk.put_configuration(sdxl, Family.SDXL)
    disk.put_file("painter", weights, {"modelspec.prediction_type": "v"})
    disk.configure("painter", ModelConfig(prediction_type=PredictionType.EPSILON))

    assert difference(disk.load("painter").paint(batch()), painted_by_diffusers(sdxl, batch())) == 0


def test_a_scheduler_that_cannot_reach_pure_noise_is_replaced(
    disk: Disk, sd15: StableDiffusionPipeline
) -> None:
    disk.put_configuration(sd15, Family.SD1)
    disk.put_file("painter", sd15_weights(sd15))
    disk.configure("painter", ModelConfig(prediction_type=PredictionType.V_PREDICTION, zero_snr=True))

    scheduler = disk.load("painter")._pipeline.scheduler

    assert isinstance(scheduler, EulerDiscreteScheduler)
    assert {name: scheduler.config[name] for name in V_PREDICTION} == V_PREDICTION


def test_v_prediction_without_pure_noise_keeps_the_scheduler(
    disk: Disk, sd15: StableDiffusionPipeline
) -> None:
    disk.put_folder("painter", sd15)
    disk.configure("painter", ModelConfig(prediction_type=PredictionType.V_PREDICTION))

    scheduler = disk.load("painter")._pipeline.scheduler

    assert type(scheduler) is type(sd15.scheduler)
    assert scheduler.config.prediction_type == "v_prediction"


@everywhere
def test_a_turbo_model_paints_in_one_step_without_guidance(
    disk: Disk, sdxl: StableDiffusionXLPipeline, weights: Weights
) -> None:
    disk.put_configuration(sdxl, Family.SDXL)
    disk.put_file("sdxl_turbo", weights)
    scheduler = EulerDiscreteScheduler.from_config(sdxl.scheduler.config, timestep_spacing="trailing")
    reference = StableDiffusionXLPipeline(**{**sdxl.components, "scheduler": scheduler})

    loaded = disk.load("sdxl_turbo")

    defaults = loaded.model.defaults
    assert (defaults.steps, defaults.guidance, defaults.width) == (1, 0.0, 512)
    wanted = batch(steps=defaults.steps, guidance=defaults.guidance)
    assert difference(loaded.paint(wanted), painted_by_diffusers(reference, wanted)) <= disk.tolerance
