"""Calls that do no harm when they arrive twice, repeated through passing faults."""

import logging
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from app.clock import Clock
from app.errors import ProviderUnavailableError

T = TypeVar("T")

_log = logging.getLogger(__name__)

_ATTEMPTS = 4
_FIRST_BACKOFF_SECONDS = 0.5
_LONGEST_BACKOFF_SECONDS = 20.0


class PassingFault(Exception):  # noqa: N818 - never leaves these packages; it is repeated or translated
    """The next attempt may do better. `detail` is for the caller if none does, `reason` for the log.

    `pause` is how long the provider wants to be left alone.
    """

    def __init__(self, detail: str, *, reason: str, pause: timedelta | None = None) -> None:
        super().__init__(reason)
        self.detail = detail
        self.reason = reason
        self.pause = pause


class Patience:
    """Repeats attempts, ever more rarely."""

    def __init__(self, *, clock: Clock, jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._jitter = jitter

    async def repeated(
        self, what: str, attempt: Callable[[float], Awaitable[T]], *, give_up_seconds: float
    ) -> T:
        """What `attempt` gives, which is told how many seconds are left; four attempts at most.

        Raises `ProviderUnavailableError` when `give_up_seconds` would not be enough for another one.
        """
        give_up_at = self._clock.now() + timedelta(seconds=give_up_seconds)
        number = 0
        while True:
            number += 1
            try:
                return await attempt((give_up_at - self._clock.now()).total_seconds())
            except PassingFault as exc:
                fault = exc
            backoff = self._jitter() * min(_FIRST_BACKOFF_SECONDS * 2**number, _LONGEST_BACKOFF_SECONDS)
            seconds = max(backoff, fault.pause.total_seconds()) if fault.pause else backoff
            late = self._clock.now() + timedelta(seconds=seconds) >= give_up_at
            if number == _ATTEMPTS or seconds > _LONGEST_BACKOFF_SECONDS or late:
                raise ProviderUnavailableError(fault.detail, retry_after=fault.pause) from fault
            _log.info("%s: %s, attempt %d of %d", what, fault.reason, number, _ATTEMPTS)
            await self._clock.sleep(seconds)
