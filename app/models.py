"""The nouns: jobs, images, and what is asked of a provider."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"


class JobKind(StrEnum):
    """What a job makes."""

    GENERATION = "generation"
    TRAINING = "training"


class JobStatus(StrEnum):
    """Where a job is in its life. `QUEUED` is ours: recorded, not yet known to the provider."""

    QUEUED = "queued"
    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return self in _FINAL


_FINAL = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELED})


class FailureCode(StrEnum):
    """Why a job did not succeed. Each one has a row in the error table of the documentation."""

    CONTENT_MODERATED = "content_moderated"
    PREDICTION_FAILED = "prediction_failed"
    OUT_OF_MEMORY = "out_of_memory"
    INTERRUPTED = "interrupted"
    CANCELED = "canceled"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    ANSWER_LOST = "answer_lost"
    OUTPUTS_LOST = "outputs_lost"
    TRAINING_SET_REFUSED = "training_set_refused"
    INPUT_REFUSED = "input_refused"
    PROVIDER_REFUSED = "provider_refused"
    PROVIDER_TOKEN_REFUSED = "provider_token_refused"  # noqa: S105 - a code, not a password
    PROVIDER_OUT_OF_CREDIT = "provider_out_of_credit"
    PROVIDER_UNAVAILABLE = "provider_unavailable"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed or was canceled; `detail` is a sentence for the caller.

    `provider_details` is what the provider says of it itself, without secrets.
    """

    code: FailureCode
    detail: str
    provider_details: JsonValue = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come, as far as its log tells.

    `phase` is one of `preparing`, `captioning`, `training`, `saving` for trainings, `generating` for
    pictures. `percent` runs from 0 to 100, `eta_seconds` is the provider's own estimate, `loss` the last one
    printed.
    """

    phase: str
    percent: int = 0
    step: int | None = None
    total_steps: int | None = None
    eta_seconds: int | None = None
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A picture wanted, in our words.

    `options` holds only what the caller gave (see `GenerateImageIn` for the names); what is missing gets
    our default where the model takes it. Names we do not know are tried against the model's own schema.
    """

    prompt: str
    model: str | None = None
    seed: int | None = None
    options: Mapping[str, JsonValue] | None = None
    webhook: "Webhook | None" = None


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """A fine-tune wanted, in our words.

    Exactly one of `training_images_url` and `training_set` (the SHA-256 of a stored zip) is set.
    `secrets` (`hf_token`, `wandb_api_key`) are passed on and never stored. `trainer` is another trainer than
    usual, as `owner/name` or `owner/name:version`. With `dreambooth`, the options come from there, in the
    words of today's trainers or as they are, whichever the trainer knows. `ignored` names what the caller
    gave and nobody needs.
    """

    trigger_word: str
    training_images_url: str | None = None
    training_set: str | None = None
    destination: str | None = None
    options: Mapping[str, JsonValue] | None = None
    secrets: Mapping[str, str] | None = None
    webhook: "Webhook | None" = None
    trainer: str | None = None
    dreambooth: "DreamBooth | None" = None
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DreamBooth:
    """What Replicate's old DreamBooth API asked for; `options` are its further inputs, by their old names."""

    instance_prompt: str
    class_prompt: str | None = None
    max_train_steps: int | None = None
    options: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What a provider is asked to run, in the provider's words; everything needed to send it again.

    `version` is the id to run, None for models that are run by name alone. `destination` (`owner/name`)
    and `training_set` (the SHA-256 of a stored zip that still has to be uploaded) belong to trainings.
    `expected_outputs` is how many pictures were asked for. `ignored` names what the caller gave and the
    model cannot take, `secrets` the inputs whose values go along and are never stored. `alternatives` are
    what to run instead, in this order, when this one cannot be run and surely cost nothing.
    """

    provider: str
    kind: JobKind
    model: str
    version: str | None
    input: Mapping[str, JsonValue]
    expected_outputs: int = 0
    seed: int | None = None
    destination: str | None = None
    training_set: str | None = None
    trigger_word: str | None = None
    ignored: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    alternatives: tuple["Order", ...] = ()


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A model that was asked for and not used, and why, in a sentence for the caller."""

    model: str
    reason: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run at a provider: its id there, and the address at which to ask about it if that is not enough."""

    kind: JobKind
    id: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How many runs a provider takes at once, in all and of one model; None for as many as there are."""

    in_all: int | None = None
    of_model: int | None = None

    def leave_room(self, *, in_all: int, of_model: int) -> bool:
        """Whether one more may begin beside so many that are under way."""
        return (self.in_all is None or in_all < self.in_all) and (
            self.of_model is None or of_model < self.of_model
        )


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a finished training left behind: `version` as `owner/name:id`, `weights` as an address."""

    version: str
    weights: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture on our disk. `name` is its file name and the last part of its permanent address."""

    name: str
    job_id: str
    position: int
    media_type: str
    width: int
    height: int
    size_bytes: int
    sha256: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Job:
    """One generation or training, from the moment it is recorded.

    `sent_at` is set before the provider is called: a job with `sent_at` and without `upstream_id` may or
    may not run there. `unknown_since` says since when an answer is known to be lost. `attempt` counts
    runs, from 1; `tried` holds the upstream ids of earlier ones. `due_at` is when somebody has to look
    after the job next, None once it is final; `revision` grows by one with every change and is what
    compare-and-set compares. `fetching_since` is set while finished pictures are still to be fetched,
    `gone_since` while their addresses answer "not there", `unheard_since` while the provider does not know
    the run. `resends` counts how often the job was sent again because its run was surely never made.
    `upstream_url` is where the provider wants to be asked about the run, if anywhere special, `passed_over`
    the models that were asked for before the one in `order`.
    `log_tail` holds the last lines of the run's log, `losses` steps and their losses, evenly thinned,
    `notice` a sentence for people about what is unusual, `warnings` what was odd about the request.
    """

    id: str
    order: Order
    status: JobStatus
    created_at: datetime
    updated_at: datetime
    deadline: datetime
    due_at: datetime | None
    revision: int = 1
    attempt: int = 1
    sent_at: datetime | None = None
    unknown_since: datetime | None = None
    fetching_since: datetime | None = None
    gone_since: datetime | None = None
    unheard_since: datetime | None = None
    resends: int = 0
    started_at: datetime | None = None
    completed_at: datetime | None = None
    predict_seconds: float | None = None
    upstream_id: str | None = None
    upstream_url: str | None = None
    tried: tuple[str, ...] = ()
    progress: Progress | None = None
    log_tail: str = ""
    losses: tuple[tuple[int, float], ...] = ()
    notice: str | None = None
    warnings: tuple[str, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    failure: Failure | None = None
    result: TrainingResult | None = None
    cancel_requested: bool = False
    idempotency_key: str | None = None
    request_digest: str | None = None
    dataset_id: str | None = None
    webhook_url: str | None = None
    webhook_events: tuple["EventType", ...] = ()
    images: tuple[Image, ...] = ()

    @property
    def kind(self) -> JobKind:
        """What the job makes."""
        return self.order.kind

    @property
    def run(self) -> Run | None:
        """The job's run at its provider, None while no id of it is known."""
        if self.upstream_id is None:
            return None
        return Run(self.order.kind, self.upstream_id, self.upstream_url)

    @property
    def may_be_running(self) -> bool:
        """Whether the provider may know a run of this job that we know no id of."""
        return self.sent_at is not None and self.upstream_id is None


class EventType(StrEnum):
    """What a receiver of webhooks can be told about a job."""

    START = "start"
    PROGRESS = "progress"
    COMPLETED = "completed"


class EventState(StrEnum):
    """Whether an event has reached its receiver; `GIVEN_UP` after the last attempt."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job and that its receiver is owed.

    `host` is where the receiver is, with its port. `payload` is what is sent, the same at every attempt;
    None until the first one. `due_at` is when to try next, None when there is nothing left to do.
    """

    id: str
    job_id: str
    type: EventType
    host: str
    revision: int
    created_at: datetime
    state: EventState = EventState.PENDING
    due_at: datetime | None = None
    payload: str | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a caller wants to be told about a job, and of what."""

    url: str
    events: tuple[EventType, ...] = (EventType.COMPLETED,)


@dataclass(frozen=True, slots=True)
class DueEvent:
    """An event whose turn it is: where it goes, and how often that was tried before."""

    event: Event
    url: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who gets webhooks at a URL without its query, and the secrets that sign them, newest first."""

    url: str
    secrets: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver an event; `error` is a sentence where no answer or a wrong one came."""

    event_id: str
    attempt: int
    at: datetime
    status_code: int | None = None
    error: str | None = None
    milliseconds: int | None = None


RESERVED_ALIASES = frozenset({"dev", "schnell"})
"""Names that mean FLUX itself, and that no fine-tune may have."""


@dataclass(frozen=True, slots=True)
class FineTune:
    """A model that was fine-tuned here, under the name by which callers use it.

    `version` is the provider's bare version id, `sample` the name of a picture made with it on request, None
    until one is finished.
    """

    alias: str
    job_id: str
    provider: str
    model: str
    version: str
    created_at: datetime
    trigger_word: str | None = None
    dataset_id: str | None = None
    sample: str | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first; `next_cursor` asks for the ones before them, None at the end."""

    jobs: tuple[Job, ...]
    next_cursor: str | None = None
