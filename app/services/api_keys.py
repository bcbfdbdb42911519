"""API keys that are made here, kept as digests, and can be revoked.

A key's text is `fg_<id>_<secret>`: the id finds the row, the SHA-256 of the whole text decides. The secret
has 192 random bits, so that a plain digest of it can be neither guessed nor looked up.
"""

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.callers import KEY_NAME, KEY_NAME_ALLOWED, ApiKey, Scope
from app.clock import Clock
from app.errors import ApiKeyNotFoundError, FieldError, InvalidRequestError, StorageUnavailableError
from app.storage.api_keys import ApiKeyRows

logger = logging.getLogger(__name__)

LOOKED_UP_EVERY = timedelta(seconds=5)
"""How long a key that another process has revoked goes on working at most."""

NEW_KEYS_EVERY = timedelta(milliseconds=200)
"""How soon a key that is not known is looked for again; guesses cost no more reads than that."""

_FORM = re.compile(rb"fg_([0-9a-f]{8})_[0-9a-f]{48}")
_NO_DIGEST = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key that was just made; `text` is what callers have to send, and is kept nowhere."""

    key: ApiKey
    text: str


def _random_id() -> str:
    return secrets.token_hex(4)


class ApiKeys:
    """Makes keys, lists them and takes them out of use."""

    def __init__(self, *, rows: ApiKeyRows, clock: Clock, new_id: Callable[[], str] = _random_id) -> None:
        self._rows = rows
        self._clock = clock
        self._new_id = new_id

    async def create(self, name: str, scopes: Iterable[Scope]) -> NewApiKey:
        """Make a key with these scopes. Names may repeat: a key is replaced by a new one of its name.

        Raises `InvalidRequestError`.
        """
        if KEY_NAME.fullmatch(name) is None:
            raise InvalidRequestError(
                [
                    FieldError(
                        "name",
                        f"{name[:80]!r} is not possible; allowed are {KEY_NAME_ALLOWED}.",
                    )
                ]
            )
        wanted = set(scopes)
        if not wanted:
            choices = ", ".join(Scope)
            raise InvalidRequestError([FieldError("scopes", f"empty; one or more of {choices} are allowed.")])
        while True:
            key_id = self._new_id()
            text = f"fg_{key_id}_{secrets.token_hex(24)}"
            key = ApiKey(
                id=key_id,
                name=name,
                sha256=hashlib.sha256(text.encode()).hexdigest(),
                scopes=tuple(scope for scope in Scope if scope in wanted),
                created_at=self._clock.now(),
            )
            if await self._rows.add(key):
                return NewApiKey(key, text)

    async def all(self) -> Sequence[ApiKey]:
        """Every key, revoked or not, the oldest first."""
        return await self._rows.all()

    async def revoke(self, key_id: str) -> ApiKey:
        """Take the key out of use, for good. Raises `ApiKeyNotFoundError`."""
        key = await self._rows.revoke(key_id, self._clock.now())
        if key is None:
            raise ApiKeyNotFoundError(key_id)
        return key


class KnownKeys:
    """The keys on record, remembered for some seconds, so that requests need not ask the database."""

    def __init__(self, *, rows: ApiKeyRows, clock: Clock) -> None:
        self._rows = rows
        self._clock = clock
        self._by_id: dict[str, ApiKey] = {}
        self._in_use = False
        self._looked_up_at: datetime | None = None
        self._looking_up = asyncio.Lock()

    @property
    def in_use(self) -> bool:
        """Whether there is a key that has not been revoked."""
        return self._in_use

    async def keep_up(self) -> None:
        """Look the keys up, unless that was done some seconds ago.

        Raises `StorageUnavailableError` at the first time only; later, what is known stays in use.
        """
        await self._look_up(unless_within=LOOKED_UP_EVERY)

    async def find(self, presented: bytes) -> ApiKey | None:
        """The key whose text was `presented`; revoked ones are found, too."""
        form = _FORM.fullmatch(presented)
        if form is None:
            return None
        key_id = form[1].decode()
        if key_id not in self._by_id:
            await self._look_up(unless_within=NEW_KEYS_EVERY)
        key = self._by_id.get(key_id)
        expected = key.sha256 if key is not None else _NO_DIGEST
        return key if hmac.compare_digest(hashlib.sha256(presented).hexdigest(), expected) else None

    async def _look_up(self, *, unless_within: timedelta) -> None:
        if self._is_recent(unless_within):
            return
        async with self._looking_up:
            if self._is_recent(unless_within):
                return
            try:
                keys = await self._rows.all()
            except StorageUnavailableError as exc:
                if self._looked_up_at is None:
                    raise  # There may be keys: nobody may be served as if there were none.
                logger.warning("The API keys cannot be looked up, those known stay in use: %s", exc)
            else:
                self._by_id = {key.id: key for key in keys}
                self._in_use = any(key.revoked_at is None for key in keys)
            self._looked_up_at = self._clock.now()

    def _is_recent(self, span: timedelta) -> bool:
        moment = self._looked_up_at
        # A clock that was set back must not keep a revoked key alive.
        return moment is not None and timedelta(0) <= self._clock.now() - moment < span
