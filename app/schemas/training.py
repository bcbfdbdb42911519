"""What `/fine-tune/` and `/training-status/` take and give."""

import re
import shlex
from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, Field, SecretStr, StringConstraints

from app.models import Job, JobStatus, TrainingRequest
from app.schemas.bodies import OpenBody
from app.schemas.jobs import FailureOut
from app.schemas.sentences import standing
from app.schemas.webhooks import WEBHOOK_FIELDS, WebhookEvents, WebhookUrl, webhook_of
from app.services.training_costs import CURRENCY, TrainingCost
from app.services.training_sets import Checked

_SECRETS = ("hf_token", "wandb_api_key")
_NOT_OPTIONS = (
    frozenset(
        {"training_images_url", "trigger_word", "destination_model", "dataset_id", "trainer", *_SECRETS}
    )
    | WEBHOOK_FIELDS
)


def _one_word_or_few(text: str) -> str:
    word = text.strip()
    if not word:
        raise ValueError("blank; 1 to 64 characters are allowed, such as TOK.")
    if not word.isprintable():
        raise ValueError(
            f"{word!r} holds line breaks or control characters; plain text such as TOK is allowed."
        )
    return word


TriggerWord = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_one_word_or_few)]


# What can stand in a provider's address as it is.
_MODEL_NAME = "^([A-Za-z0-9][A-Za-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9._-]*$"


def _is_model_name(text: str) -> str:
    if "\n" in text or not re.match(_MODEL_NAME, text):
        raise ValueError(
            f"{text[:80]!r} is not a model's name; "
            "name or owner/name is allowed, as in my-model or me/my-model."
        )
    return text


ModelName = Annotated[str, StringConstraints(max_length=200), AfterValidator(_is_model_name)]


class FineTuneIn(OpenBody):
    """A fine-tune wanted. Further fields are passed to the trainer if it has inputs of these names."""

    trigger_word: TriggerWord = Field(
        description="The word that will call up what is learnt, best one that means nothing else.",
        examples=["TOK"],
    )
    training_images_url: Annotated[str, StringConstraints(min_length=1, max_length=2000)] | None = Field(
        default=None,
        description="Where a zip of the pictures can be downloaded. Either this, or an upload, or a dataset.",
        json_schema_extra={"format": "uri", "pattern": "^https?://"},
    )
    dataset_id: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        default=None, description="The `id` of a dataset that was checked before; see `/datasets/`."
    )
    steps: int = Field(default=1000, ge=1, le=100_000, description="How long to train.")
    trainer: Annotated[str, StringConstraints(min_length=1, max_length=300)] | None = Field(
        default=None,
        description="Another trainer than usual, as owner/name or owner/name:version, or bfl/finetune.",
    )
    destination_model: ModelName | None = Field(
        default=None,
        description="The model to make, or to add a version to: `owner/name`, or `name` for one of yours; "
        "empty: named for you.",
        json_schema_extra={"pattern": _MODEL_NAME},
    )
    hf_token: SecretStr | None = Field(
        default=None, description="Lets the trainer upload to Hugging Face. Passed on, never stored."
    )
    wandb_api_key: SecretStr | None = Field(
        default=None, description="Lets the trainer report to Weights & Biases. Passed on, never stored."
    )
    webhook_url: WebhookUrl = None
    webhook_events: WebhookEvents = None

    def to_request(self, training_set: str) -> TrainingRequest:
        """What is asked of the service; `training_set` is the id of the dataset to train on."""
        secrets = {"hf_token": self.hf_token, "wandb_api_key": self.wandb_api_key}
        return TrainingRequest(
            trigger_word=self.trigger_word,
            training_set=training_set,
            destination=self.destination_model,
            trainer=self.trainer,
            options=self.given(without=_NOT_OPTIONS),
            secrets={name: secret.get_secret_value() for name, secret in secrets.items() if secret},
            webhook=webhook_of(self.webhook_url, self.webhook_events),
        )


class FineTuneOut(BaseModel):
    """A training that is under way."""

    training_id: str
    status: str = Field(examples=["Training started"])
    job_id: str
    status_url: str = Field(examples=["/training-status/4f1c"])
    destination_model: str | None
    dataset_id: str = Field(description="The pictures, as they are sent; see `/datasets/{dataset_id}`.")
    warnings: list[str] = Field(description="What the pictures lack for a good result.")
    ignored: list[str] = Field(description="Fields and files that were given and play no part.")

    @classmethod
    def of(cls, job: Job, *, checked: Checked) -> Self:
        waits = job.status is JobStatus.QUEUED
        return cls(
            training_id=job.id,
            status="Training queued" if waits else "Training started",
            job_id=job.id,
            status_url=f"/training-status/{job.id}",
            destination_model=job.order.destination,
            dataset_id=checked.dataset.id,
            warnings=list(checked.warnings),
            ignored=[*job.order.ignored, *checked.ignored],
        )


class TrainingStatusOut(BaseModel):
    """Where a training stands."""

    training_id: str
    status: JobStatus
    message: str = Field(
        description="A sentence for people.", examples=["Training, 45 %, about 6 minutes left."]
    )
    percent: int | None
    step: int | None
    total_steps: int | None
    eta_seconds: int | None
    phase: str | None
    loss: float | None
    loss_history: list[tuple[int, float]] = Field(
        description="Steps and their losses, up to 200 of them, evenly spread; the newest one last.",
        examples=[[[1, 0.512], [450, 0.33]]],
    )
    log_tail: list[str] = Field(description="The last lines of the trainer's log.")
    error: FailureOut | None
    notice: str | None
    trainer: str
    trigger_word: str | None
    destination: str | None
    model: str | None = Field(description="The model that was made, as owner/name.")
    version: str | None = Field(description="Its version, as owner/name:id.")
    use_it: str | None = Field(description="A command that generates a picture with it.")
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    predict_seconds: float | None
    seconds_so_far: float = Field(description="How long it has been running at the provider.")
    cost_so_far: float | None = Field(description="An estimate; null where no price is set.")
    currency: str | None
    cost_note: str | None = Field(description="How the cost was estimated, in a sentence.")

    @classmethod
    def of(cls, job: Job, cost: TrainingCost, *, base_url: str, needs_key: bool) -> Self:
        progress = job.progress
        version = job.result.version if job.result else None
        percent = progress.percent if progress else None
        return cls(
            training_id=job.id,
            status=job.status,
            message=standing(job),
            percent=100 if job.status is JobStatus.SUCCEEDED else percent,
            step=progress.step if progress else None,
            total_steps=progress.total_steps if progress else None,
            eta_seconds=progress.eta_seconds if progress and not job.status.is_final else None,
            phase=progress.phase if progress else None,
            loss=progress.loss if progress else None,
            loss_history=list(job.losses),
            log_tail=job.log_tail.splitlines(),
            error=FailureOut.of(job.failure) if job.failure else None,
            notice=job.notice,
            trainer=job.order.model,
            trigger_word=job.order.trigger_word,
            destination=job.order.destination,
            model=version.partition(":")[0] if version else None,
            version=version,
            use_it=_command(version, job.order.trigger_word, base_url, needs_key) if version else None,
            created_at=job.created_at,
            started_at=job.started_at,
            completed_at=job.completed_at,
            predict_seconds=job.predict_seconds,
            seconds_so_far=cost.seconds,
            cost_so_far=cost.amount,
            currency=CURRENCY if cost.amount is not None else None,
            cost_note=cost.note,
        )


def _command(version: str, trigger_word: str | None, base_url: str, needs_key: bool) -> str:
    """A line for a shell. Everything in it that came from outside is quoted."""
    prompt = f"prompt=a photo of {trigger_word}" if trigger_word else "prompt=a photo"
    key = ["-H", '"Authorization: Bearer $API_KEY"'] if needs_key else []
    url = f"{base_url.rstrip('/')}/generate-image/"
    fields = [word for field in (prompt, f"model={version}") for word in ("--data-urlencode", field)]
    return " ".join(["curl", *key, *(shlex.quote(word) for word in (url, *fields))])
