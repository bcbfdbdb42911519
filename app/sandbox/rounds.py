"""Background work that comes due at moments of the sandbox's clock."""

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import suppress
from datetime import datetime

from app.sandbox.clock import Clock

_log = logging.getLogger(__name__)
# The clock may be moved by hand and rows may come from other processes: look again after this much real time.
_LOOK_SECONDS = 0.25
_IDLE_LOOK_SECONDS = 1.0


class Rounds(ABC):
    """Sends what is due, again and again, from `start` to `stop`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def send_due(self) -> int:
        """Send everything that is due at this moment and return how many webhooks that were."""

    @abstractmethod
    async def next_due(self) -> datetime | None:
        """When there is something to do next as far as is known now."""

    def start(self) -> None:
        """Begin to send what is due, from now until `stop`."""
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Stop sending; what is left is sent after the next start."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def wake(self) -> None:
        """There may be something to send."""
        self._news.set()

    async def _work(self) -> None:
        while True:
            self._news.clear()
            try:
                await self.send_due()
            except Exception:
                # What it concerns is tried again when its lease is over; the rest must not wait for that.
                _log.exception("The sandbox could not send a webhook")
            due = await self.next_due()
            pause = _IDLE_LOOK_SECONDS
            if due is not None:
                pause = min(_LOOK_SECONDS, max(0.01, (due - self._clock.now()).total_seconds()))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()
