"""Training pictures: given, checked, rebuilt, kept under their content's hash, uploaded once."""

from app.services.training_sets.datasets import Checked, Datasets, with_more_refused, with_refused_options
from app.services.training_sets.provider_uploads import ProviderUploads
from app.services.training_sets.service import TrainingSet, TrainingSets, Upload

__all__ = [
    "Checked",
    "Datasets",
    "ProviderUploads",
    "TrainingSet",
    "TrainingSets",
    "Upload",
    "with_more_refused",
    "with_refused_options",
]
