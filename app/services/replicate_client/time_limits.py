"""How long calls to Replicate may take, and how long those that failed are repeated."""

from dataclasses import dataclass

from app.services.provider_wire.time_limits import SLOWEST_LINE, CallLimit

_ANSWER = CallLimit(30, 60)
_LOOKUP = CallLimit(10, 10)
_UPLOAD = CallLimit(120, 120)


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The limits of each kind of call, and how long a call that failed is repeated."""

    answer: CallLimit = _ANSWER
    give_up_seconds: float = 60
    lookup: CallLimit = _LOOKUP
    lookup_give_up_seconds: float = 15
    """Somebody waits for what is looked up, and as a rule for two of them, one after the other."""
    silence_beyond_wait_seconds: float = 10
    beyond_wait_seconds: float = 20
    upload: CallLimit = _UPLOAD
    upload_bytes_per_second: float = SLOWEST_LINE

    def create(self, wait_seconds: int | None) -> CallLimit:
        """The limit of an order that Replicate answers when it is done, or after `wait_seconds`."""
        if wait_seconds is None:
            return self.answer
        return CallLimit(
            wait_seconds + self.silence_beyond_wait_seconds, wait_seconds + self.beyond_wait_seconds
        )

    def upload_of(self, size_bytes: int) -> CallLimit:
        """The limit of an upload; its total grows with the size."""
        return self.upload.with_body(size_bytes, bytes_per_second=self.upload_bytes_per_second)
