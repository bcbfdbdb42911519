"""One request shape onto every model's own input schema."""

from app.services.model_inputs.dreambooth import in_todays_words
from app.services.model_inputs.fitting import IMAGES_INPUT, Fitted, fit_generation, fit_training
from app.services.model_inputs.schema import InputSchema

__all__ = ["IMAGES_INPUT", "Fitted", "InputSchema", "fit_generation", "fit_training", "in_todays_words"]
