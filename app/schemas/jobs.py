"""Jobs as callers see them."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field, JsonValue

from app.models import Failure, Image, Job, JobKind, JobPage, JobStatus, PassedOver, Progress
from app.schemas.sentences import standing

LONGEST_SHOWN = 2000
"""How long a text of an input may be to be shown whole: pictures come as text, too."""


def image_url(image: Image) -> str:
    """The permanent address of a picture, under the service's own."""
    return f"/get-image/{image.name}"


class FailureOut(BaseModel):
    """Why a job did not succeed."""

    code: str = Field(description="One of the codes in the error table.")
    detail: str
    provider_details: JsonValue = Field(description="What the provider says of it itself, if anything.")

    @classmethod
    def of(cls, failure: Failure) -> Self:
        return cls(
            code=failure.code.value,
            detail=failure.detail,
            provider_details=failure.provider_details,
        )


class PassedOverOut(BaseModel):
    """A model that was asked for and not used; nothing was charged for it."""

    model: str
    reason: str

    @classmethod
    def of(cls, passed: PassedOver) -> Self:
        return cls(model=passed.model, reason=passed.reason)


class ImageOut(BaseModel):
    """A picture on the service's disk."""

    url: str
    media_type: str
    width: int
    height: int
    size_bytes: int
    sha256: str

    @classmethod
    def of(cls, image: Image) -> Self:
        return cls(
            url=image_url(image),
            media_type=image.media_type,
            width=image.width,
            height=image.height,
            size_bytes=image.size_bytes,
            sha256=image.sha256,
        )


class ProgressOut(BaseModel):
    """How far a run has come, as far as its log tells."""

    phase: str
    percent: int
    step: int | None
    total_steps: int | None
    eta_seconds: int | None
    loss: float | None

    @classmethod
    def of(cls, progress: Progress) -> Self:
        return cls(
            phase=progress.phase,
            percent=progress.percent,
            step=progress.step,
            total_steps=progress.total_steps,
            eta_seconds=progress.eta_seconds,
            loss=progress.loss,
        )


class JobOut(BaseModel):
    """A generation or a training."""

    id: str
    kind: JobKind
    status: JobStatus
    message: str = Field(description="Where the job stands, in a sentence for people.")
    revision: int = Field(description="Grows with every change; the id of the job's events.")
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    predict_seconds: float | None = Field(description="How long the provider worked on it.")
    provider: str
    provider_id: str | None = Field(description="What the provider calls the run.")
    model: str
    version: str | None
    passed_over: list[PassedOverOut] = Field(
        description="Models that were to be tried first, and why they were not used."
    )
    queue_place: int | None = Field(
        default=None, description="How far back in the queue, from 1, while it waits to be sent."
    )
    input: dict[str, JsonValue] = Field(
        description="What the model was given, in its own words; long texts, as of pictures, are cut short."
    )
    seed: int | None
    ignored: list[str] = Field(description="Fields that were given and that the model cannot take.")
    attempt: int
    cancel_requested: bool
    progress: ProgressOut | None
    generated_image_urls: list[str]
    images: list[ImageOut]
    destination: str | None = Field(description="Where a training puts its model.")
    trigger_word: str | None
    trained_version: str | None = Field(description="What a training made, as owner/name:id.")
    weights_url: str | None
    log_tail: list[str]
    notice: str | None = Field(description="What is unusual about the job, in a sentence.")
    warnings: list[str] = Field(description="What was odd about the request.")
    failure: FailureOut | None

    @classmethod
    def of(cls, job: Job, *, queue_place: int | None = None) -> Self:
        order, result = job.order, job.result
        return cls(
            id=job.id,
            kind=order.kind,
            status=job.status,
            message=standing(job),
            revision=job.revision,
            created_at=job.created_at,
            updated_at=job.updated_at,
            started_at=job.started_at,
            completed_at=job.completed_at,
            predict_seconds=job.predict_seconds,
            provider=order.provider,
            provider_id=job.upstream_id,
            model=order.model,
            version=order.version,
            passed_over=[PassedOverOut.of(passed) for passed in job.passed_over],
            queue_place=queue_place,
            input={name: _shortened(value) for name, value in order.input.items()},
            seed=order.seed,
            ignored=list(order.ignored),
            attempt=job.attempt,
            cancel_requested=job.cancel_requested,
            progress=ProgressOut.of(job.progress) if job.progress else None,
            generated_image_urls=[image_url(image) for image in job.images],
            images=[ImageOut.of(image) for image in job.images],
            destination=order.destination,
            trigger_word=order.trigger_word,
            trained_version=result.version if result else None,
            weights_url=result.weights if result else None,
            log_tail=job.log_tail.splitlines(),
            notice=job.notice,
            warnings=list(job.warnings),
            failure=FailureOut.of(job.failure) if job.failure else None,
        )


def _shortened(value: JsonValue) -> JsonValue:
    if isinstance(value, str) and value.startswith("file:"):
        return "(on the disk of the service)"
    if isinstance(value, str) and len(value) > LONGEST_SHOWN:
        return f"{value[:40]}… ({len(value):,} characters)"
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    return value


class JobsOut(BaseModel):
    """A page of jobs, newest first."""

    jobs: list[JobOut]
    next_cursor: str | None = Field(description="Asks for the next page, as `cursor`; null at the end.")

    @classmethod
    def of(cls, page: JobPage) -> Self:
        return cls(jobs=[JobOut.of(job) for job in page.jobs], next_cursor=page.next_cursor)
