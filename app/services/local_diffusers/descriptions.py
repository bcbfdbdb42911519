"""What is known of a model before it is loaded: read from its files, guessed, or said in the settings."""

from dataclasses import dataclass
from pathlib import Path

from app.services.local_diffusers.families import FACTS, Family, Line, PredictionType
from app.services.local_diffusers.hints import Hints, hints_of
from app.services.local_diffusers.local_models import Defaults, LocalModel, Source
from app.services.local_diffusers.model_folders import (
    ModelFolder,
    count_numbers,
    family_of,
    variant_to_load,
)
from app.services.local_diffusers.model_settings import ModelConfig
from app.services.local_diffusers.recognition import missing_parts, recognise
from app.services.local_diffusers.tensor_files import TensorFile

# The models that are called turbo were distilled at this side from models that paint larger pictures.
_TURBO_SIDE = 512


@dataclass(frozen=True, slots=True)
class _Training:
    """How a model was trained, and what the operator should know about how that was found out."""

    turbo: bool
    prediction_type: PredictionType | None
    zero_snr: bool
    notes: tuple[str, ...]


def model_in_file(
    path: Path, file: TensorFile, *, config: ModelConfig, config_folder: ModelFolder | None
) -> LocalModel:
    """The model in one file. Raises `UnknownModelError`."""
    family = config.family or recognise(file.tensors)
    hints = hints_of(path.stem, file.tensors, file.metadata)
    training = _training(family, config, hints, has_own_scheduler=config_folder is not None)
    return LocalModel(
        name=path.stem,
        family=family,
        source=Source.FILE,
        path=path,
        numbers=file.numbers,
        defaults=_defaults(family, config, training, config_folder),
        turbo=training.turbo,
        prediction_type=training.prediction_type,
        zero_snr=training.zero_snr,
        missing=missing_parts(file.tensors, family),
        config_folder=config_folder.path if config_folder else None,
        notes=training.notes,
    )


def model_in_folder(
    folder: ModelFolder, *, name: str, source: Source, config: ModelConfig, preferred_variant: str | None
) -> LocalModel:
    """The model in a folder. Raises `UnusableFolderError`."""
    family = config.family or family_of(folder)
    training = _training(family, config, hints_of(name), has_own_scheduler=True)
    variant = variant_to_load(folder, preferred_variant)
    return LocalModel(
        name=name,
        family=family,
        source=source,
        path=folder.path,
        numbers=count_numbers(folder, variant),
        defaults=_defaults(family, config, training, folder),
        turbo=training.turbo,
        prediction_type=training.prediction_type,
        zero_snr=training.zero_snr,
        variant=variant,
        notes=training.notes,
    )


def _training(family: Family, config: ModelConfig, hints: Hints, *, has_own_scheduler: bool) -> _Training:
    """What the settings say, else what the files hint at; a scheduler of the model's own needs no hints."""
    notes = []
    prediction_type = config.prediction_type
    if FACTS[family].is_flow:
        if prediction_type is not None:
            notes.append(f"Its prediction_type in LOCAL_MODEL_CONFIGS is not used: {family} has but one.")
        prediction_type = None
    elif prediction_type is None and hints.prediction_type is not None and not has_own_scheduler:
        prediction_type = hints.prediction_type
        notes.append(
            f"That it was trained for {prediction_type} is told from {hints.prediction_from}; "
            "prediction_type in LOCAL_MODEL_CONFIGS can say otherwise."
        )
    if config.turbo is None and hints.turbo:
        notes.append("That it is a turbo model is told from its name; LOCAL_MODEL_CONFIGS can say otherwise.")
    zero_snr = config.zero_snr
    if zero_snr is None:
        zero_snr = hints.zero_snr or FACTS[family].line is Line.SDXL
    return _Training(
        turbo=hints.turbo if config.turbo is None else config.turbo,
        prediction_type=prediction_type,
        zero_snr=zero_snr and prediction_type is PredictionType.V_PREDICTION,
        notes=tuple(notes),
    )


def _defaults(
    family: Family, config: ModelConfig, training: _Training, folder: ModelFolder | None
) -> Defaults:
    facts = FACTS[family]
    side = facts.side
    if folder is not None and folder.side is not None:
        side = folder.side
    elif training.turbo and not facts.is_flow:
        side = _TURBO_SIDE
    steps, guidance = (facts.turbo_steps, 0.0) if training.turbo else (facts.steps, facts.guidance)
    return Defaults(
        width=side if config.width is None else config.width,
        height=side if config.height is None else config.height,
        steps=steps if config.num_inference_steps is None else config.num_inference_steps,
        guidance=guidance if config.guidance_scale is None else config.guidance_scale,
        sampler=None if facts.is_flow else config.scheduler,
        loras=config.loras,
    )
