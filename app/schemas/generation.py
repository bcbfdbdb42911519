"""What `/generate-image/` takes and gives."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from app.models import GenerationRequest, Job, JobStatus
from app.schemas.bodies import OpenBody
from app.schemas.jobs import PassedOverOut, image_url
from app.schemas.webhooks import WEBHOOK_FIELDS, WebhookEvents, WebhookUrl, webhook_of

HIGHEST_SEED = 2**32 - 1
_NOT_OPTIONS = frozenset({"prompt", "seed", "model"}) | WEBHOOK_FIELDS


_SIDE = "In pixels: 256 to 1440 for FLUX at Replicate, other models have ranges of their own."


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("blank; 1 to 10,000 characters are allowed, not all of them spaces.")
    return text


Prompt = Annotated[str, StringConstraints(min_length=1, max_length=10_000), AfterValidator(_not_blank)]


class GenerateImageIn(OpenBody):
    """A picture wanted. Further fields are passed to the model if it has inputs of these names."""

    prompt: Prompt = Field(
        description="What to paint; for a fine-tuned model, with its trigger word.",
        examples=["A lighthouse in a storm, oil on canvas"],
    )
    model: Annotated[str, StringConstraints(min_length=1, max_length=300)] | None = Field(
        default=None,
        description="`dev`, `schnell`, or a model's name as in `/models`; empty: the service's own choice.",
    )
    seed: Annotated[int, Field(ge=0, le=HIGHEST_SEED)] | None = Field(
        default=None,
        description="The same seed and settings give the same picture; empty: a new one is drawn.",
    )
    width: int = Field(default=512, ge=1, le=16_384, description=_SIDE)
    height: int = Field(default=512, ge=1, le=16_384, description=_SIDE)
    num_outputs: int = Field(default=1, ge=1, le=4, description="How many pictures to make.")
    output_format: Literal["webp", "jpg", "jpeg", "png"] = "webp"
    guidance_scale: float = Field(
        default=3.5, ge=0, le=100, description="How closely to follow the prompt; FLUX takes up to 10."
    )
    num_inference_steps: int = Field(default=28, ge=1, le=50, description="4 are enough for `schnell`.")
    extra_lora: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None = Field(
        default=None,
        description="A second fine-tune: `owner/name`, or a Hugging Face, Civitai or `.safetensors` address.",
    )
    lora_scale: float = Field(default=1, ge=-1, le=2, description="How strongly the fine-tune shows.")
    disable_safety_checker: bool = False
    webhook_url: WebhookUrl = None
    webhook_events: WebhookEvents = None

    def to_request(self) -> GenerationRequest:
        """What is asked of the service; its options are only those that were given."""
        return GenerationRequest(
            prompt=self.prompt,
            model=self.model,
            seed=self.seed,
            options=self.given(without=_NOT_OPTIONS),
            webhook=webhook_of(self.webhook_url, self.webhook_events),
        )


class Timings(BaseModel):
    """Where the time went, in seconds."""

    queued: float | None = Field(description="From the request until the provider began.")
    predict: float | None = Field(description="The provider's own work.")
    total: float | None = Field(description="From the request until the pictures were on our disk.")

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(
            queued=_seconds(job.created_at, job.started_at),
            predict=job.predict_seconds,
            total=_seconds(job.created_at, job.completed_at),
        )


class GenerateImageOut(BaseModel):
    """The pictures of a finished generation."""

    generated_image_url: str | None = Field(examples=["/get-image/generated_image_4f1c_1.webp"])
    generated_image_urls: list[str]
    job_id: str
    status: JobStatus
    seed: int | None = Field(description="The seed that was used, given or drawn.")
    provider: str = Field(description="Who made them.")
    model: str
    version: str | None
    passed_over: list[PassedOverOut] = Field(
        description="Models that were to be tried first, and why they were not used."
    )
    ignored: list[str] = Field(description="Fields that were given and that the model cannot take.")
    notice: str | None = Field(description="What is unusual about the result, in a sentence.")
    warnings: list[str] = Field(
        description="What was odd about the request, as a trigger word that is not in the prompt."
    )
    timings: Timings

    @classmethod
    def of(cls, job: Job) -> Self:
        urls = [image_url(image) for image in job.images]
        return cls(
            generated_image_url=urls[0] if urls else None,
            generated_image_urls=urls,
            job_id=job.id,
            status=job.status,
            seed=job.order.seed,
            provider=job.order.provider,
            model=job.order.model,
            version=job.order.version,
            passed_over=[PassedOverOut.of(passed) for passed in job.passed_over],
            ignored=list(job.order.ignored),
            notice=job.notice,
            warnings=list(job.warnings),
            timings=Timings.of(job),
        )


def _seconds(start: datetime, end: datetime | None) -> float | None:
    # The provider's clock may be a little behind ours.
    return max(0.0, round((end - start).total_seconds(), 3)) if end is not None else None
