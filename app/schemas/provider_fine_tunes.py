"""What `/providers/{provider}/fine-tunes` gives."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field, JsonValue

from app.services.provider_fine_tunes import ProviderFineTune


class ProviderFineTunesOut(BaseModel):
    """The fine-tunes that lie at a provider."""

    fine_tunes: list[str] = Field(description="Their ids there.")


class ProviderFineTuneOut(BaseModel):
    """A fine-tune that lies at a provider."""

    id: str
    models: list[str] = Field(
        description="What to give as `model` to use it.",
        examples=[["bfl/flux-pro-1.1-ultra-finetuned:4f1c"]],
    )
    comment: str | None
    trigger_word: str | None
    created_at: datetime | None
    options: dict[str, JsonValue] = Field(description="What it was trained with, in the provider's words.")

    @classmethod
    def of(cls, fine_tune: ProviderFineTune) -> Self:
        return cls(
            id=fine_tune.id,
            models=list(fine_tune.models),
            comment=fine_tune.comment,
            trigger_word=fine_tune.trigger_word,
            created_at=fine_tune.created_at,
            options=dict(fine_tune.options),
        )
