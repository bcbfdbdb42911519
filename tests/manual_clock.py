"""A clock that stands still until a test moves it."""

import asyncio
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Time that only `advance` moves; sleepers wake when it has passed their moment."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = (self._now + timedelta(seconds=seconds), waiter)
        self._sleepers.append(sleeper)
        try:
            await waiter
        finally:
            self._sleepers.remove(sleeper)

    def alarm(self, seconds: float) -> asyncio.Future[None]:
        return asyncio.ensure_future(self.sleep(seconds))

    def advance(self, seconds: float) -> None:
        """Let time pass. The sleepers that are due run at the caller's next `await`."""
        self._now += timedelta(seconds=seconds)
        for moment, waiter in self._sleepers:
            if moment <= self._now and not waiter.done():
                waiter.set_result(None)
