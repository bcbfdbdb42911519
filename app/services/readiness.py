"""Whether the parts that the service cannot do without are working."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 5.0


Check = Callable[[], Awaitable[None]]
"""Returns if the part works, and raises if not."""


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
