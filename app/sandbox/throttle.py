"""Replicate's rate limits: shown in headers, and kept when the sandbox is told to."""

import math
from collections import deque
from datetime import timedelta

from app.sandbox.clock import Clock
from app.sandbox.problems import throttled

CREATES_PER_MINUTE = 600
OTHERS_PER_MINUTE = 3000
_WINDOW = timedelta(minutes=1)


class Throttle:
    """Counts the creates of the last minute in this process; without a limit it only shows headers."""

    def __init__(self, clock: Clock, creates_per_minute: int | None) -> None:
        self._clock = clock
        self._limit = creates_per_minute
        self._recent: deque[float] = deque()

    def headers(self, *, create: bool) -> dict[str, str]:
        """The `ratelimit-*` headers of an answer."""
        if not create:
            return {"ratelimit-remaining": str(OTHERS_PER_MINUTE - 1), "ratelimit-reset": "1"}
        remaining = CREATES_PER_MINUTE - 1 if self._limit is None else self._limit - len(self._recent)
        return {"ratelimit-remaining": str(remaining), "ratelimit-reset": "1"}

    def admit(self) -> None:
        """Count a create, or refuse it with a 429 when there were too many."""
        if self._limit is None:
            return
        now = self._clock.now().timestamp()
        while self._recent and self._recent[0] <= now - _WINDOW.total_seconds():
            self._recent.popleft()
        if len(self._recent) >= self._limit:
            raise throttled(max(1, math.ceil(self._recent[0] + _WINDOW.total_seconds() - now)))
        self._recent.append(now)
