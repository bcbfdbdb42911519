"""How long calls to Replicate may take: between two bytes, and altogether."""

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


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The limits of each kind of call, and how long a call that failed is repeated."""

    answer: CallLimit = CallLimit(30, 60)
    give_up_seconds: float = 60
    lookup: CallLimit = CallLimit(10, 10)
    lookup_give_up_seconds: float = 15
    """Somebody waits for what is looked up, and as a rule for two of them, one after the other."""
    silence_beyond_wait_seconds: float = 10
    beyond_wait_seconds: float = 20
    upload: CallLimit = CallLimit(120, 120)
    upload_bytes_per_second: float = 125_000
    """A megabit: the slowest line that an upload is finished on."""

    def create(self, wait_seconds: int | None) -> CallLimit:
        """The limit of an order that Replicate answers when it is done, or after `wait_seconds`."""
        if wait_seconds is None:
            return self.answer
        return CallLimit(
            wait_seconds + self.silence_beyond_wait_seconds, wait_seconds + self.beyond_wait_seconds
        )

    def upload_of(self, size_bytes: int) -> CallLimit:
        """The limit of an upload; its total grows with the size."""
        seconds = size_bytes / self.upload_bytes_per_second
        return replace(self.upload, total_seconds=self.upload.total_seconds + seconds)
