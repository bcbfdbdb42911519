"""What every step of a job's life is made of, and the steps that end it or begin it anew."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.models import Failure, FailureCode, Job, JobKind, JobStatus, PassedOver
from app.services.jobs.life.deadlines import RUNS_FOR, deadline_to_be_sent

LEASE = timedelta(seconds=15)
"""How long a job stays with the process that took it; whoever works on it longer renews it."""

PATIENCE = timedelta(hours=24)
"""How long after its deadline a job is kept for whose end the provider has yet to be asked."""

NOT_THE_REQUESTS_FAULT = frozenset(
    {FailureCode.PROVIDER_TOKEN_REFUSED, FailureCode.PROVIDER_OUT_OF_CREDIT, FailureCode.PROVIDER_UNAVAILABLE}
)
"""Refusals after which another provider may well do what this one did not, and that cost nothing."""


def next_revision(job: Job, now: datetime) -> Job:
    """The job as it is written over its present revision."""
    return replace(job, revision=job.revision + 1, updated_at=now)


def ended(job: Job, status: JobStatus, failure: Failure, now: datetime) -> Job:
    """The job when we end it ourselves."""
    return next_revision(
        replace(job, status=status, failure=failure, completed_at=now, due_at=None, notice=None), now
    )


def passed_over(job: Job, reason: str, now: datetime) -> Job:
    """The job when its order cannot be run and surely cost nothing: due at once, with the next one."""
    order, *others = job.order.alternatives
    return next_revision(
        replace(
            job,
            order=replace(order, alternatives=tuple(others)),
            passed_over=(*job.passed_over, PassedOver(job.order.model, reason)),
            status=JobStatus.QUEUED,
            attempt=1,
            resends=0,
            deadline=deadline_to_be_sent(job),
            upstream_id=None,
            upstream_url=None,
            sent_at=None,
            unknown_since=None,
            started_at=None,
            progress=None,
            due_at=now,
            notice=None,
        ),
        now,
    )


def canceled_unsent(job: Job, now: datetime) -> Job:
    """The job when it is canceled before it was sent."""
    again = " again" if job.attempt > 1 or job.resends else "; nothing was charged"
    failure = Failure(FailureCode.CANCELED, f"Canceled before it was sent{again}.")
    return ended(job, JobStatus.CANCELED, failure, now)


def canceled_unknown(job: Job, now: datetime) -> Job | None:
    """The job when it is canceled while nobody can tell whether it runs; None while its answer may come."""
    if job.unknown_since is None:
        return None
    detail = "Canceled while it was unknown whether it runs; it may have been charged."
    return ended(job, JobStatus.CANCELED, Failure(FailureCode.CANCELED, detail), now)


def cancel_asked(job: Job, now: datetime) -> Job:
    """The job when its cancellation is wanted and the provider has yet to confirm."""
    return next_revision(replace(job, cancel_requested=True, due_at=now), now)


def overdue(job: Job, *, asked: bool, now: datetime) -> Job | None:
    """The job given up after its deadline; None while it may still come to its own end.

    What was never sent is given up at once. What was sent is given up only when the provider was `asked`
    and knew no end, or when it could not be asked for a day more.
    """
    if now <= job.deadline or job.fetching_since is not None:
        return None
    if job.sent_at is None:
        charged = " for it" if job.attempt > 1 or job.resends else ""
        detail = f"It could not be sent in time; nothing was charged{charged}. {job.notice or ''}".strip()
        return ended(job, JobStatus.FAILED, Failure(FailureCode.PROVIDER_UNAVAILABLE, detail), now)
    if not asked and now <= job.deadline + PATIENCE:
        return None
    if job.upstream_id is None:
        detail = (
            "The provider's answer was lost, and it could not be asked since. A run may have been charged."
        )
        return ended(job, JobStatus.FAILED, Failure(FailureCode.ANSWER_LOST, detail), now)
    return ended(job, JobStatus.FAILED, too_late(job.kind), now)


def too_late(kind: JobKind) -> Failure:
    """Why a run is stopped, or given up, at its deadline."""
    hours = round(RUNS_FOR[kind].total_seconds() / 3600)
    limit = "1 hour" if hours == 1 else f"{hours} hours"
    return Failure(FailureCode.DEADLINE_EXCEEDED, f"It did not end within {limit}.")
