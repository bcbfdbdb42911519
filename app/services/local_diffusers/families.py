"""The families of models that can be run here, and what is true of every model of one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Family(StrEnum):
    """A kind of model. The value is also the name of its folder in `LOCAL_CONFIGS_DIR`."""

    SD1 = "sd1"
    SD1_INPAINT = "sd1-inpaint"
    SD2 = "sd2"
    SD2_INPAINT = "sd2-inpaint"
    SDXL = "sdxl"
    SDXL_REFINER = "sdxl-refiner"
    SDXL_INPAINT = "sdxl-inpaint"
    SD3 = "sd3"
    SD35_MEDIUM = "sd35-medium"
    SD35_LARGE = "sd35-large"
    FLUX_DEV = "flux-dev"
    FLUX_SCHNELL = "flux-schnell"
    FLUX_FILL = "flux-fill"


class Line(StrEnum):
    """Families that share one geometry: a LoRA for one of them fits the others."""

    SD1 = "Stable Diffusion 1"
    SD2 = "Stable Diffusion 2"
    SDXL = "Stable Diffusion XL"
    SD3 = "Stable Diffusion 3"
    FLUX = "FLUX.1"


class Task(StrEnum):
    """What a picture is made from."""

    TEXT_TO_IMAGE = "text to image"
    IMAGE_TO_IMAGE = "image to image"
    INPAINTING = "inpainting"


class PredictionType(StrEnum):
    """What a UNet was trained to predict; the scheduler has to know."""

    EPSILON = "epsilon"
    V_PREDICTION = "v_prediction"
    SAMPLE = "sample"


@dataclass(frozen=True, slots=True)
class FamilyFacts:
    """What is true of every model of a family.

    `pipelines` names the class of diffusers for each task, `reference` the repository on the Hub whose
    configuration fits. `parts` says by which prefixes of tensor names a whole model in one file shows that it
    holds a part beside the UNet or transformer, `dispensable` which of them the pipeline can do without.
    `side` is the side in pixels that it was trained for, and `multiple` what every side must be divisible by.
    """

    title: str
    line: Line
    pipelines: Mapping[Task, str]
    reference: str
    parts: Mapping[str, tuple[str, ...]]
    side: int
    steps: int = 25
    guidance: float = 7.5
    turbo_steps: int = 1
    multiple: int = 8
    dispensable: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_flow(self) -> bool:
        """Whether its noise follows a straight line (flow matching), for which one scheduler exists."""
        return self.line in (Line.SD3, Line.FLUX)

    @property
    def takes_negative_prompts(self) -> bool:
        """Whether what a picture shall not show can be said; FLUX.1 was distilled to do without."""
        return self.line is not Line.FLUX

    @property
    def network(self) -> str:
        """What diffusers calls the part that does the painting."""
        return "transformer" if self.is_flow else "unet"


_VAE = {"vae": ("first_stage_model.", "vae.")}
_SD_PARTS = {**_VAE, "text_encoder": ("cond_stage_model.",)}
_SDXL_PARTS = {
    **_VAE,
    "text_encoder": ("conditioner.embedders.0.",),
    "text_encoder_2": ("conditioner.embedders.1.",),
}
_FLUX_PARTS = {
    **_VAE,
    "text_encoder": ("text_encoders.clip_l.",),
    "text_encoder_2": ("text_encoders.t5xxl.",),
}
_SD3_PARTS = {
    **_VAE,
    "text_encoder": ("text_encoders.clip_l.",),
    "text_encoder_2": ("text_encoders.clip_g.",),
    "text_encoder_3": ("text_encoders.t5xxl.",),
}


def _all_tasks(prefix: str) -> dict[Task, str]:
    return {
        Task.TEXT_TO_IMAGE: f"{prefix}Pipeline",
        Task.IMAGE_TO_IMAGE: f"{prefix}Img2ImgPipeline",
        Task.INPAINTING: f"{prefix}InpaintPipeline",
    }


def _sd3(title: str, reference: str, *, guidance: float) -> FamilyFacts:
    return FamilyFacts(
        title,
        Line.SD3,
        _all_tasks("StableDiffusion3"),
        reference,
        _SD3_PARTS,
        side=1024,
        steps=28,
        guidance=guidance,
        turbo_steps=4,
        multiple=16,
        dispensable=frozenset({"text_encoder_3"}),
    )


def _flux(
    title: str, reference: str, *, steps: int, guidance: float, pipelines: Mapping[Task, str] | None = None
) -> FamilyFacts:
    return FamilyFacts(
        title,
        Line.FLUX,
        pipelines or _all_tasks("Flux"),
        reference,
        _FLUX_PARTS,
        side=1024,
        steps=steps,
        guidance=guidance,
        turbo_steps=4,
        multiple=16,
    )


FACTS: Mapping[Family, FamilyFacts] = {
    Family.SD1: FamilyFacts(
        "Stable Diffusion 1",
        Line.SD1,
        _all_tasks("StableDiffusion"),
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        _SD_PARTS,
        side=512,
    ),
    Family.SD1_INPAINT: FamilyFacts(
        "Stable Diffusion 1 for inpainting",
        Line.SD1,
        {Task.INPAINTING: "StableDiffusionInpaintPipeline"},
        "stable-diffusion-v1-5/stable-diffusion-inpainting",
        _SD_PARTS,
        side=512,
    ),
    Family.SD2: FamilyFacts(
        "Stable Diffusion 2",
        Line.SD2,
        _all_tasks("StableDiffusion"),
        "stabilityai/stable-diffusion-2-1",
        _SD_PARTS,
        side=768,
    ),
    Family.SD2_INPAINT: FamilyFacts(
        "Stable Diffusion 2 for inpainting",
        Line.SD2,
        {Task.INPAINTING: "StableDiffusionInpaintPipeline"},
        "stabilityai/stable-diffusion-2-inpainting",
        _SD_PARTS,
        side=512,
    ),
    Family.SDXL: FamilyFacts(
        "Stable Diffusion XL",
        Line.SDXL,
        _all_tasks("StableDiffusionXL"),
        "stabilityai/stable-diffusion-xl-base-1.0",
        _SDXL_PARTS,
        side=1024,
    ),
    Family.SDXL_REFINER: FamilyFacts(
        "the refiner of Stable Diffusion XL",
        Line.SDXL,
        {Task.IMAGE_TO_IMAGE: "StableDiffusionXLImg2ImgPipeline"},
        "stabilityai/stable-diffusion-xl-refiner-1.0",
        {**_VAE, "text_encoder_2": ("conditioner.embedders.0.",)},
        side=1024,
    ),
    Family.SDXL_INPAINT: FamilyFacts(
        "Stable Diffusion XL for inpainting",
        Line.SDXL,
        {Task.INPAINTING: "StableDiffusionXLInpaintPipeline"},
        "diffusers/stable-diffusion-xl-1.0-inpainting-0.1",
        _SDXL_PARTS,
        side=1024,
    ),
    Family.SD3: _sd3(
        "Stable Diffusion 3 Medium", "stabilityai/stable-diffusion-3-medium-diffusers", guidance=7.0
    ),
    Family.SD35_MEDIUM: _sd3(
        "Stable Diffusion 3.5 Medium", "stabilityai/stable-diffusion-3.5-medium", guidance=4.5
    ),
    Family.SD35_LARGE: _sd3(
        "Stable Diffusion 3.5 Large", "stabilityai/stable-diffusion-3.5-large", guidance=3.5
    ),
    Family.FLUX_DEV: _flux("FLUX.1 dev", "black-forest-labs/FLUX.1-dev", steps=28, guidance=3.5),
    Family.FLUX_SCHNELL: _flux("FLUX.1 schnell", "black-forest-labs/FLUX.1-schnell", steps=4, guidance=0.0),
    Family.FLUX_FILL: _flux(
        "FLUX.1 Fill",
        "black-forest-labs/FLUX.1-Fill-dev",
        steps=50,
        guidance=30.0,
        pipelines={Task.INPAINTING: "FluxFillPipeline"},
    ),
}
