"""What is written down about a run of a local model, and how it reads as a report."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.models import Failure, FailureCode, JobStatus, Progress
from app.services.provider import Report

ADDRESS = "local-run:"
"""How the addresses of finished pictures begin: `local-run:<run>/<file>`."""

INTERRUPTED_RERUNS = 2
"""How many new runs an interrupted one is worth: it had done nothing wrong, and a new one costs nothing."""

_EPOCH_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Made:
    """What never changes: the model, the digest of the order, and the process that works on it."""

    model: str
    digest: str
    owner: str


@dataclass(frozen=True, slots=True)
class UnderWay:
    """How far the painting has come; the last word of its owner until the end."""

    started_at: datetime
    percent: int
    step: int
    total_steps: int
    eta_seconds: int | None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. `pictures` are the names of its files, `reruns` as in `Report`."""

    status: JobStatus
    completed_at: datetime
    started_at: datetime | None = None
    pictures: tuple[str, ...] = ()
    failure_code: FailureCode | None = None
    detail: str = ""
    reruns: int = 0


def new_run_id(now: datetime) -> str:
    """An id that nobody else has; ids sort by the time at which they were made."""
    return f"{run_ids_from(now)}-{secrets.token_hex(8)}"


def run_ids_from(moment: datetime) -> str:
    """What the ids of all runs that are made from then on do not sort before."""
    return f"{int(moment.timestamp() * 1000):0{_EPOCH_DIGITS}x}"


def interrupted(now: datetime) -> Ending:
    """The end of a run whose process stopped before it was finished."""
    return Ending(
        JobStatus.FAILED,
        completed_at=now,
        failure_code=FailureCode.INTERRUPTED,
        detail="The process that painted it stopped before it was finished.",
        reruns=INTERRUPTED_RERUNS,
    )


def canceled(now: datetime) -> Ending:
    """The end of a run that nobody wants any more."""
    return Ending(JobStatus.CANCELED, completed_at=now)


def failed(code: FailureCode, detail: str, now: datetime) -> Ending:
    """The end of a run that failed, and would fail again."""
    return Ending(JobStatus.FAILED, completed_at=now, failure_code=code, detail=detail)


def report_of(run_id: str, under_way: UnderWay | None, ending: Ending | None) -> Report:
    """What is known of a run; nothing but its id at first. Nothing here costs anything."""
    if ending is None:
        if under_way is None:
            return Report(JobStatus.STARTING, run_id)
        progress = Progress(
            "generating",
            under_way.percent,
            step=under_way.step,
            total_steps=under_way.total_steps,
            eta_seconds=under_way.eta_seconds,
        )
        return Report(JobStatus.PROCESSING, run_id, progress=progress, started_at=under_way.started_at)
    # Whoever ends another's run does not know when that began.
    started_at = ending.started_at or (under_way.started_at if under_way is not None else None)
    seconds = None
    if started_at is not None:
        seconds = max((ending.completed_at - started_at) / timedelta(seconds=1), 0.0)
    return Report(
        ending.status,
        run_id,
        outputs=tuple(f"{ADDRESS}{run_id}/{name}" for name in ending.pictures),
        failure=Failure(ending.failure_code, ending.detail) if ending.failure_code is not None else None,
        reruns=ending.reruns,
        cost_nothing=True,
        started_at=started_at,
        completed_at=ending.completed_at,
        predict_seconds=seconds,
    )
