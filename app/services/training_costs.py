"""What a training costs so far, estimated from its seconds."""

from dataclasses import dataclass

from app.clock import Clock
from app.models import Job

CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class TrainingCost:
    """The seconds that a training has run for, and what they cost; None where that is not to be shown."""

    seconds: float
    amount: float | None
    note: str | None


class TrainingCosts:
    """Counts seconds by the provider's own measure once the training has ended, by the clock until then.

    Replicate charges a training for the seconds that it runs, at the price of its hardware; what it really
    charges for each run is told on its dashboard alone.
    """

    def __init__(self, *, provider: str, price_per_second: float, is_charged: bool, clock: Clock) -> None:
        """The price is that of `provider`; trainings elsewhere are not estimated."""
        self._provider = provider
        self._price = price_per_second
        self._is_charged = is_charged
        self._clock = clock

    def of(self, job: Job) -> TrainingCost:
        """What `job` has cost so far: its last run, where there were several."""
        seconds = job.predict_seconds
        if seconds is None and job.started_at is not None:
            seconds = ((job.completed_at or self._clock.now()) - job.started_at).total_seconds()
        # The provider's clock may be a little ahead of ours.
        seconds = round(max(seconds or 0.0, 0.0), 3)
        if not self._price or job.order.provider != self._provider:
            return TrainingCost(seconds, None, None)
        charged = "" if self._is_charged else " The sandbox charges nothing; Replicate would charge this."
        note = f"An estimate: seconds times {self._price:g} {CURRENCY} (TRAINING_PRICE_PER_SECOND).{charged}"
        return TrainingCost(seconds, round(seconds * self._price, 4), note)
