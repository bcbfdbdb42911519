"""The packages of the extra `local`, imported when first needed: they take seconds and 400 MB.

Call these only from threads that may block. Each raises `LocalExtraMissingError`. What they return has no
type here: most machines that check types do not have the packages.
"""

import os
import warnings
from typing import Any

from app.services.local_diffusers.failures import LocalExtraMissingError

# Read when the packages are imported. Nobody is told what is used here; the tokenizers' threads would make a
# process that forks afterwards wait for ever; and the warnings are of packages that nobody needs, or they
# quote prompts.
_ENVIRONMENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
}


def torch() -> Any:
    """PyTorch."""
    try:
        import torch
    except ImportError as exc:
        raise LocalExtraMissingError(exc) from exc
    return torch


def huggingface_hub() -> Any:
    """The client of the Hub, without telemetry."""
    _set_up()
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as exc:
        raise LocalExtraMissingError(exc) from exc
    return huggingface_hub


def transformers() -> Any:
    """The text encoders, which draw no progress bars on our log."""
    _set_up()
    try:
        import transformers
    except ImportError as exc:
        raise LocalExtraMissingError(exc) from exc
    transformers.utils.logging.disable_progress_bar()
    return transformers


def diffusers() -> Any:
    """The pipelines, as quiet as the text encoders that they are made with."""
    _set_up()
    try:
        import diffusers
        import peft  # noqa: F401 - diffusers finds out by itself; without it LoRA files would fail late.
    except ImportError as exc:
        raise LocalExtraMissingError(exc) from exc
    diffusers.utils.logging.disable_progress_bar()
    transformers()
    # peft wonders whether it is meant that a model has several LoRAs, and that one of them is taken out.
    for wonder in ("Already found a `peft_config`", "Adapter .* was active which is now deleted"):
        warnings.filterwarnings("ignore", wonder, UserWarning)
    return diffusers


def _set_up() -> None:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
