"""The models that were fine-tuned here, under the names by which callers use them."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from app.clock import Clock
from app.errors import AliasTakenError, FieldError, FineTuneNotFoundError, InvalidRequestError
from app.models import RESERVED_ALIASES, FineTune, GenerationRequest, Order
from app.storage.fine_tunes import FineTuneRows

REMEMBERED_FOR = timedelta(seconds=3)
"""How long a look-up for a generation is good; another process may change the list meanwhile."""

_MOST_REMEMBERED = 1000
_ALIAS = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
ALIAS_ALLOWED = "1 to 64 of a-z, 0-9, '.', '_' and '-', the first one a letter or a digit"


class FineTunes:
    """The list of fine-tunes, and what a name in it stands for."""

    def __init__(self, *, rows: FineTuneRows, clock: Clock) -> None:
        self._rows = rows
        self._clock = clock
        self._remembered: dict[tuple[str, str | None], FineTune | None] = {}
        self._fresh_until = clock.now()

    async def all(self) -> Sequence[FineTune]:
        """All of them, newest first."""
        return await self._rows.all()

    async def get(self, alias: str) -> FineTune:
        """The one of that name."""
        found = await self._rows.get(alias.lower())
        if found is None:
            raise FineTuneNotFoundError(alias)
        return found

    async def rename(self, alias: str, new: str) -> FineTune:
        """Give it another name; the old one is free from then on.

        Raises `AliasTakenError` if another one has it.
        """
        _check_alias(new)
        found = await self.get(alias)
        if new == found.alias:
            return found
        match await self._rows.rename(found.alias, new):
            case True:
                self._remembered = {}
                return replace(found, alias=new)
            case False:
                raise AliasTakenError(new)
            case None:
                raise FineTuneNotFoundError(alias)

    async def delete(self, alias: str) -> None:
        """Take it from the list. The training stays, and so does the model at its provider."""
        if not await self._rows.delete(alias.lower()):
            raise FineTuneNotFoundError(alias)
        self._remembered = {}

    async def set_sample_job(self, fine_tune: FineTune, job_id: str) -> None:
        """Let the picture that the job makes be the sample of `fine_tune`."""
        await self._rows.set_sample_job(fine_tune.job_id, job_id)

    async def resolved(self, request: GenerationRequest) -> GenerationRequest:
        """The same request, with the exact version that an alias stands for in place of the alias."""
        name = request.model
        if name is None or "/" in name or name in RESERVED_ALIASES or not _ALIAS.fullmatch(name.lower()):
            return request
        found = await self._remember(name.lower(), None)
        return replace(request, model=f"{found.model}:{found.version}") if found else request

    async def warnings(self, request: GenerationRequest, order: Order) -> tuple[str, ...]:
        """What is odd about the prompt of `request` for the fine-tune that `order` runs, if it is one."""
        if order.version is None:  # Only models that are run by name alone have none.
            return ()
        found = await self._remember(order.model, order.version)
        if found is None or found.trigger_word is None or _has_word(request.prompt, found.trigger_word):
            return ()
        return (
            f"The trigger word {found.trigger_word!r} is not in the prompt: what {found.alias!r} has learnt "
            "may not show.",
        )

    async def _remember(self, name: str, version: str | None) -> FineTune | None:
        """The fine-tune by alias, or by model and version; one answer serves for a few seconds."""
        now = self._clock.now()
        if now >= self._fresh_until or len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered = {}
            self._fresh_until = now + REMEMBERED_FOR
        remembered, key = self._remembered, (name, version)
        if key not in remembered:
            # Into the memory as it was before the question: it may have been cleared since.
            remembered[key] = await (
                self._rows.get(name) if version is None else self._rows.with_version(name, version)
            )
        return remembered[key]


def _check_alias(alias: str) -> None:
    if not _ALIAS.fullmatch(alias):
        message = f"{alias[:80]!r} is not a possible alias; {ALIAS_ALLOWED} are allowed."
    elif alias in RESERVED_ALIASES:
        message = f"{alias!r} always means FLUX itself; any other name is allowed."
    else:
        return
    raise InvalidRequestError([FieldError("alias", message)])


def _has_word(prompt: str, word: str) -> bool:
    """Whether the word stands in the prompt by itself, in capitals or not."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", prompt, re.IGNORECASE) is not None
