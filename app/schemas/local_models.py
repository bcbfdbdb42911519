"""What `/generate/{model_name}` takes and gives, and what `/` tells programs."""

import base64
from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from app.models import GenerationRequest, Image, Job
from app.schemas.bodies import OpenBody
from app.schemas.generation import HIGHEST_SEED, Prompt
from app.schemas.jobs import image_url
from app.services.provider import ModelInfo

_NOT_OPTIONS = frozenset({"prompt", "seed", "model"})


class LocalGenerateIn(OpenBody):
    """A picture wanted of a model on this machine. Further fields are options of `/generate-image/`."""

    prompt: Prompt = Field(description="What to paint.", examples=["A lighthouse in a storm"])
    negative_prompt: Annotated[str, StringConstraints(max_length=10_000)] | None = Field(
        default=None, description="What to keep out of the picture; FLUX has no use for it."
    )
    guidance_scale: Annotated[float, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="How closely to follow the prompt; empty: 0.0 for turbo models, 7.5 for others.",
    )
    num_inference_steps: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Empty: 1 for turbo models, 25 for others."
    )
    seed: Annotated[int, Field(ge=0, le=HIGHEST_SEED)] | None = Field(
        default=None, description="The same seed and settings give the same picture; empty: a new one."
    )

    def to_request(self, model: str) -> GenerationRequest:
        """What is asked of the service; its options are only those that were given."""
        return GenerationRequest(
            prompt=self.prompt, model=model, seed=self.seed, options=self.given(without=_NOT_OPTIONS)
        )


class LocalGenerateOut(BaseModel):
    """The picture itself, and where it stays."""

    image: str = Field(description="The picture's bytes in base64.")
    media_type: str = Field(examples=["image/png"])
    image_url: str = Field(examples=["/get-image/generated_image_4f1c_1.png"])
    job_id: str
    model: str
    seed: int | None
    ignored: list[str] = Field(description="Fields that were given and that the model cannot take.")

    @classmethod
    def of(cls, job: Job, image: Image, content: bytes) -> Self:
        return cls(
            image=base64.b64encode(content).decode("ascii"),
            media_type=image.media_type,
            image_url=image_url(image),
            job_id=job.id,
            model=job.order.model,
            seed=job.order.seed,
            ignored=list(job.order.ignored),
        )


class UnusableModelOut(BaseModel):
    """A file that is no model that can be used."""

    name: str
    reason: str


class StartOut(BaseModel):
    """What is here, for programs."""

    service: str = "Fluxgate"
    documentation: str = Field(examples=["/docs"])
    loaded_models: list[str] = Field(description="Models on this machine that are in memory.")
    available_models: list[str] = Field(description="All models that can be given to `/generate/`.")
    unusable_models: list[UnusableModelOut]

    @classmethod
    def of(cls, models: Sequence[ModelInfo], *, documentation: str) -> Self:
        local = [model for model in models if model.is_loaded is not None]
        return cls(
            documentation=documentation,
            loaded_models=[_bare(model) for model in local if model.is_loaded],
            available_models=[_bare(model) for model in local if model.problem is None],
            unusable_models=[
                UnusableModelOut(name=_bare(model), reason=model.problem)
                for model in local
                if model.problem is not None
            ],
        )


def _bare(model: ModelInfo) -> str:
    return model.name.removeprefix(f"{model.provider}/")
