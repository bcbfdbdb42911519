"""The inputs of the FLUX trainers, field by field."""

from app.sandbox.input_schema import Field, uri

OPTIMIZERS = ("prodigy", "adam8bit", "adamw8bit", "lion8bit", "adam", "adamw", "lion", "adagrad", "adafactor")

_ZIP = (
    "A zip file containing the images that will be used for training. We recommend a minimum of 10 images. If"
    " you include captions, include them as one .txt file per image, e.g. my-photo.jpg should have a caption"
    " file named my-photo.txt."
)
_TRIGGER = "The trigger word refers to the object, style or concept you are training on."

FLUX_DEV_LORA = (
    uri("input_images", _ZIP),
    Field("trigger_word", "string", _TRIGGER, "TOK"),
    Field("autocaption", "boolean", "Automatically caption images using Llava v1.5 13B", default=True),
    Field(
        "autocaption_prefix", "string", "Text you want to appear at the beginning of all generated captions"
    ),
    Field("autocaption_suffix", "string", "Text you want to appear at the end of all generated captions"),
    Field("steps", "integer", "Number of training steps. Recommended range 500-4000", 1000, 3, 6000),
    Field(
        "learning_rate",
        "number",
        "Learning rate, if you're new to training you probably don't need to change this.",
        0.0004,
    ),
    Field("batch_size", "integer", "Batch size, you can leave this as 1", 1),
    Field("resolution", "string", "Image resolutions for training", "512,768,1024"),
    Field(
        "lora_rank",
        "integer",
        "Higher ranks take longer to train but can capture more complex features.",
        16,
        1,
        128,
    ),
    Field("caption_dropout_rate", "number", "Determines how often a caption is ignored.", 0.05, 0, 1),
    Field("optimizer", "string", "Optimizer to use for training.", "adamw8bit", choices=OPTIMIZERS),
    Field(
        "cache_latents_to_disk",
        "boolean",
        "Use this if you have lots of input images and you hit out of memory errors",
        default=False,
    ),
    Field("layers_to_optimize_regex", "string", "Regular expression to match specific layers to optimize."),
    Field(
        "gradient_checkpointing",
        "boolean",
        "Turn on gradient checkpointing; saves memory at the cost of training speed.",
        default=False,
    ),
    Field("hf_repo_id", "string", "Hugging Face repository ID, if you'd like to upload the trained LoRA."),
    Field("hf_token", "string", "Hugging Face token, if you'd like to upload the trained LoRA.", secret=True),
    Field(
        "wandb_api_key",
        "string",
        "Weights and Biases API key, if you'd like to log training progress.",
        secret=True,
    ),
    Field("wandb_project", "string", "Weights and Biases project name.", "flux_train_replicate"),
    Field("wandb_run", "string", "Weights and Biases run name."),
    Field("wandb_entity", "string", "Weights and Biases entity name."),
    Field(
        "wandb_sample_interval",
        "integer",
        "Step interval for sampling output images that are logged.",
        100,
        1,
    ),
    Field("wandb_sample_prompts", "string", "Newline-separated list of prompts to use when logging samples."),
    Field("wandb_save_interval", "integer", "Step interval for saving intermediate LoRA weights.", 100, 1),
    Field(
        "skip_training_and_use_pretrained_hf_lora_url",
        "string",
        "If you'd like to skip LoRA training"
        " altogether and instead create a Replicate model from a pre-trained LoRA on HuggingFace, use this"
        " field with a HuggingFace download URL.",
    ),
)

FAST_FLUX = (
    uri("input_images", _ZIP, required=True),
    Field("trigger_word", "string", _TRIGGER, required=True),
    Field("lora_type", "string", "Type of LoRA to train", "subject", choices=("subject", "style")),
    Field("training_steps", "integer", "Number of training steps. Recommended range 500-4000", 1000, 3, 6000),
)
