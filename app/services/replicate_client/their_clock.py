"""What time it is at Replicate, whose runs carry its own clock's time."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from app.clock import Clock
from app.services.provider_wire.answers import Answer

_MOST = timedelta(days=1)
"""A clock set to another zone's time is off by hours; what is further off is no clock."""
_ERROR_KNOWN = timedelta(seconds=15)
"""`Date` has whole seconds, and takes a moment to arrive."""
_ERROR_UNKNOWN = timedelta(minutes=5)


class TheirClock:
    """Replicate's clock, by the `Date` of its last answer; taken for ours as long as there is none."""

    def __init__(self, ours: Clock) -> None:
        self._ours = ours
        self._ahead: timedelta | None = None

    @property
    def known(self) -> bool:
        """Whether an answer has told their time."""
        return self._ahead is not None

    @property
    def error(self) -> timedelta:
        """How far this may be wrong."""
        return _ERROR_KNOWN if self.known else _ERROR_UNKNOWN

    def now(self) -> datetime:
        """The present moment by their clock."""
        return self.at(self._ours.now())

    def at(self, ours: datetime) -> datetime:
        """What their clock shows when ours shows `ours`."""
        return ours + (self._ahead or timedelta(0))

    def learn(self, answer: Answer) -> None:
        """Take the time from an answer, unless it has none, comes from a cache, or makes no sense.

        A late answer makes their clock seem behind, so that a search begins too early, never too late.
        """
        if "date" not in answer.headers or "age" in answer.headers:
            return
        try:
            theirs = parsedate_to_datetime(answer.headers["date"])
        except ValueError:
            return
        if theirs.tzinfo is None:
            theirs = theirs.replace(tzinfo=UTC)
        ahead = theirs - self._ours.now()
        if abs(ahead) <= _MOST:
            self._ahead = ahead
