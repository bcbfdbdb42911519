"""What Replicate says about black-forest-labs/flux-dev, restated from its public API page."""

from typing import Any

VERSION_ID = "0123456789abcdef" * 4  # of the right shape; no version of the real model
_ASPECT_RATIOS = ["1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21"]


def _choice(title: str, values: list[str]) -> dict[str, Any]:
    return {"type": "string", "title": title, "enum": values, "description": "An enumeration."}


def _chosen(name: str, default: str, order: int, description: str) -> dict[str, Any]:
    return {
        "allOf": [{"$ref": f"#/components/schemas/{name}"}],
        "default": default,
        "x-order": order,
        "description": description,
    }


def _number(
    title: str, order: int, default: float, minimum: float, maximum: float, *, whole: bool = True
) -> dict[str, Any]:
    return {
        "type": "integer" if whole else "number",
        "title": title,
        "default": default,
        "minimum": minimum,
        "maximum": maximum,
        "x-order": order,
        "description": title,
    }


def _flag(title: str, order: int, *, default: bool) -> dict[str, Any]:
    return {
        "type": "boolean",
        "title": title,
        "default": default,
        "x-order": order,
        "description": title,
    }


_PROPERTIES: dict[str, Any] = {
    "prompt": {
        "type": "string",
        "title": "Prompt",
        "x-order": 0,
        "description": "Prompt for generated image",
    },
    "aspect_ratio": _chosen("aspect_ratio", "1:1", 1, "Aspect ratio for the generated image"),
    "image": {
        "type": "string",
        "title": "Image",
        "format": "uri",
        "x-order": 2,
        "nullable": True,
        "description": "Input image for image to image mode",
    },
    "prompt_strength": _number("Prompt Strength", 3, 0.8, 0, 1, whole=False),
    "num_outputs": _number("Num Outputs", 4, 1, 1, 4),
    "num_inference_steps": _number("Num Inference Steps", 5, 28, 1, 50),
    "guidance": _number("Guidance", 6, 3, 0, 10, whole=False),
    "seed": {
        "type": "integer",
        "title": "Seed",
        "x-order": 7,
        "nullable": True,
        "description": "Random seed. Set for reproducible generation",
    },
    "output_format": _chosen("output_format", "webp", 8, "Format of the output images"),
    "output_quality": _number("Output Quality", 9, 80, 0, 100),
    "disable_safety_checker": _flag("Disable Safety Checker", 10, default=False),
    "go_fast": _flag("Go Fast", 11, default=True),
    "megapixels": _chosen("megapixels", "1", 12, "Approximate number of megapixels"),
}

OPENAPI_SCHEMA: dict[str, Any] = {
    "info": {"title": "Cog", "version": "0.1.0"},
    "openapi": "3.0.2",
    "components": {
        "schemas": {
            "Input": {
                "type": "object",
                "title": "Input",
                "required": ["prompt"],
                "properties": _PROPERTIES,
            },
            "Output": {
                "type": "array",
                "items": {"type": "string", "format": "uri"},
                "title": "Output",
            },
            "aspect_ratio": _choice("aspect_ratio", _ASPECT_RATIOS),
            "output_format": _choice("output_format", ["webp", "jpg", "png"]),
            "megapixels": _choice("megapixels", ["1", "0.25"]),
        }
    },
}

VERSION: dict[str, Any] = {
    "id": VERSION_ID,
    "created_at": "2025-03-26T10:41:35.126219Z",
    "cog_version": "0.14.1",
    "openapi_schema": OPENAPI_SCHEMA,
}


def model(owner: str, name: str) -> dict[str, Any]:
    """The model object of `GET /v1/models/{owner}/{name}`."""
    return {
        "url": f"https://replicate.com/{owner}/{name}",
        "owner": owner,
        "name": name,
        "description": "A 12 billion parameter rectified flow transformer",
        "visibility": "public",
        "is_official": True,
        "github_url": None,
        "paper_url": None,
        "license_url": None,
        "run_count": 1_000_000,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": VERSION,
    }
