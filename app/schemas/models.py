"""What `/models` takes and gives."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.models import FineTune, GenerationRequest
from app.schemas.bodies import OpenBody
from app.schemas.generation import HIGHEST_SEED, Prompt
from app.services.provider import ModelInfo

_NOT_OPTIONS = frozenset({"prompt", "seed", "model", "num_outputs"})


class ModelOut(BaseModel):
    """A model that can be used. What only fine-tunes have is null for others."""

    name: str = Field(description="What to give as `model`; for a fine-tune its alias.")
    provider: str
    description: str | None
    version: str | None = Field(description="The provider's id of the version.")
    official: bool = Field(description="Whether the provider keeps it running and prices it by the picture.")
    is_loaded: bool | None = Field(
        default=None, description="Whether a model on this machine is in memory; null for others."
    )
    alias: str | None = Field(default=None, description="The name of a fine-tune, which can be changed.")
    model: str | None = Field(default=None, description="The model at the provider, as owner/name.")
    trigger_word: str | None = Field(default=None, description="What has to stand in the prompt.")
    created_at: datetime | None = Field(default=None, description="When its training had succeeded.")
    training_id: str | None = Field(default=None, description="For `/training-status/{training_id}`.")
    dataset_id: str | None = Field(default=None, description="The dataset that it was trained on.")
    sample_url: str | None = Field(default=None, description="A picture that was made on request.")

    @classmethod
    def of(cls, model: ModelInfo) -> Self:
        return cls(
            name=model.name,
            provider=model.provider,
            description=model.description,
            version=model.version,
            official=model.official,
            is_loaded=model.is_loaded,
        )

    @classmethod
    def of_fine_tune(cls, fine_tune: FineTune) -> Self:
        calls = f" ({fine_tune.trigger_word})" if fine_tune.trigger_word else ""
        return cls(
            name=fine_tune.alias,
            provider=fine_tune.provider,
            description=f"Fine-tuned here on {fine_tune.created_at:%Y-%m-%d}{calls}.",
            version=fine_tune.version,
            official=False,
            alias=fine_tune.alias,
            model=fine_tune.model,
            trigger_word=fine_tune.trigger_word,
            created_at=fine_tune.created_at,
            training_id=fine_tune.job_id,
            dataset_id=fine_tune.dataset_id,
            sample_url=f"/get-image/{fine_tune.sample}" if fine_tune.sample else None,
        )


class ModelsOut(BaseModel):
    """The models that can be used now: your own fine-tunes, newest first, then the provider's."""

    models: list[ModelOut]


class RenameIn(BaseModel):
    """A new name for a fine-tune."""

    model_config = ConfigDict(frozen=True)

    alias: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        description="1 to 64 small letters, digits, `.`, `_` and `-`, the first one a letter or a digit.",
        examples=["my-cat"],
        json_schema_extra={"pattern": "^[a-z0-9][a-z0-9._-]*$"},
    )


class SampleIn(OpenBody):
    """A sample wanted. Further fields are options of the model, as for `/generate-image/`."""

    prompt: Prompt | None = Field(
        default=None, description="What to paint; empty: a photo of the trigger word.", examples=[""]
    )
    seed: Annotated[int, Field(ge=0, le=HIGHEST_SEED)] | None = Field(
        default=None, description="The same seed and prompt give the same picture; empty: a new one is drawn."
    )

    def to_request(self) -> GenerationRequest:
        """What is asked of the service; an empty prompt stands for the usual one."""
        return GenerationRequest(
            prompt=self.prompt or "", seed=self.seed, options=self.given(without=_NOT_OPTIONS)
        )
