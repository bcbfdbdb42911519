"""Models in one file: the configuration that such a file lacks, and parts that it may lack.

Without a configuration at hand diffusers would go to the Hub for one, even where it was told to stay off the
net; so one is found here first, and handed over.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from app.services.local_diffusers import hub, libraries
from app.services.local_diffusers.failures import ModelUnusableError
from app.services.local_diffusers.families import FACTS
from app.services.local_diffusers.local_models import LocalModel
from app.services.local_diffusers.model_folders import (
    INDEX,
    ModelFolder,
    UnusableFolderError,
    family_of,
    open_folder,
)
from app.services.local_diffusers.model_settings import LocalModelSettings

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline
    from torch.nn import Module

_NEEDED = "scheduler/scheduler_config.json"


def load_file(
    model: LocalModel, settings: LocalModelSettings, class_name: str, dtype: "torch.dtype"
) -> "DiffusionPipeline":
    """The pipeline of a model in one file, in main memory. Raises `ModelUnusableError`."""
    folder = configuration_for(model, settings)
    parts = {part: _part(part, model, folder, settings, dtype) for part in model.missing}
    pipeline_class = getattr(libraries.diffusers(), class_name)
    return pipeline_class.from_single_file(
        str(model.path), config=str(folder.path), dtype=dtype, local_files_only=True, **parts
    )


def configuration_for(model: LocalModel, settings: LocalModelSettings) -> ModelFolder:
    """The configuration of the model's pipeline: its own, its family's, or the Hub's where that is at hand.

    Raises `ModelUnusableError` that says what to put where.
    """
    of_family = settings.configs_dir / model.family
    reference = model.facts.reference
    for folder in (model.config_folder, of_family, hub.cached_folder(reference, settings.hub_cache)):
        if folder is not None and (folder / INDEX).is_file() and (folder / _NEEDED).is_file():
            return _fitting(folder, model)
    if settings.allow_downloads:
        return _fitting(hub.fetch_configuration(reference, settings.hub_cache), model)
    raise ModelUnusableError(
        f"{model.path.name} is a model in one file, and the configuration of {model.facts.title} is not on "
        f"this machine: copy the .json, .txt and .model files of {reference}, with their folders, into "
        f"{of_family} (a few megabytes, no weights), or set LOCAL_ALLOW_DOWNLOADS=true to have them fetched."
    )


def _fitting(path: Path, model: LocalModel) -> ModelFolder:
    try:
        folder = open_folder(path)
        family = family_of(folder)
    except UnusableFolderError as exc:
        raise ModelUnusableError(f"The configuration in {path} {exc}.") from exc
    if FACTS[family].line is not model.facts.line:
        raise ModelUnusableError(
            f"The configuration in {path} is one of {FACTS[family].title}, and {model.path.name} is a model "
            f"of {model.facts.line}; put the files of {model.facts.reference} there."
        )
    return folder


def _part(
    name: str, model: LocalModel, folder: ModelFolder, settings: LocalModelSettings, dtype: "torch.dtype"
) -> "Module | None":
    """A part that is not in the model's file, from the weights beside the configuration."""
    reference = model.facts.reference
    if not _has_weights(folder, name) and name in model.facts.dispensable:
        return None
    if not _has_weights(folder, name) and settings.allow_downloads:
        folder = open_folder(hub.fetch_configuration(reference, settings.hub_cache, [name]))
    if not _has_weights(folder, name):
        raise ModelUnusableError(
            f"{model.path.name} holds no {name}: copy the folder {name}/ of {reference} with its "
            f".safetensors files to {folder.path / name}, or set LOCAL_ALLOW_DOWNLOADS=true to have them "
            "fetched."
        )
    part = folder.parts[name]
    package = libraries.transformers() if part.package == "transformers" else libraries.diffusers()
    return getattr(package, part.class_name).from_pretrained(
        str(folder.path / name),
        dtype=dtype,
        variant=next(iter(part.weights)) if None not in part.weights else None,
        local_files_only=True,
        use_safetensors=True,
    )


def _has_weights(folder: ModelFolder, name: str) -> bool:
    return name in folder.parts and bool(folder.parts[name].weights)
