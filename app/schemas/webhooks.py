"""Webhooks as callers ask for them and see them."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationInfo

from app.field_errors import shown
from app.models import Delivery, Event, EventState, EventType, Job, Receiver, Webhook

_CHOICES = ", ".join(EventType)
_ONE = f"({'|'.join(EventType)})"


def _events(given: object, info: ValidationInfo) -> tuple[EventType, ...]:
    """The events of a list, or of a text with commas; in a body that names a URL for them."""
    names = given.split(",") if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{shown('', given)} is not a list; allowed are {_CHOICES}, with commas between.")
    try:
        events = {EventType(name.strip()) for name in names}
    except ValueError:
        raise ValueError(f"{shown('', given)} is not possible; allowed are {_CHOICES}.") from None
    if not events:
        raise ValueError(f"empty; one or more of {_CHOICES} are allowed.")
    # Absent as well where the URL itself was refused, which is said there.
    if "webhook_url" in info.data and info.data["webhook_url"] is None:
        raise ValueError(f"{shown('', given)} is for nobody: there is no webhook_url.")
    return tuple(event for event in EventType if event in events)


WebhookUrl = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=512)] | None,
    Field(
        description="Where to send signed webhooks about the job; a public address. See `/webhook-secrets`.",
        json_schema_extra={"format": "uri", "pattern": "^https?://"},
    ),
]
WebhookEvents = Annotated[
    tuple[EventType, ...] | None,
    BeforeValidator(_events, json_schema_input_type=str | None),
    Field(
        description=f"What to be told of: {_CHOICES}, with commas between, or as a JSON list. "
        "Left out: `completed`, which is every end, good or bad.",
        json_schema_extra={"pattern": rf"^\s*{_ONE}\s*(,\s*{_ONE}\s*)*$"},
    ),
]
WEBHOOK_FIELDS = frozenset({"webhook_url", "webhook_events"})


def webhook_of(url: str | None, events: tuple[EventType, ...] | None) -> Webhook | None:
    """What the two fields of a body ask for."""
    if url is None:
        return None
    return Webhook(url, events) if events is not None else Webhook(url)


class AttemptOut(BaseModel):
    """One attempt to deliver an event."""

    attempt: int
    at: datetime
    status_code: int | None = Field(description="What the receiver answered.")
    error: str | None = Field(description="What went wrong, in a sentence; null where nothing did.")
    milliseconds: int | None

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        return cls(
            attempt=delivery.attempt,
            at=delivery.at,
            status_code=delivery.status_code,
            error=delivery.error,
            milliseconds=delivery.milliseconds,
        )


class EventOut(BaseModel):
    """Something that happened to a job, and whether its receiver knows."""

    id: str = Field(description="The `webhook-id`, the same at every attempt.")
    type: str = Field(examples=["job.completed"])
    state: EventState = Field(description="`given_up`: no attempt follows by itself.")
    created_at: datetime
    next_attempt_at: datetime | None
    attempts: list[AttemptOut]

    @classmethod
    def of(cls, event: Event, deliveries: list[Delivery]) -> Self:
        return cls(
            id=event.id,
            type=f"job.{event.type.value}",
            state=event.state,
            created_at=event.created_at,
            next_attempt_at=event.due_at,
            attempts=[AttemptOut.of(delivery) for delivery in deliveries],
        )


class DeliveriesOut(BaseModel):
    """The webhooks of a job."""

    job_id: str
    webhook_url: str | None = Field(description="Without its query, which may hold secrets.")
    webhook_events: list[EventType]
    events: list[EventOut]

    @classmethod
    def of(cls, job: Job, events: list[tuple[Event, list[Delivery]]]) -> Self:
        return cls(
            job_id=job.id,
            webhook_url=job.webhook_url.partition("?")[0] if job.webhook_url else None,
            webhook_events=list(job.webhook_events),
            events=[EventOut.of(event, deliveries) for event, deliveries in events],
        )


class ReceiverIn(BaseModel):
    """A receiver of webhooks."""

    model_config = ConfigDict(frozen=True)

    webhook_url: Annotated[str, StringConstraints(min_length=1, max_length=512)] = Field(
        description="The `webhook_url` of jobs; its query plays no part.",
        examples=["https://app.example.com/webhooks"],
        json_schema_extra={"format": "uri", "pattern": "^https?://"},
    )


class ReceiverOut(BaseModel):
    """What a receiver needs to verify webhooks."""

    webhook_url: str
    secret: str = Field(description="Signs from now on.", examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    previous_secret: str | None = Field(description="Signs beside it until the next rotation.")
    created_at: datetime

    @classmethod
    def of(cls, receiver: Receiver) -> Self:
        secret, *previous = receiver.secrets
        return cls(
            webhook_url=receiver.url,
            secret=secret,
            previous_secret=previous[0] if previous else None,
            created_at=receiver.created_at,
        )
