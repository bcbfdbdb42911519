"""A clock on which waiting takes no time."""

from datetime import UTC, datetime, timedelta


class LeapingClock:
    """Time that leaps over every sleep; `advance` moves it, too."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._now += timedelta(seconds=seconds)
