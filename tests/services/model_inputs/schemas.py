"""The inputs of real models, field by field, and how versions write them down."""

from collections.abc import Callable, Mapping

from app.models import JsonValue
from app.services.model_inputs import Fitted
from app.services.model_inputs.schema import InputSchema

Fields = Mapping[str, Mapping[str, JsonValue]]
Document = Callable[..., dict[str, JsonValue]]
SchemaOf = Callable[..., InputSchema]
Fit = Callable[..., Fitted]

RATIOS = ["1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21"]
PRO_RATIOS = ["custom", "1:1", "16:9", "3:2", "2:3", "4:5", "5:4", "9:16", "3:4", "4:3"]
OPTIMIZERS = ["prodigy", "adam8bit", "adamw8bit", "lion8bit", "adam", "adamw", "lion", "adagrad", "adafactor"]

PROMPT: dict[str, JsonValue] = {"type": "string"}
ADDRESS: dict[str, JsonValue] = {"type": "string", "format": "uri", "nullable": True}
TEXT: dict[str, JsonValue] = {"type": "string", "nullable": True}
SECRET: dict[str, JsonValue] = {
    "type": "string",
    "format": "password",
    "writeOnly": True,
    "x-cog-secret": True,
}
SEED: dict[str, JsonValue] = {"type": "integer", "nullable": True}
FLAG: dict[str, JsonValue] = {"type": "boolean", "default": False}
COUNT: dict[str, JsonValue] = {"type": "integer", "default": 1, "minimum": 1, "maximum": 4}
SIDE: dict[str, JsonValue] = {"type": "integer", "minimum": 256, "maximum": 1440, "nullable": True}
QUALITY: dict[str, JsonValue] = {"type": "integer", "default": 80, "minimum": 0, "maximum": 100}
UNIT: dict[str, JsonValue] = {"type": "number", "default": 0.8, "minimum": 0, "maximum": 1}
SCALE: dict[str, JsonValue] = {"type": "number", "default": 1, "minimum": -1, "maximum": 3}
GUIDANCE: dict[str, JsonValue] = {"type": "number", "default": 3, "minimum": 0, "maximum": 10}
STEPS: dict[str, JsonValue] = {"type": "integer", "default": 28, "minimum": 1, "maximum": 50}
FORMATS: dict[str, JsonValue] = {"enum": ["webp", "jpg", "png"], "default": "webp"}
MEGAPIXELS: dict[str, JsonValue] = {"enum": ["1", "0.25"], "default": "1"}

FLUX_SCHNELL: dict[str, dict[str, JsonValue]] = {
    "prompt": PROMPT,
    "aspect_ratio": {"enum": [*RATIOS], "default": "1:1"},
    "num_outputs": COUNT,
    "num_inference_steps": {**STEPS, "default": 4, "maximum": 4},
    "seed": SEED,
    "output_format": FORMATS,
    "output_quality": QUALITY,
    "disable_safety_checker": FLAG,
    "go_fast": {**FLAG, "default": True},
    "megapixels": MEGAPIXELS,
}
FLUX_DEV = {
    **FLUX_SCHNELL,
    "image": ADDRESS,
    "prompt_strength": UNIT,
    "num_inference_steps": STEPS,
    "guidance": GUIDANCE,
}
FLUX_DEV_LORA = {
    **FLUX_DEV,
    "lora_weights": TEXT,
    "lora_scale": SCALE,
    "hf_api_token": SECRET,
}
FINE_TUNE: dict[str, dict[str, JsonValue]] = {
    **{name: field for name, field in FLUX_DEV.items() if name != "guidance"},
    "mask": ADDRESS,
    "aspect_ratio": {"enum": [*RATIOS, "custom"], "default": "1:1"},
    "width": {**SIDE, "description": "Will be rounded to nearest multiple of 16."},
    "height": {**SIDE, "description": "Will be rounded to nearest multiple of 16."},
    "model": {"enum": ["dev", "schnell"], "default": "dev"},
    "guidance_scale": GUIDANCE,
    "replicate_weights": TEXT,
    "lora_scale": SCALE,
    "extra_lora": TEXT,
    "extra_lora_scale": SCALE,
}
FLUX_PRO: dict[str, dict[str, JsonValue]] = {
    "prompt": PROMPT,
    "image_prompt": ADDRESS,
    "aspect_ratio": {"enum": [*PRO_RATIOS], "default": "1:1"},
    "width": {**SIDE, "description": "Must be a multiple of 32."},
    "height": {**SIDE, "description": "Must be a multiple of 32."},
    "safety_tolerance": {"type": "integer", "default": 2, "minimum": 1, "maximum": 6},
    "seed": SEED,
    "prompt_upsampling": FLAG,
    "output_format": FORMATS,
    "output_quality": QUALITY,
}
KONTEXT: dict[str, dict[str, JsonValue]] = {
    "prompt": PROMPT,
    "input_image": ADDRESS,
    "aspect_ratio": {"enum": ["match_input_image", *RATIOS, "2:1", "1:2"], "default": "match_input_image"},
    "seed": SEED,
    "output_format": {"enum": ["jpg", "png"], "default": "png"},
}
FLUX_2: dict[str, dict[str, JsonValue]] = {
    "prompt": PROMPT,
    "aspect_ratio": {"enum": ["match_input_image", *RATIOS], "default": "1:1"},
    "resolution": {"enum": ["match_input_image", "0.5 MP", "1 MP", "2 MP", "4 MP"], "default": "1 MP"},
    "input_images": {"type": "array", "items": {"type": "string", "format": "uri"}, "maxItems": 8},
}
SDXL: dict[str, dict[str, JsonValue]] = {
    "prompt": PROMPT,
    "width": {"type": "integer", "default": 1024},
    "height": {"type": "integer", "default": 1024},
    "guidance_scale": {"type": "number", "default": 7.5, "minimum": 1, "maximum": 50},
}
TRAINER: dict[str, dict[str, JsonValue]] = {
    "input_images": ADDRESS,
    "trigger_word": {"type": "string", "default": "TOK", "nullable": True},
    "autocaption": {**FLAG, "default": True},
    "autocaption_prefix": TEXT,
    "steps": {"type": "integer", "default": 1000, "minimum": 3, "maximum": 6000},
    "learning_rate": {"type": "number", "default": 0.0004},
    "batch_size": {"type": "integer", "default": 1},
    "resolution": {"type": "string", "default": "512,768,1024"},
    "lora_rank": {"type": "integer", "default": 16, "minimum": 1, "maximum": 128},
    "caption_dropout_rate": {**UNIT, "default": 0.05},
    "optimizer": {"enum": [*OPTIMIZERS], "default": "adamw8bit"},
    "layers_to_optimize_regex": TEXT,
    "hf_repo_id": TEXT,
    "hf_token": SECRET,
    "wandb_api_key": SECRET,
}
DREAMBOOTH: dict[str, dict[str, JsonValue]] = {
    "input_images": ADDRESS,
    "instance_prompt": {"type": "string"},
    "max_train_steps": {"type": "integer", "default": 2000},
    "resolution": {"type": "integer", "default": 512},
    "seed": SEED,
}
