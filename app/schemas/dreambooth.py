"""What `/train_model/` and `/run_model/` take."""

from typing import Annotated

from pydantic import Field, StringConstraints

from app.models import DreamBooth, GenerationRequest, Job, TrainingRequest
from app.schemas.bodies import OpenBody
from app.schemas.generation import Prompt
from app.schemas.training import ModelName
from app.schemas.webhooks import WEBHOOK_FIELDS, WebhookEvents, WebhookUrl, webhook_of

_TRAINING_FIELDS = frozenset(
    {"instance_prompt", "class_prompt", "max_train_steps", "model", "trainer_version"}
)
_NOT_INPUTS = frozenset({"version", "prompt", "seed"}) | WEBHOOK_FIELDS

OldPrompt = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]


class TrainModelIn(OpenBody):
    """A fine-tune wanted, in the words of Replicate's old DreamBooth API."""

    instance_prompt: OldPrompt = Field(
        description="A sentence with an unusual word in it that will call up what is learnt.",
        examples=["a photo of sks person"],
    )
    class_prompt: OldPrompt | None = Field(
        default=None,
        description="The same without that word; helps to find it.",
        examples=["a photo of person"],
    )
    max_train_steps: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="How long to train; brought into the trainer's range.", examples=[1000]
    )
    model: ModelName | None = Field(
        default=None,
        description="The model to make, or to add a version to: `owner/name`, or `name` for one of yours; "
        "empty: named for you.",
    )
    trainer_version: Annotated[str, StringConstraints(max_length=300)] | None = Field(
        default=None,
        description="Another trainer, as `owner/name` or `owner/name:version`. A bare id, which named one of "
        "the old trainers, is ignored.",
    )
    webhook_url: WebhookUrl = None
    webhook_events: WebhookEvents = None

    def to_request(self, training_set: str) -> TrainingRequest:
        """What is asked of the service; `training_set` is the SHA-256 of the zip."""
        asked = self.trainer_version
        another = asked is not None and "/" in asked
        return TrainingRequest(
            trigger_word=self.instance_prompt,
            training_set=training_set,
            destination=self.model,
            webhook=webhook_of(self.webhook_url, self.webhook_events),
            trainer=asked if another else None,
            dreambooth=DreamBooth(
                instance_prompt=self.instance_prompt,
                class_prompt=self.class_prompt,
                max_train_steps=self.max_train_steps,
                options=self.given(without=_TRAINING_FIELDS | WEBHOOK_FIELDS),
            ),
            ignored=() if another or asked is None else ("trainer_version",),
        )

    def warnings(self, job: Job) -> tuple[str, ...]:
        """What the trainer was given instead of what was asked for."""
        steps = job.order.input.get("steps", job.order.input.get("training_steps"))
        if self.max_train_steps is None or steps is None or steps == self.max_train_steps:
            return ()
        return (
            f"max_train_steps: {self.max_train_steps} is beyond what the trainer takes; {steps} is used.",
        )


class RunModelIn(OpenBody):
    """A picture wanted. Further fields are passed to the model if it has inputs of these names."""

    version: Annotated[str, StringConstraints(min_length=1, max_length=300)] | None = Field(
        default=None,
        description="`owner/name:version`, `owner/name`, or the bare id of a version that was made here; "
        "empty: the service's own choice.",
    )
    prompt: Prompt = Field(description="What to paint.", examples=["a photo of sks person on a beach"])
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = Field(
        default=None, description="The same seed and inputs give the same picture; empty: a new one is drawn."
    )
    webhook_url: WebhookUrl = None
    webhook_events: WebhookEvents = None

    def to_request(self, model: str | None) -> GenerationRequest:
        """What is asked of the service, of the model that `version` stands for."""
        return GenerationRequest(
            prompt=self.prompt,
            model=model,
            seed=self.seed,
            options=self.given(without=_NOT_INPUTS),
            webhook=webhook_of(self.webhook_url, self.webhook_events),
        )
