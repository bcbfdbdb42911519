"""Whether the parts that the service cannot do without are working."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

from app.clock import Clock
from app.errors import StorageUnavailableError

logger = logging.getLogger(__name__)

TRUSTED_FOR = timedelta(seconds=5)
"""How long a place that could be written to is believed to be writable still."""

_PATIENCE_SECONDS = 5.0


Check = Callable[[], Awaitable[None]]
"""Returns if the part works, and raises if not."""


class Writable:
    """Whether `what` can be written to, cheap enough to ask before every job."""

    def __init__(self, check: Check, *, what: str, clock: Clock) -> None:
        self._check = check
        self._what = what
        self._clock = clock
        self._trusted_until: datetime | None = None
        self._checking = asyncio.Lock()

    async def check(self) -> None:
        """Look now; raises `StorageUnavailableError`."""
        self._trusted_until = None
        try:
            await self._check()
        except OSError as exc:
            raise StorageUnavailableError(
                f"{self._what} cannot be written to at present ({exc.strerror or exc}); nothing was sent."
            ) from exc
        self._trusted_until = self._clock.now() + TRUSTED_FOR

    async def confirm(self) -> None:
        """Look, unless that went well some seconds ago; raises like `check`."""
        if not self._is_trusted():
            async with self._checking:
                if not self._is_trusted():
                    await self.check()

    def doubt(self) -> None:
        """Look again before the next job: a write has failed."""
        self._trusted_until = None

    def _is_trusted(self) -> bool:
        return self._trusted_until is not None and self._clock.now() < self._trusted_until


class Readiness:
    """Looks at the parts, by the check that each has under its name."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    async def look(self) -> dict[str, bool]:
        """Which parts work, by name. What is wrong with the others goes to the log."""
        results = await asyncio.gather(*(self._works(name) for name in self._checks))
        return dict(zip(self._checks, results, strict=True))

    async def _works(self, name: str) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._checks[name]()
        except Exception:
            logger.exception("The %s cannot be used.", name)
            return False
        return True
