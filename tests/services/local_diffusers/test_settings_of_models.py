"""`LOCAL_MODEL_CONFIGS`, as it is read from JSON."""

import pytest
from pydantic import TypeAdapter, ValidationError

from app.services.local_diffusers.families import Family, PredictionType
from app.services.local_diffusers.model_settings import LoraUse, ModelConfig, Sampler

CONFIGS = TypeAdapter(dict[str, ModelConfig])


def test_everything_that_can_be_said_of_a_model_is_read() -> None:
    read = CONFIGS.validate_json(
        """{"painter": {"family": "sdxl", "prediction_type": "v_prediction", "zero_snr": false, "turbo": true,
        "guidance_scale": 2, "num_inference_steps": 8, "width": 768, "height": 512, "scheduler": "dpm++",
        "loras": [{"name": "style", "weight": 0.5}, {"name": "other"}]}, "plain": {}}"""
    )

    assert read == {
        "plain": ModelConfig(),
        "painter": ModelConfig(
            family=Family.SDXL,
            prediction_type=PredictionType.V_PREDICTION,
            zero_snr=False,
            turbo=True,
            guidance_scale=2,
            num_inference_steps=8,
            width=768,
            height=512,
            scheduler=Sampler.DPM_PLUS_PLUS,
            loras=(LoraUse("style", 0.5), LoraUse("other", 1.0)),
        ),
    }


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ('{"predictiontype": "v_prediction"}', "predictiontype"),
        ('{"prediction_type": "v"}', "prediction_type"),
        ('{"guidance_scale": -1}', "guidance_scale"),
        ('{"num_inference_steps": 0}', "num_inference_steps"),
        ('{"width": 500}', "width"),
        ('{"loras": [{"weight": 1}]}', "name"),
        ('{"loras": [{"name": "style", "weight": 11}]}', "weight"),
    ],
)
def test_what_makes_no_sense_is_refused(said: str, field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CONFIGS.validate_json(f'{{"painter": {said}}}')

    assert [error["loc"][-1] for error in caught.value.errors()] == [field]
