"""When a job has to be sent, has to end, and is looked at next."""

from datetime import datetime, timedelta

from app.models import Job, JobKind

_TO_BE_SENT_WITHIN = {JobKind.GENERATION: timedelta(hours=1), JobKind.TRAINING: timedelta(hours=24)}
RUNS_FOR = {JobKind.GENERATION: timedelta(hours=1), JobKind.TRAINING: timedelta(hours=24)}


def deadline_to_be_sent(job: Job) -> datetime:
    """By when a job has to be sent; every run that was made, or looked for in vain, moves it on."""
    within = _TO_BE_SENT_WITHIN[job.kind]
    earlier = job.attempt - 1 + job.resends
    return job.created_at + within + earlier * (within + RUNS_FOR[job.kind])


def deadline_to_end(kind: JobKind, sent_at: datetime) -> datetime:
    """By when a job that was sent has to end."""
    return sent_at + RUNS_FOR[kind]


def next_look(job: Job, now: datetime, usual_seconds: float | None) -> datetime:
    """When to ask the provider about a running job, given how long its model usually takes."""
    running = (now - (job.started_at or job.sent_at or now)).total_seconds()
    usual = usual_seconds or 0.0
    if running < usual:
        pause = max(0.5, min(usual - running, 30.0))
    else:
        pause = min(max(0.5, (running - usual) / 4), 5.0)
    return now + timedelta(seconds=pause)
