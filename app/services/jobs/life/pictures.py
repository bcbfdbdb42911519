"""Steps of a job that is finished at its provider but not yet here, or whose run is not known there."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.models import Failure, FailureCode, Job, JobStatus
from app.services.jobs.life.steps import ended, next_revision

FETCHING_FOR = timedelta(hours=1)
"""How long finished pictures are tried for: Replicate deletes them one hour after completion."""

GONE_AFTER = timedelta(seconds=20)
"""How long an address may answer "not there" before its picture is given up."""

UNHEARD_FOR = timedelta(hours=1)
"""How long the provider may not know a run before it is given up: it may be the token, or a fault."""


def pictures_waiting(job: Job, reason: str, *, gone: bool, now: datetime) -> Job:
    """The job, not yet succeeded, when its pictures are made but could not be fetched."""
    since = job.fetching_since or now
    pause = min(timedelta(seconds=1) + (now - since), timedelta(minutes=1))
    notice = f"The pictures are made and being fetched: {reason}"
    return next_revision(
        replace(
            job,
            status=JobStatus.PROCESSING,
            fetching_since=since,
            gone_since=(job.gone_since or now) if gone else None,
            completed_at=None,
            due_at=now + pause,
            notice=notice,
        ),
        now,
    )


def pictures_given_up(job: Job, *, gone: bool, now: datetime) -> bool:
    """Whether finished pictures that cannot be fetched are to be given up."""
    if gone and job.gone_since is not None and now - job.gone_since >= GONE_AFTER:
        return True
    return job.fetching_since is not None and now - job.fetching_since >= FETCHING_FOR


def unheard(job: Job, now: datetime) -> Job:
    """The job when the provider says that it does not know its run."""
    since = job.unheard_since or now
    if now - since >= UNHEARD_FOR:
        detail = "The provider does not know this run any more."
        return ended(job, JobStatus.FAILED, Failure(FailureCode.OUTPUTS_LOST, detail), now)
    notice = "The provider does not know this run at the moment; it is asked again."
    pause = min(timedelta(seconds=5) + (now - since), timedelta(minutes=5))
    return next_revision(replace(job, unheard_since=since, due_at=now + pause, notice=notice), now)
