"""Time, handed in wherever it matters, so that a test can own it."""

import asyncio
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return once `seconds` have passed by this clock."""
        ...

    def alarm(self, seconds: float) -> "asyncio.Future[None]":
        """Done once `seconds` have passed by this clock; to be canceled by whoever needs it no more."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def alarm(self, seconds: float) -> "asyncio.Future[None]":
        # Not a task around `sleep`, which takes five times as long to make, and to stop.
        loop = asyncio.get_running_loop()
        alarm: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _ring, alarm)
        alarm.add_done_callback(lambda _: timer.cancel())
        return alarm


def _ring(alarm: "asyncio.Future[None]") -> None:
    if not alarm.done():
        alarm.set_result(None)
