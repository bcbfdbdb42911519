"""How much may be sent to a provider at the moment: less after it asked for patience."""

from datetime import datetime, timedelta

from app.clock import Clock

MOST_AT_ONCE = 8
"""How many waiting jobs are taken up in one round when the provider takes everything."""

_FIRST_PAUSE = timedelta(seconds=2)
_LONGEST_PAUSE = timedelta(minutes=1)


class SendingGate:
    """Closed for as long as the provider asks, then opened by one, two, four: whatever it takes.

    While it is not wide open, new jobs queue behind those that wait, so that the oldest is sent first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._opens_at: datetime | None = None
        self._room = MOST_AT_ONCE
        self._refusals = 0

    @property
    def is_wide_open(self) -> bool:
        """Whether a new job may be sent at once."""
        return self._room == MOST_AT_ONCE

    def room(self) -> int:
        """How many of the waiting jobs may be taken up now."""
        if self._opens_at is not None and self._clock.now() < self._opens_at:
            return 0
        return self._room

    def accepted(self) -> None:
        """The provider took a job."""
        self._room = min(self._room * 2, MOST_AT_ONCE)
        self._refusals = 0
        self._opens_at = None

    def refused(self, retry_after: timedelta | None) -> timedelta:
        """The provider took none; how long to wait: as long as it says, else longer each time."""
        pause = retry_after or min(_FIRST_PAUSE * 2 ** min(self._refusals, 10), _LONGEST_PAUSE)
        opens_at = self._clock.now() + pause
        if self._opens_at is None or opens_at > self._opens_at:
            self._opens_at = opens_at
        # Of many that were under way together, each refusal after the first says nothing new.
        if self._room > 1 or retry_after is None:
            self._refusals += 1
        self._room = 1
        return self._opens_at - self._clock.now()
