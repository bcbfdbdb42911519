"""Lets work that arrives in a burst begin a few at a time.

An event loop serves everybody in the same step before anybody's next one, so that of two hundred requests
that arrive together the first leaves for the provider when the last has been read, and all of them end as
late as the last. Taking turns gets the first ones out early and costs the last ones nothing.
"""

import asyncio
from collections import deque
from types import TracebackType

AT_ONCE = 8
LONGEST_SECONDS = 0.1


class Turn:
    """Leave to work. It ends by itself after a moment: who waits for the world must hold nobody up."""

    def __init__(self, turns: "Turns") -> None:
        self._turns: Turns | None = turns
        self._timer = asyncio.get_running_loop().call_later(LONGEST_SECONDS, self.over)

    def over(self) -> None:
        """Let the next one begin; safe to repeat."""
        if self._turns is not None:
            turns, self._turns = self._turns, None
            self._timer.cancel()
            turns.pass_on()

    def __enter__(self) -> "Turn":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over()


class Turns:
    """First come, first served, `at_once` at a time."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = at_once
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> Turn:
        """Wait for a turn; end it with `over`, or use it as a context manager."""
        if self._free > 0:
            self._free -= 1
            return Turn(self)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.pass_on()
            raise
        return Turn(self)

    def pass_on(self) -> None:
        """Give a turn that is over to whoever waits longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1
