"""The schedulers: the one that a model was trained for, and others by name; a new one for each use.

A scheduler counts its steps and keeps what it has seen, so that two runs must never share one.
"""

import inspect
from typing import TYPE_CHECKING

from app.models import JsonValue
from app.services.local_diffusers import libraries
from app.services.local_diffusers.local_models import LocalModel
from app.services.local_diffusers.model_settings import Sampler

if TYPE_CHECKING:
    from diffusers import SchedulerMixin

_CLASSES: dict[Sampler, tuple[str, dict[str, JsonValue]]] = {
    Sampler.EULER: ("EulerDiscreteScheduler", {}),
    Sampler.EULER_ANCESTRAL: ("EulerAncestralDiscreteScheduler", {}),
    Sampler.DDIM: ("DDIMScheduler", {}),
    Sampler.DPM_PLUS_PLUS: (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True},
    ),
    Sampler.UNIPC: ("UniPCMultistepScheduler", {}),
    Sampler.LCM: ("LCMScheduler", {}),
    Sampler.HEUN: ("HeunDiscreteScheduler", {}),
}


def trained_scheduler(configured: "SchedulerMixin", model: LocalModel) -> "SchedulerMixin":
    """The scheduler that fits how the model was trained, from the one that its configuration names."""
    changes: dict[str, JsonValue] = {}
    if model.prediction_type is not None:
        changes["prediction_type"] = model.prediction_type.value
    if model.zero_snr:
        changes |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    elif model.turbo and not model.facts.is_flow:
        changes["timestep_spacing"] = "trailing"
    kind = type(configured)
    if model.zero_snr and "rescale_betas_zero_snr" not in inspect.signature(kind).parameters:
        kind = libraries.diffusers().EulerDiscreteScheduler
    return kind.from_config(configured.config, **changes)


def new_scheduler(trained: "SchedulerMixin", sampler: Sampler | None) -> "SchedulerMixin":
    """A scheduler for one run: the named one, trained like `trained`, or with None another of its kind."""
    if sampler is None:
        return type(trained).from_config(trained.config)
    name, changes = _CLASSES[sampler]
    return getattr(libraries.diffusers(), name).from_config(trained.config, **changes)
