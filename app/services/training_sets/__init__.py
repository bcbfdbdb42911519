"""Training pictures: uploaded, checked, zipped, kept under their content's hash."""

from app.services.training_sets.service import TrainingSet, TrainingSets, Upload

__all__ = ["TrainingSet", "TrainingSets", "Upload"]
