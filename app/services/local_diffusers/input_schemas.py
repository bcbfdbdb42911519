"""What a local model takes, in the same form in which models elsewhere describe their inputs."""

from collections.abc import Mapping

from app.models import JsonValue
from app.services.local_diffusers.families import Task
from app.services.local_diffusers.local_models import LocalModel
from app.services.local_diffusers.picture_files import PictureFormat
from app.services.model_inputs import InputSchema

MOST_OUTPUTS = 4
HIGHEST_SEED = 2**32 - 1

# Beyond these no model here makes sense of a picture; one whose own size lies there is taken at its word.
_LEAST_SIDE = 64
_MOST_SIDE = 2048
_MOST_STEPS = 1000
_MOST_GUIDANCE = 100


def schema_of(model: LocalModel, *, name: str) -> InputSchema:
    """The inputs of the model, which sentences call `name`. Blocks; see `InputSchema.from_openapi`."""
    described: dict[str, JsonValue] = {"required": ["prompt"], "properties": {**_properties(model)}}
    return InputSchema.from_openapi({"components": {"schemas": {"Input": described}}}, model=name)


def defaults_of(model: LocalModel) -> dict[str, JsonValue]:
    """What a request gets that does not say otherwise, for those inputs where models differ."""
    defaults = model.defaults
    known: dict[str, JsonValue] = {
        "width": defaults.width,
        "height": defaults.height,
        "num_inference_steps": defaults.steps,
        "guidance_scale": defaults.guidance,
    }
    if defaults.sampler is not None:
        known["scheduler"] = defaults.sampler.value
    if defaults.loras:
        known["loras"] = [f"{lora.name}:{lora.weight:g}" for lora in defaults.loras]
    return known


def side_bounds(model: LocalModel) -> tuple[int, int]:
    """The least and the greatest width and height, in pixels."""
    own = (model.defaults.width, model.defaults.height)
    return min(_LEAST_SIDE, *own), max(_MOST_SIDE, *own)


def _properties(model: LocalModel) -> Mapping[str, JsonValue]:
    low, high = side_bounds(model)
    side: dict[str, JsonValue] = {
        "type": "integer",
        "minimum": low,
        "maximum": high,
        "multipleOf": model.facts.multiple,
    }
    properties: dict[str, JsonValue] = {
        "prompt": {"type": "string"},
        "width": side,
        "height": side,
        "num_inference_steps": {"type": "integer", "minimum": 1, "maximum": _MOST_STEPS},
        "guidance_scale": {"type": "number", "minimum": 0, "maximum": _MOST_GUIDANCE},
        "seed": {"type": "integer", "minimum": 0, "maximum": HIGHEST_SEED},
        "num_outputs": {"type": "integer", "minimum": 1, "maximum": MOST_OUTPUTS},
        "output_format": {"type": "string", "enum": [kind.value for kind in PictureFormat]},
        "loras": {"type": "array", "items": {"type": "string"}},
        "extra_lora": {"type": "string"},
        "lora_scale": {"type": "number", "minimum": -10, "maximum": 10},
    }
    if model.facts.takes_negative_prompts:
        properties["negative_prompt"] = {"type": "string"}
    if model.samplers:
        properties["scheduler"] = {"type": "string", "enum": [sampler.value for sampler in model.samplers]}
    if {Task.IMAGE_TO_IMAGE, Task.INPAINTING} & {*model.tasks}:
        properties["image"] = {"type": "string"}
        properties["strength"] = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    if Task.INPAINTING in model.tasks:
        properties["mask_image"] = {"type": "string"}
    return properties
