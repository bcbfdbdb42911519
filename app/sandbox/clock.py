"""The sandbox's time: everything that happens in it is a function of this clock."""

import asyncio
import zlib
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from; tests bring one that they move by hand."""

    def now(self) -> datetime:
        """The present moment, aware and in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` of this clock have passed."""
        ...


class SystemClock:
    """The real time."""

    def now(self) -> datetime:
        """The present moment, aware and in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed."""
        await asyncio.sleep(seconds)


def wire_time(moment: datetime, key: str) -> str:
    """`moment` as it is sent.

    Replicate's times carry 3, 6 or 9 digits of fraction from one field to the next; here `key` decides,
    so that one object always looks the same.
    """
    chance = zlib.crc32(key.encode())
    nanoseconds = f"{moment.microsecond:06d}{chance // 3 % 1000:03d}"
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds[: (3, 6, 9)[chance % 3]]}Z"
