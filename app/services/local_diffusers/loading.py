"""From the description of a model to one that paints."""

from typing import TYPE_CHECKING

from app.errors import AppError
from app.services.local_diffusers import hub, libraries
from app.services.local_diffusers.devices import Device, choose_device, place
from app.services.local_diffusers.failures import ModelUnusableError, OutOfMemoryError
from app.services.local_diffusers.families import Line
from app.services.local_diffusers.local_models import LocalModel, Source
from app.services.local_diffusers.memory_faults import is_out_of_memory
from app.services.local_diffusers.model_files import read_folder
from app.services.local_diffusers.model_folders import UnusableFolderError
from app.services.local_diffusers.model_settings import LocalModelSettings
from app.services.local_diffusers.pipelines import LoadedModel
from app.services.local_diffusers.schedulers import trained_scheduler
from app.services.local_diffusers.single_files import load_file

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline


def load_model(model: LocalModel, settings: LocalModelSettings) -> LoadedModel:
    """Load the model and bring it to its device. Blocks, for seconds to minutes.

    Raises `ModelUnusableError`, `OutOfMemoryError`, `LocalExtraMissingError`, and `ProviderUnavailableError`
    where something had to be fetched and could not be.
    """
    device = choose_device(settings.device, settings.precision)
    shortage = ""
    try:
        pipeline = _pipeline(model, settings, device)
        pipeline.scheduler = trained_scheduler(pipeline.scheduler, model)
        # Pictures are decoded one after another: together they would need more memory than all the steps.
        pipeline.vae.enable_slicing()
        offload = place(pipeline, device, settings.offload)
    except AppError:
        raise
    except Exception as exc:
        # diffusers, transformers and safetensors have no common list of what loading may raise.
        if not is_out_of_memory(exc):
            raise ModelUnusableError(
                f"{model.name!r} cannot be loaded as a model of {model.facts.title}: {_first_line(exc)}"
            ) from exc
        shortage = _first_line(exc)
    if shortage:
        # Outside of the handler: the exception keeps alive what was loaded so far.
        device.free_unused()
        raise OutOfMemoryError(
            f"{model.name!r} needs about {model.weight_bytes(device.precision) / 2**30:.1f} GiB and does not "
            f"fit into the memory of the device {device.kind!r}: {shortage}"
        )
    return LoadedModel(model, pipeline, device=device, offload=offload)


def fetch_model(identifier: str, settings: LocalModelSettings) -> LocalModel:
    """Fetch a model from the Hub, which may take an hour; what is there already is not fetched again.

    Raises `ModelUnusableError` and `ProviderUnavailableError`.
    """
    folder = hub.fetch_pipeline(identifier, settings.hub_cache, settings.variant)
    try:
        return read_folder(folder, hub.name_of(identifier), Source.HUB, settings)
    except UnusableFolderError as exc:
        raise ModelUnusableError(f"{identifier} {exc}.") from exc


def _pipeline(model: LocalModel, settings: LocalModelSettings, device: Device) -> "DiffusionPipeline":
    class_name = next(iter(model.facts.pipelines.values()))
    if model.source is Source.FILE:
        return load_file(model, settings, class_name, device.dtype)
    # What looks at finished pictures and blackens them belongs to the first two generations alone.
    unfiltered = (
        {"safety_checker": None, "requires_safety_checker": False, "feature_extractor": None}
        if model.facts.line in (Line.SD1, Line.SD2)
        else {}
    )
    return getattr(libraries.diffusers(), class_name).from_pretrained(
        str(model.path),
        dtype=device.dtype,
        variant=model.variant,
        use_safetensors=True,
        local_files_only=True,
        **unfiltered,
    )


def _first_line(exc: BaseException) -> str:
    return next(iter(str(exc).splitlines()), type(exc).__name__)[:300]
