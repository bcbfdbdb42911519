"""Fine-tunes as they lie at a provider that keeps a list of them, apart from the trainings made here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.models import JsonValue


@dataclass(frozen=True, slots=True)
class ProviderFineTune:
    """A fine-tune at its provider; `models` are the names that generations use it by.

    `options` is what it was trained with, in the provider's words. What the provider does not tell is None.
    """

    id: str
    models: tuple[str, ...]
    comment: str | None
    trigger_word: str | None
    created_at: datetime | None
    options: Mapping[str, JsonValue]


class FineTuneLibrary(Protocol):
    """A provider's own list. Every method may raise what a `Provider`'s methods may."""

    async def fine_tunes(self) -> Sequence[str]:
        """The ids of all that belong to the account."""
        ...

    async def fine_tune(self, fine_tune_id: str) -> ProviderFineTune:
        """One of them. Raises `ModelNotFoundError` where there is none of that id."""
        ...

    async def delete_fine_tune(self, fine_tune_id: str) -> None:
        """Delete one at the provider, for good. Raises `ModelNotFoundError` as `fine_tune` does."""
        ...
