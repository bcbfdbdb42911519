"""Answers that hold for a while, asked for once however many want them at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from app.clock import Clock

T = TypeVar("T")


class SharedLookups(Generic[T]):
    """Keeps answers by key; failures are not kept."""

    def __init__(self, *, clock: Clock, good_for: timedelta) -> None:
        self._clock = clock
        self._good_for = good_for
        self._answers: dict[str, tuple[datetime, T]] = {}
        self._under_way: dict[str, asyncio.Task[T]] = {}

    async def get(self, key: str, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer for `key`, from memory or by `ask`."""
        kept = self._answers.get(key)
        if kept is not None and self._clock.now() < kept[0]:
            return kept[1]
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key, ask))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._settle(key, done))
        # Shielded, so that one who stops waiting does not take the answer from the others.
        return await asyncio.shield(task)

    def forget(self, belongs: Callable[[str], bool]) -> None:
        """Ask anew, the next time, for every key that `belongs` names."""
        for key in [key for key in self._answers if belongs(key)]:
            del self._answers[key]
        for key in [key for key in self._under_way if belongs(key)]:
            del self._under_way[key]

    async def _ask(self, key: str, ask: Callable[[], Awaitable[T]]) -> T:
        answer = await ask()
        if self._under_way.get(key) is asyncio.current_task():
            now = self._clock.now()
            self._answers = {k: kept for k, kept in self._answers.items() if now < kept[0]}
            self._answers[key] = (now + self._good_for, answer)
        return answer

    def _settle(self, key: str, done: asyncio.Task[T]) -> None:
        if self._under_way.get(key) is done:
            del self._under_way[key]
        if not done.cancelled():
            done.exception()  # Heard here, in case nobody waits any more.
