"""What `/image/generate` and `/image/train` take."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from app.models import TrainingRequest
from app.schemas.bodies import OpenBody
from app.schemas.generation import GenerateImageIn
from app.schemas.training import TriggerWord
from app.schemas.webhooks import WEBHOOK_FIELDS, WebhookEvents, WebhookUrl, webhook_of

_NOT_OPTIONS = frozenset({"file_name", "new_model_name", "owner", "trigger_word"}) | WEBHOOK_FIELDS
_PART = "^[A-Za-z0-9][A-Za-z0-9._-]*$"


def _is_part_of_a_name(text: str) -> str:
    if "\n" in text or not re.match(_PART, text):
        raise ValueError(
            f"{text[:80]!r} is not possible; letters, digits, '.', '_' and '-' are allowed, as in my-model."
        )
    return text


PartOfName = Annotated[
    str, StringConstraints(min_length=1, max_length=100), AfterValidator(_is_part_of_a_name)
]


class OneImageIn(GenerateImageIn):
    """A picture wanted. Further fields are passed to the model if it has inputs of these names."""

    num_outputs: int = Field(default=1, ge=1, le=1, description="The answer is one picture.")


class ImageTrainIn(OpenBody):
    """A fine-tune wanted. Further fields are passed to the trainer if it has inputs of these names."""

    file_name: Annotated[str, StringConstraints(min_length=1, max_length=255)] = Field(
        description="A zip in `training_images/` or beside the app.", examples=["training_pictures.zip"]
    )
    new_model_name: PartOfName = Field(
        description="The model to make, or to add a version to.", examples=["my-cat"]
    )
    owner: PartOfName = Field(description="Whose model that is.", examples=["sandbox"])
    trigger_word: TriggerWord = Field(description="The word that will call up what is learnt.")
    steps: int = Field(default=1000, ge=1, le=100_000, description="How long to train.")
    webhook_url: WebhookUrl = None
    webhook_events: WebhookEvents = None

    def to_request(self, training_set: str) -> TrainingRequest:
        """What is asked of the service; `training_set` is the SHA-256 of the zip."""
        return TrainingRequest(
            trigger_word=self.trigger_word,
            training_set=training_set,
            destination=f"{self.owner}/{self.new_model_name}",
            options=self.given(without=_NOT_OPTIONS),
            webhook=webhook_of(self.webhook_url, self.webhook_events),
        )
