"""The Hugging Face Hub: what of it is on this machine, and fetching from it where that is allowed.

Every function blocks. The packages come with the extra `local` and are imported when first needed.
"""

from collections.abc import Callable, Collection
from pathlib import Path

from app.errors import AppError, ProviderUnavailableError
from app.services.local_diffusers import libraries
from app.services.local_diffusers.failures import LocalExtraMissingError, ModelUnusableError
from app.services.local_diffusers.model_folders import INDEX

# What configures a pipeline, its vocabularies included: everything but weights and pictures.
_CONFIGURATION = ("*.json", "*.txt", "*.model")


def name_of(identifier: str) -> str:
    """The name under which a model of the Hub is used here: the last part of its id."""
    return identifier.rpartition("/")[2]


def cached_folder(identifier: str, cache: Path | None) -> Path | None:
    """The folder with what is on this machine of a repository that holds a pipeline; goes nowhere."""
    try:
        hub = libraries.huggingface_hub()
    except LocalExtraMissingError:
        return None
    index = hub.try_to_load_from_cache(identifier, INDEX, cache_dir=cache)
    return Path(index).parent if isinstance(index, str) else None


def fetch_pipeline(identifier: str, cache: Path | None, variant: str | None) -> Path:
    """The folder of a repository with all that its pipeline needs, fetched where it is not there yet.

    Raises `ModelUnusableError` and `ProviderUnavailableError`.
    """
    diffusers, client = libraries.diffusers(), libraries.huggingface_hub()

    def download(wanted: str | None) -> Path:
        return Path(
            diffusers.DiffusionPipeline.download(
                identifier, cache_dir=cache, variant=wanted, use_safetensors=True
            )
        )

    def preferring_the_variant() -> Path:
        client.model_info(identifier)  # Says plainly what is wrong, which the other only hints at.
        if variant is not None:
            try:
                return download(variant)
            except ValueError:
                pass  # The repository has no such files.
        return download(None)

    return _fetched(identifier, preferring_the_variant)


def fetch_configuration(identifier: str, cache: Path | None, parts: Collection[str] = ()) -> Path:
    """The folder of a repository with its configuration and the weights of these parts.

    Raises `ModelUnusableError` and `ProviderUnavailableError`.
    """
    hub = libraries.huggingface_hub()
    patterns = [*_CONFIGURATION, *(f"{part}/*.safetensors" for part in parts)]
    return _fetched(
        identifier, lambda: Path(hub.snapshot_download(identifier, cache_dir=cache, allow_patterns=patterns))
    )


def _fetched(identifier: str, fetch: Callable[[], Path]) -> Path:
    errors = libraries.huggingface_hub().errors
    try:
        return fetch()
    except errors.GatedRepoError as exc:
        failure: AppError = ModelUnusableError(
            f"{identifier} is given only to those who have accepted its licence: accept it on its page on "
            "the Hub, and set HF_TOKEN to a token of that account."
        )
        raise failure from exc
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError, ValueError) as exc:
        failure = ModelUnusableError(f"The Hub has no pipeline {identifier}, or not for HF_TOKEN's account.")
        raise failure from exc
    except Exception as exc:
        # What may happen on the way is listed nowhere: connections break, disks are full, answers are odd.
        failure = ProviderUnavailableError(
            f"{identifier} could not be fetched from the Hub ({type(exc).__name__}); try again later, or put "
            "its files into LOCAL_MODELS_DIR."
        )
        raise failure from exc
