"""What BFL's endpoints take: the facts of its API reference, a row for each.

Its names, ranges, multiples and defaults; what has no bound there has none here.
"""

from dataclasses import dataclass, replace

from app.services.bfl_client.inputs import (
    OPTIONAL_TEXT,
    PICTURE,
    RATIOS,
    SWITCH,
    TEXT,
    WHOLE,
    Inputs,
    at_least,
    between,
    finishing,
    multiples,
    numbered_pictures,
    one_of,
    output_format,
    switch,
    whole,
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route below `/v1`, whose path is the model's name as well.

    `pictures` names the inputs that are pictures: in base64, or as an address where `takes_links`.
    `most_pixels` is how large width times height may be, `at_once` how many of its tasks BFL takes besides
    the limit of the account. With `on_cluster` it is found on the host of the fine-tunes alone.
    """

    path: str
    description: str
    inputs: Inputs
    required: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    takes_links: bool = False
    takes_webhook: bool = True
    most_pixels: int | None = None
    at_once: int | None = None
    on_cluster: bool = False

    @property
    def is_finetuned(self) -> bool:
        """Whether it needs the id of a fine-tune."""
        return "finetune_id" in self.inputs


_FREE_SIDE = multiples(16, low=64)
"""At FLUX.2, where the model decides about a side that is left out."""
_FOUR_MEGAPIXELS = 2048 * 2048

_FLUX_1 = {"prompt_upsampling": switch(default=False), **finishing(most_tolerant=6)}
_FLUX_PRO_11: Inputs = {
    "prompt": OPTIONAL_TEXT,
    "image_prompt": PICTURE,
    "width": multiples(32, low=256, high=1440, default=1024),
    "height": multiples(32, low=256, high=1440, default=768),
    **_FLUX_1,
}
_FLUX_ULTRA: Inputs = {
    "prompt": OPTIONAL_TEXT,
    "aspect_ratio": one_of(*RATIOS, default="16:9"),
    "image_prompt": PICTURE,
    "image_prompt_strength": between(0, 1, 0.1),
    **_FLUX_1,
}
_KONTEXT = Endpoint(
    "flux-kontext-pro",
    "FLUX.1 Kontext [pro]: edits pictures by words; its size follows from an aspect ratio.",
    {
        "prompt": TEXT,
        **dict.fromkeys(numbered_pictures(4), PICTURE),
        "aspect_ratio": one_of(*RATIOS),
        "prompt_upsampling": switch(default=False),
        **finishing(most_tolerant=6, format_by_default="png"),
    },
    required=("prompt",),
    pictures=numbered_pictures(4),
    takes_links=True,
)
_FILL: Inputs = {
    "image": PICTURE,
    "prompt": OPTIONAL_TEXT,
    "steps": whole(15, 50, 50),
    "guidance": between(1.5, 100, 60),
    **_FLUX_1,
}
_FLUX_2: Inputs = {
    "prompt": TEXT,
    **dict.fromkeys(numbered_pictures(8), PICTURE),
    "width": _FREE_SIDE,
    "height": _FREE_SIDE,
    **finishing(most_tolerant=5),
}
_FLUX_2_PRO = Endpoint(
    "flux-2-pro",
    "FLUX.2 [pro]: generates, and edits up to 8 pictures; improves the prompt unless disable_pup is set.",
    {**_FLUX_2, "disable_pup": switch(default=False)},
    required=("prompt",),
    pictures=numbered_pictures(8),
    takes_links=True,
    most_pixels=_FOUR_MEGAPIXELS,
)
_KLEIN = replace(
    _FLUX_2_PRO,
    path="flux-2-klein-4b",
    description="FLUX.2 [klein] 4B: fast; generates, and edits up to 4 pictures.",
    inputs={name: rule for name, rule in _FLUX_2.items() if name not in numbered_pictures(8)[4:]},
    pictures=numbered_pictures(4),
)
_TOOL = finishing(most_tolerant=5, format_by_default="png")
_TRY_ON = Endpoint(
    "flux-tools/vto-v1",
    "FLUX virtual try-on: dresses a person in a garment; no size of one's own choice.",
    {"prompt": TEXT, "person": PICTURE, "garment": PICTURE, **finishing(most_tolerant=5)},
    required=("prompt", "person", "garment"),
    pictures=("person", "garment"),
    takes_links=True,
)


def _finetuned(endpoint: Endpoint, *, path: str, description: str, strength: float) -> Endpoint:
    inputs = {"finetune_id": TEXT, "finetune_strength": between(0, 2, strength), **endpoint.inputs}
    return replace(
        endpoint,
        path=path,
        description=description,
        inputs=inputs,
        required=("finetune_id", *endpoint.required),
    )


_ULTRA = Endpoint(
    "flux-pro-1.1-ultra",
    "FLUX1.1 [pro] ultra: pictures of 4 megapixels in a chosen aspect ratio; raw for a less finished look.",
    {**_FLUX_ULTRA, "raw": switch(default=False)},
    pictures=("image_prompt",),
)
_FILL_PRO = Endpoint(
    "flux-pro-1.0-fill",
    "FLUX.1 Fill [pro]: repaints what is white in a mask, or transparent; keeps the picture's size.",
    {**_FILL, "mask": PICTURE},
    required=("image",),
    pictures=("image", "mask"),
)

_ROWS = (
    Endpoint(
        "flux-3-image",
        "FLUX 3: generates, and edits up to 10 pictures; no seed, size in pixels or format of choice.",
        {
            "prompt": TEXT,
            "images": {"type": "array", "items": dict(PICTURE), "maxItems": 10},
            "aspect_ratio": one_of("auto", *RATIOS, "7:5", "5:7"),
            "resolution": one_of("768sq", "1k", "1.5k", "2k", "4k"),
            "grounding": SWITCH,
            "safety_tolerance": whole(0, 4),
        },
        required=("prompt",),
        pictures=("images",),
        takes_links=True,
        # Whatever is not among its inputs is refused, and a webhook is not known to be.
        takes_webhook=False,
    ),
    replace(
        _FLUX_2_PRO, path="flux-2-max", description="FLUX.2 [max]: as FLUX.2 [pro], with the best quality."
    ),
    _FLUX_2_PRO,
    replace(_FLUX_2_PRO, path="flux-2-pro-preview", description="FLUX.2 [pro] with its latest improvements."),
    replace(
        _FLUX_2_PRO,
        path="flux-2-flex",
        description="FLUX.2 [flex]: as FLUX.2 [pro], with steps and guidance of one's own choice.",
        inputs={
            **_FLUX_2,
            "prompt_upsampling": switch(default=True),
            "guidance": between(1.5, 10, 5),
            "steps": whole(1, 50, 50),
            "input_image_blob_path": TEXT,
        },
    ),
    _KLEIN,
    replace(_KLEIN, path="flux-2-klein-9b", description="FLUX.2 [klein] 9B: as 4B, better and slower."),
    replace(
        _KLEIN,
        path="flux-2-klein-9b-preview",
        description="FLUX.2 [klein] 9B with its latest improvements.",
    ),
    _KONTEXT,
    replace(
        _KONTEXT,
        path="flux-kontext-max",
        description="FLUX.1 Kontext [max]: as Kontext [pro], with the best quality.",
        at_once=6,
    ),
    Endpoint(
        "flux-pro-1.1",
        "FLUX1.1 [pro]: generates; no steps or guidance of one's own choice.",
        _FLUX_PRO_11,
        pictures=("image_prompt",),
    ),
    _ULTRA,
    Endpoint(
        "flux-dev",
        "FLUX.1 [dev]: generates; a picture may be given whose looks the new one takes up.",
        {**_FLUX_PRO_11, "steps": whole(1, 50, 28), "guidance": between(1.5, 5, 3)},
        pictures=("image_prompt",),
    ),
    _FILL_PRO,
    Endpoint(
        "flux-pro-1.0-expand",
        "FLUX.1 Expand [pro]: paints on beyond the edges of a picture, by so many pixels a side.",
        {**_FILL, **dict.fromkeys(("top", "bottom", "left", "right"), whole(0, 2048, 0))},
        required=("image",),
        pictures=("image",),
    ),
    Endpoint(
        "flux-tools/outpainting-v1",
        "FLUX Outpainting: paints on until the picture has the given size; no seed.",
        {
            "input_image": PICTURE,
            "width": at_least(64),
            "height": at_least(64),
            "reference_offset_x": WHOLE,
            "reference_offset_y": WHOLE,
            "prompt": TEXT,
            "mode": one_of("high", "fast"),
            "auto_crop": SWITCH,
            "disable_pup": SWITCH,
            "safety_tolerance": whole(0, 5, 2),
            "output_format": output_format("png"),
        },
        required=("input_image", "width", "height"),
        pictures=("input_image",),
        takes_links=True,
        takes_webhook=False,  # As strict as FLUX 3.
        most_pixels=_FOUR_MEGAPIXELS,
    ),
    Endpoint(
        "flux-tools/erase-v1",
        "FLUX Erase: removes what is white in a mask; takes no prompt and keeps the picture's size.",
        {"image": PICTURE, "mask": PICTURE, "dilate_pixels": whole(0, 25, 10), **_TOOL},
        required=("image", "mask"),
        pictures=("image", "mask"),
        takes_links=True,
    ),
    Endpoint(
        "flux-tools/deblur-v1",
        "FLUX Deblur: sharpens a picture; takes no prompt and keeps the picture's size.",
        {"image": PICTURE, **_TOOL},
        required=("image",),
        pictures=("image",),
        takes_links=True,
    ),
    _TRY_ON,
    replace(_TRY_ON, path="vto-v2", description="FLUX virtual try-on, second version."),
    _finetuned(
        replace(_ULTRA, inputs=_FLUX_ULTRA, on_cluster=True),
        path="flux-pro-1.1-ultra-finetuned",
        description="FLUX1.1 [pro] ultra with a fine-tune of one's own, named after a colon.",
        strength=1.2,
    ),
    _finetuned(
        replace(_FILL_PRO, on_cluster=True),
        path="flux-pro-1.0-fill-finetuned",
        description="FLUX.1 Fill [pro] with a fine-tune of one's own, named after a colon.",
        strength=1.1,
    ),
    *(
        _finetuned(
            _KLEIN,
            path=f"flux-2-klein-{kind}-finetuned",
            description=f"FLUX.2 [klein] {kind} with a LoRA of one's own, uploaded in BFL's dashboard.",
            strength=1.1,
        )
        for kind in ("4b", "9b", "9b-kv", "9b-kv-bf16", "base-4b", "base-9b")
    ),
)

ENDPOINTS = {endpoint.path: endpoint for endpoint in _ROWS}
"""All that make pictures, by their paths."""

_EDITS = "bfl/flux-2-pro takes pictures to work from"
ABSENT = {
    "flux-pro": "was withdrawn by Black Forest Labs; bfl/flux-pro-1.1 has taken its place",
    "flux-pro-finetuned": "was withdrawn by Black Forest Labs; bfl/flux-pro-1.1-ultra-finetuned is there",
    "flux-pro-1.0-canny": f"was withdrawn by Black Forest Labs; {_EDITS}",
    "flux-pro-1.0-depth": f"was withdrawn by Black Forest Labs; {_EDITS}",
    "flux-pro-1.0-canny-finetuned": f"was withdrawn by Black Forest Labs; {_EDITS}",
    "flux-pro-1.0-depth-finetuned": f"was withdrawn by Black Forest Labs; {_EDITS}",
    "flux-3-video": "makes videos, and only pictures are made here",
}
"""Endpoints that people may look for in vain, and why."""
