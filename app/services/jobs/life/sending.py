"""Steps of a job on its way to its provider, and while it is not known whether it got there."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.errors import AppError
from app.models import Failure, FailureCode, Job, JobStatus
from app.services.jobs.life.deadlines import deadline_to_be_sent, deadline_to_end
from app.services.jobs.life.steps import LEASE, ended, next_revision

UNKNOWN_FOR = timedelta(minutes=30)
"""How long a job is kept whose run only a webhook may tell of: longer than a picture takes, and lasts."""


def sent(job: Job, now: datetime) -> Job:
    """The job when the provider is about to be called for it."""
    deadline = deadline_to_end(job.kind, now)
    return next_revision(
        replace(job, sent_at=now, deadline=deadline, unknown_since=None, due_at=now + LEASE, notice=None),
        now,
    )


def held_back(job: Job, error: AppError, pause: timedelta, now: datetime) -> Job:
    """The job when it surely did not reach the provider and has to be sent again after `pause`."""
    notice = f"Waiting to be sent again: {error.detail}"
    deadline = deadline_to_be_sent(job)
    return next_revision(
        replace(job, sent_at=None, unknown_since=None, deadline=deadline, due_at=now + pause, notice=notice),
        now,
    )


def answer_lost(job: Job, error: AppError | None, now: datetime, *, findable: bool = True) -> Job:
    """The job when it may or may not run at the provider; `findable` says whether that can be found out."""
    since = job.unknown_since or now
    if not findable:
        reason = f" {error.detail}" if error is not None else ""
        notice = (
            "Whether it runs is unknown, since the provider's answer was lost, and cannot be asked. It is "
            f"not sent again by itself, because that might be paid twice.{reason}"
        )
        return next_revision(
            replace(job, unknown_since=since, due_at=since + UNKNOWN_FOR, notice=notice), now
        )
    if error is not None:
        notice = f"Looking for the run at the provider, since its answer was lost: {error.detail}"
    else:
        notice = job.notice or "Looking for the run at the provider, since its answer was lost."
    # Soon at first, since the run is most likely there; then with the patience that settling takes.
    pause = timedelta(seconds=1) if job.unknown_since is None else (now - since) + timedelta(seconds=1)
    return next_revision(
        replace(job, unknown_since=since, due_at=now + min(pause, timedelta(minutes=1)), notice=notice), now
    )


def surely_absent(job: Job, now: datetime, settled_after: Sequence[timedelta]) -> bool:
    """Whether a run that its provider does not find by now was never made; see `Provider.settled_after`."""
    patience = settled_after[min(job.resends, len(settled_after) - 1)]
    return job.unknown_since is not None and now - job.unknown_since >= patience


def given_up_unknown(job: Job, now: datetime) -> Job | None:
    """The job when nothing more will be heard of whether it ran; None while something still may."""
    if job.unknown_since is None or now - job.unknown_since < UNKNOWN_FOR:
        return None
    detail = (
        "The provider's answer was lost, and whether it made the picture cannot be asked. It may have been "
        "charged; start it again if you want to risk paying twice."
    )
    return ended(job, JobStatus.FAILED, Failure(FailureCode.ANSWER_LOST, detail), now)


def unsent(job: Job, now: datetime, settled_after: Sequence[timedelta]) -> Job:
    """The job when its run was surely never made: sent again, unless that was done often enough."""
    if job.resends >= len(settled_after) - 1:
        detail = (
            f"It was sent {job.resends + 1} times; each time the provider's answer was lost and no run was "
            "found. A run may have been made and charged all the same."
        )
        return ended(job, JobStatus.FAILED, Failure(FailureCode.ANSWER_LOST, detail), now)
    job = replace(job, resends=job.resends + 1)
    return next_revision(
        replace(
            job,
            sent_at=None,
            unknown_since=None,
            deadline=deadline_to_be_sent(job),
            due_at=now,
            notice=None,
        ),
        now,
    )
