"""How long one call may take: between two bytes, and altogether."""

from dataclasses import dataclass, replace
from typing import Self

import httpx

_CONNECT_SECONDS = 5
_POOL_SECONDS = 10
_WRITE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class CallLimit:
    """The longest silence, and an end for answers that trickle in and are never silent.

    `total_seconds` counts everything: the wait for a connection, the request and the whole answer.
    """

    read_seconds: float
    total_seconds: float

    @property
    def timeout(self) -> httpx.Timeout:
        """What the HTTP client watches over; it knows no total."""
        return httpx.Timeout(
            connect=_CONNECT_SECONDS, pool=_POOL_SECONDS, write=_WRITE_SECONDS, read=self.read_seconds
        )

    def within(self, seconds: float) -> Self:
        """This limit where no more than `seconds` are left."""
        return replace(self, total_seconds=min(self.total_seconds, seconds))

    def with_body(self, size_bytes: int, *, bytes_per_second: float) -> Self:
        """This limit with the time added that a line of that speed needs for a body of that size."""
        return replace(self, total_seconds=self.total_seconds + size_bytes / bytes_per_second)


SLOWEST_LINE = 125_000
"""Bytes per second, a megabit: the slowest line that an upload is finished on."""
