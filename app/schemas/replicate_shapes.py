"""Jobs in the shape that Replicate gives predictions and trainings, with addresses of this service."""

from datetime import UTC, datetime
from typing import Annotated, Self
from urllib.parse import quote

from pydantic import BaseModel, Field, JsonValue, PlainSerializer

from app.models import Job, JobStatus
from app.schemas.jobs import image_url

PREDICTIONS, TRAININGS = "/predictions", "/trainings"
"""Where the runs of each kind are found."""


def _as_replicate_writes(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[datetime, PlainSerializer(_as_replicate_writes, return_type=str)]


class RunUrls(BaseModel):
    """Where the run is looked at (GET), and where it is canceled (POST)."""

    get: str = Field(examples=["http://127.0.0.1:8000/trainings/4f1c"])
    cancel: str = Field(examples=["http://127.0.0.1:8000/trainings/4f1c/cancel"])

    @classmethod
    def of(cls, job: Job, place: str, base_url: str) -> Self:
        address = f"{base_url.rstrip('/')}{place}/{quote(job.id)}"
        return cls(get=address, cancel=f"{address}/cancel")


class RunMetrics(BaseModel):
    """How long the provider worked, and how long all took, in seconds."""

    predict_time: float | None
    total_time: float | None

    @classmethod
    def of(cls, job: Job) -> "RunMetrics | None":
        if job.completed_at is None:
            return None
        total = max(0.0, (job.completed_at - job.created_at).total_seconds())
        return cls(predict_time=job.predict_seconds, total_time=round(total, 3))


class TrainingOutput(BaseModel):
    """What a training left behind: a version as `owner/name:id`, and where the provider keeps the weights."""

    version: str
    weights: str | None


class _Run(BaseModel):
    id: str
    model: str
    version: str | None
    input: dict[str, JsonValue]
    logs: str = Field(description="The end of the log.")
    data_removed: bool = Field(description="Always false: nothing is deleted here.")
    error: str | None
    status: str = Field(
        description="`starting`, `processing`, `succeeded`, `failed` or `canceled`; what has not been sent "
        "yet is `starting`.",
    )
    created_at: Moment
    started_at: Moment | None
    completed_at: Moment | None
    metrics: RunMetrics | None
    urls: RunUrls
    ignored: list[str] = Field(description="Fields and files that were given and play no part.")


class PredictionOut(_Run):
    """A generation as Replicate would show it."""

    output: list[str] | None = Field(
        description="The pictures' permanent addresses.",
        examples=[["http://127.0.0.1:8000/get-image/generated_image_4f1c_1.webp"]],
    )

    @classmethod
    def of(cls, job: Job, *, base_url: str) -> Self:
        pictures = [f"{base_url.rstrip('/')}{image_url(image)}" for image in job.images]
        return cls(
            id=job.id,
            model=job.order.model,
            version=job.order.version,
            input=dict(job.order.input),
            output=pictures or None,
            logs=job.log_tail,
            data_removed=False,
            error=_error(job),
            status=_status(job),
            created_at=job.created_at,
            started_at=job.started_at,
            completed_at=job.completed_at,
            metrics=RunMetrics.of(job),
            urls=RunUrls.of(job, PREDICTIONS, base_url),
            ignored=list(job.order.ignored),
        )


class TrainingOut(_Run):
    """A training as Replicate would show it."""

    output: TrainingOutput | None
    warnings: list[str] = Field(description="What is not as it was asked for, or not good for the result.")

    @classmethod
    def of(
        cls, job: Job, *, base_url: str, warnings: tuple[str, ...] = (), ignored: tuple[str, ...] = ()
    ) -> Self:
        result = job.result
        # The provider's address of the pictures, which there is only once they are with it.
        trained_on: dict[str, JsonValue] = {"input_images": None, "trigger_word": job.order.trigger_word}
        return cls(
            id=job.id,
            model=job.order.model,
            version=job.order.version,
            input={**trained_on, **job.order.input},
            output=TrainingOutput(version=result.version, weights=result.weights) if result else None,
            logs=job.log_tail,
            data_removed=False,
            error=_error(job),
            status=_status(job),
            created_at=job.created_at,
            started_at=job.started_at,
            completed_at=job.completed_at,
            metrics=RunMetrics.of(job),
            urls=RunUrls.of(job, TRAININGS, base_url),
            ignored=[*job.order.ignored, *ignored],
            warnings=list(warnings),
        )


def _status(job: Job) -> str:
    return (JobStatus.STARTING if job.status is JobStatus.QUEUED else job.status).value


def _error(job: Job) -> str | None:
    # What was canceled has no error at Replicate.
    return job.failure.detail if job.failure is not None and job.status is JobStatus.FAILED else None
