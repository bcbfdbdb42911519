"""The inputs of the FLUX models, field by field."""

from app.sandbox.input_schema import Field, uri

RATIOS = ("1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21")

_PROMPT = Field("prompt", "string", "Prompt for generated image", required=True)
_LORA_PROMPT = Field(
    "prompt",
    "string",
    "Prompt for generated image. If you include the `trigger_word` used in the training process you are more"
    " likely to activate the trained object, style, or concept in the resulting image.",
    required=True,
)
_NUM_OUTPUTS = Field("num_outputs", "integer", "Number of outputs to generate", 1, 1, 4)
_SEED = Field("seed", "integer", "Random seed. Set for reproducible generation")
_FORMAT = Field(
    "output_format", "string", "Format of the output images", "webp", choices=("webp", "jpg", "png")
)
_QUALITY = Field(
    "output_quality",
    "integer",
    "Quality when saving the output images, from 0 to 100. 100 is best quality, 0 is lowest quality. Not"
    " relevant for .png outputs",
    80,
    0,
    100,
)
_NO_CHECKER = Field(
    "disable_safety_checker", "boolean", "Disable safety checker for generated images.", default=False
)
_MEGAPIXELS = Field(
    "megapixels", "string", "Approximate number of megapixels for generated image", "1", choices=("1", "0.25")
)
_RATIO = Field("aspect_ratio", "string", "Aspect ratio for the generated image", "1:1", choices=RATIOS)
_STRENGTH = Field(
    "prompt_strength",
    "number",
    "Prompt strength when using img2img. 1.0 corresponds to full destruction of information in image",
    0.8,
    0,
    1,
)
_IGNORED = "If provided, aspect_ratio, width, and height inputs are ignored."
_IMAGE = uri("image", "Input image for image to image mode. The aspect ratio of your output will match it")


def _steps(default: int, maximum: int) -> Field:
    description = "Number of denoising steps. More steps can give more detailed images, but take longer."
    return Field("num_inference_steps", "integer", description, default, 1, maximum)


def _go_fast(*, default: bool) -> Field:
    return Field("go_fast", "boolean", "Run faster predictions with a model quantized to fp8", default)


def _side(name: str, multiple: int) -> Field:
    description = (
        f"{name.title()} of generated image. Only works if `aspect_ratio` is set to custom. Will be rounded"
        f" to nearest multiple of {multiple}."
    )
    return Field(name, "integer", description, minimum=256, maximum=1440)


SCHNELL = (
    _PROMPT,
    _RATIO,
    _NUM_OUTPUTS,
    _steps(4, 4),
    _SEED,
    _FORMAT,
    _QUALITY,
    _NO_CHECKER,
    _go_fast(default=True),
    _MEGAPIXELS,
)

DEV = (
    _PROMPT,
    _RATIO,
    _IMAGE,
    _STRENGTH,
    _NUM_OUTPUTS,
    _steps(28, 50),
    Field("guidance", "number", "Guidance for generated image", 3, 0, 10),
    _SEED,
    _FORMAT,
    _QUALITY,
    _NO_CHECKER,
    _go_fast(default=True),
    _MEGAPIXELS,
)

LORA = (
    _LORA_PROMPT,
    uri("image", f"Input image for image to image or inpainting mode. {_IGNORED}"),
    uri("mask", f"Image mask for image inpainting mode. {_IGNORED}"),
    Field(
        "aspect_ratio",
        "string",
        "Aspect ratio for the generated image. If custom is selected, uses height and width below & will run"
        " in bf16 mode",
        "1:1",
        choices=(*RATIOS, "custom"),
    ),
    _side("height", 16),
    _side("width", 16),
    _STRENGTH,
    Field("model", "string", "Which model to run inference with.", "dev", choices=("dev", "schnell")),
    _NUM_OUTPUTS,
    _steps(28, 50),
    Field("guidance_scale", "number", "Guidance scale for the diffusion process.", 3, 0, 10),
    _SEED,
    _FORMAT,
    _QUALITY,
    _NO_CHECKER,
    _go_fast(default=False),
    _MEGAPIXELS,
    Field("replicate_weights", "string", "Load LoRA weights. Filled by the version itself."),
    Field("lora_scale", "number", "Determines how strongly the main LoRA should be applied.", 1, -1, 3),
    Field(
        "extra_lora",
        "string",
        "Load LoRA weights. Supports Replicate models in the format <owner>/<username> or"
        " <owner>/<username>/<version>, HuggingFace URLs, CivitAI URLs, or arbitrary .safetensors URLs.",
    ),
    Field(
        "extra_lora_scale", "number", "Determines how strongly the extra LoRA should be applied.", 1, -1, 3
    ),
)

PRO = (
    _PROMPT,
    uri(
        "image_prompt",
        "Image to use with Flux Redux. This is used together with the text prompt to guide the generation"
        " towards the composition of the image_prompt.",
    ),
    Field(
        "aspect_ratio",
        "string",
        "Aspect ratio for the generated image",
        "1:1",
        choices=("custom", "1:1", "16:9", "3:2", "2:3", "4:5", "5:4", "9:16", "3:4", "4:3"),
    ),
    _side("width", 32),
    _side("height", 32),
    Field(
        "safety_tolerance", "integer", "Safety tolerance, 1 is most strict and 6 is most permissive", 2, 1, 6
    ),
    _SEED,
    Field("prompt_upsampling", "boolean", "Modify the prompt for more creative generation", default=False),
    _FORMAT,
    _QUALITY,
)

KONTEXT = (
    Field(
        "prompt",
        "string",
        "Text description of what you want to generate, or the instruction on how to edit the given image.",
        required=True,
    ),
    uri("input_image", "Image to use as reference. Must be jpeg, png, gif, or webp."),
    Field(
        "aspect_ratio",
        "string",
        "Aspect ratio of the generated image. Use 'match_input_image' to match that of the input.",
        "match_input_image",
        choices=(
            "match_input_image",
            "1:1",
            "16:9",
            "9:16",
            "4:3",
            "3:4",
            "3:2",
            "2:3",
            "4:5",
            "5:4",
            "21:9",
            "9:21",
            "2:1",
            "1:2",
        ),
    ),
    Field("prompt_upsampling", "boolean", "Automatic prompt improvement", default=False),
    _SEED,
    Field("output_format", "string", "Output format for the generated image", "png", choices=("jpg", "png")),
    Field(
        "safety_tolerance",
        "integer",
        "Safety tolerance, 0 is most strict and 6 is most permissive. With input images at most 2.",
        2,
        0,
        6,
    ),
)
