"""The look at the disk: which models and LoRAs there are, told from headers, and what is refused and why."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from app.services.local_diffusers import hub
from app.services.local_diffusers.descriptions import model_in_file, model_in_folder
from app.services.local_diffusers.local_models import LocalModel, ModelShelf, Refused, Source
from app.services.local_diffusers.lora_files import LoraFile, fitting_line, is_lora
from app.services.local_diffusers.model_folders import INDEX, UnusableFolderError, open_folder
from app.services.local_diffusers.model_settings import LocalModelSettings, ModelConfig
from app.services.local_diffusers.paint_batches import lora_fault
from app.services.local_diffusers.recognition import UnknownModelError
from app.services.local_diffusers.tensor_files import SUFFIX, UnreadableTensorFileError, read_tensor_file

CONFIG_SUFFIX = ".config"

_PICKLES = frozenset({".ckpt", ".pt", ".pth", ".bin", ".pkl"})
_OTHER_FORMATS = {".gguf": "GGUF", ".onnx": "ONNX", ".sft": "safetensors under another name"}
_PIECE = re.compile(r"-\d{5}-of-\d{5}$")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)

_UNUSABLE = (UnreadableTensorFileError, UnknownModelError, UnusableFolderError)


def take_stock(settings: LocalModelSettings) -> ModelShelf:
    """What can be used now. Blocks, and reads nothing but headers; goes nowhere but to the disk.

    A file that cannot be used is refused by name, and the others are taken.
    """
    refused: list[Refused] = []
    loras = {lora.name: lora for lora in _loras(settings.loras_dir, refused)}
    models: dict[str, LocalModel] = {}
    for model in _models(settings, refused):
        taken = models.setdefault(model.name, model)
        if taken is not model:
            refused.append(
                Refused(model.path.name, f"{model.path.name} has the name of {taken.path.name}; rename one.")
            )
    default, to_fetch = _default(settings, models, refused)
    refused += _superfluous_configs(settings, models)
    models = {name: _with_usable_loras(model, loras, refused) for name, model in models.items()}
    return ModelShelf(models, loras, tuple(refused), default, to_fetch)


def read_folder(path: Path, name: str, source: Source, settings: LocalModelSettings) -> LocalModel:
    """The model in a folder that diffusers wrote. Raises `UnusableFolderError`."""
    return model_in_folder(
        open_folder(path),
        name=name,
        source=source,
        config=settings.configs.get(name, ModelConfig()),
        preferred_variant=settings.variant,
    )


def _models(settings: LocalModelSettings, refused: list[Refused]) -> Iterator[LocalModel]:
    directory = settings.models_dir
    if directory is None:
        return
    for path in _entries(directory, refused, "LOCAL_MODELS_DIR"):
        try:
            if (path / INDEX).is_file() and not path.name.endswith(CONFIG_SUFFIX):
                beside = path.with_name(path.name + SUFFIX)
                if beside.exists() and not open_folder(path).is_model:
                    continue
                yield read_folder(path, path.name, Source.FOLDER, settings)
            elif path.suffix.lower() == SUFFIX and not path.is_dir():
                yield _in_file(path, settings)
            elif (complaint := _complaint(path)) is not None:
                refused.append(Refused(path.name, f"{path.name} {complaint}."))
        except _UNUSABLE as exc:
            refused.append(Refused(path.name, f"{path.name} {exc}."))


def _in_file(path: Path, settings: LocalModelSettings) -> LocalModel:
    if _PIECE.search(path.stem):
        raise UnknownModelError(
            "is one piece of a model in several files; such models are loaded from folders of diffusers"
        )
    candidates = (path.with_name(path.stem + CONFIG_SUFFIX), path.with_suffix(""))
    folder = next((folder for folder in candidates if (folder / INDEX).is_file()), None)
    return model_in_file(
        path,
        read_tensor_file(path),
        config=settings.configs.get(path.stem, ModelConfig()),
        config_folder=open_folder(folder) if folder is not None else None,
    )


def _loras(directory: Path, refused: list[Refused]) -> Iterator[LoraFile]:
    # The folder is usually a place inside that of the models which nobody has made yet.
    for path in _entries(directory, refused, "LOCAL_LORAS_DIR") if directory.exists() else ():
        if path.suffix.lower() != SUFFIX or path.is_dir():
            if path.suffix.lower() in _PICKLES:
                refused.append(Refused(path.name, f"{path.name} {_complaint(path)}."))
            continue
        try:
            tensors = read_tensor_file(path).tensors
        except UnreadableTensorFileError as exc:
            refused.append(Refused(path.name, f"{path.name} {exc}."))
            continue
        if is_lora(tensors):
            yield LoraFile(path.stem, path, fitting_line(tensors))
        else:
            refused.append(Refused(path.name, f"{path.name} lies among the LoRAs and is none."))


def _entries(directory: Path, refused: list[Refused], setting: str) -> list[Path]:
    try:
        return sorted(entry for entry in directory.iterdir() if not entry.name.startswith("."))
    except OSError as exc:
        refused.append(
            Refused(str(directory), f"{setting} {str(directory)!r} cannot be read: {exc.strerror}.")
        )
        return []


def _complaint(path: Path) -> str | None:
    """Why a file that people take for a model is none here, None for what nobody does."""
    suffix = path.suffix.lower()
    if path.is_dir():
        return None
    if suffix in _PICKLES:
        return (
            "is a pickle, which can run any code when it is read, and is never opened here; "
            "take a copy of the model in safetensors"
        )
    if suffix in _OTHER_FORMATS:
        return f"is in the format {_OTHER_FORMATS[suffix]}; only {SUFFIX} is read here"
    return None


def _default(
    settings: LocalModelSettings, models: dict[str, LocalModel], refused: list[Refused]
) -> tuple[str | None, str | None]:
    """The name of the default model, or the id on the Hub of one that has to be fetched first."""
    wanted = settings.default_model
    if wanted is None:
        return (next(iter(models)) if len(models) == 1 else None), None
    if "/" not in wanted:
        if wanted in models:
            return wanted, None
        known = ", ".join(models) or "no model at all"
        refused.append(
            Refused(
                wanted, f"DEFAULT_MODEL_IDENTIFIER is {wanted!r}, which is no model here; there is {known}."
            )
        )
        return None, None
    name = hub.name_of(wanted)
    reason = None
    if _HUB_ID.fullmatch(wanted) is None:
        reason = (
            f"DEFAULT_MODEL_IDENTIFIER is {wanted!r}; owner/name, or the name of a local model, is allowed."
        )
    elif name in models:
        reason = f"{wanted} has the name of {models[name].path.name} in LOCAL_MODELS_DIR; rename that."
    if reason is None:
        try:
            folder = hub.cached_folder(wanted, settings.hub_cache)
            if folder is not None:
                models[name] = read_folder(folder, name, Source.HUB, settings)
                return name, None
            reason = f"{wanted} is not on this machine; set LOCAL_ALLOW_DOWNLOADS=true to have it fetched."
        except UnusableFolderError as exc:
            reason = f"{wanted} {exc}."
        if settings.allow_downloads:
            return None, wanted
    refused.append(Refused(wanted, reason))
    return None, None


def _superfluous_configs(settings: LocalModelSettings, models: Mapping[str, LocalModel]) -> Iterator[Refused]:
    known = {*models, hub.name_of(settings.default_model or "")}
    for name in settings.configs.keys() - known:
        yield Refused(name, f"LOCAL_MODEL_CONFIGS speaks of {name!r}, which is no model here.")


def _with_usable_loras(
    model: LocalModel, loras: Mapping[str, LoraFile], refused: list[Refused]
) -> LocalModel:
    """The model, painting by default only with those of the LoRAs in its settings that can go with it."""
    usable = []
    for use in model.defaults.loras:
        fault = lora_fault(use.name, loras, model)
        if fault is None:
            usable.append(use)
        else:
            refused.append(Refused(use.name, f"LOCAL_MODEL_CONFIGS gives {model.name!r} a LoRA: {fault}"))
    return replace(model, defaults=replace(model.defaults, loras=tuple(usable)))
