"""The rules of a job's life, as pure functions of what is known."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.errors import AppError
from app.models import Failure, FailureCode, Job, JobKind, JobStatus, PassedOver, Progress
from app.services.loss_curve import continued
from app.services.provider import Report
from app.services.training_log import tail

MOST_ATTEMPTS = 3
"""How often an order is run at most, when the provider says that a new run may succeed."""

LEASE = timedelta(seconds=15)
"""How long a job stays with the process that took it; whoever works on it longer renews it."""

UNKNOWN_FOR = timedelta(minutes=30)
"""How long a job is kept whose run only a webhook may tell of: longer than a picture takes, and lasts."""

FETCHING_FOR = timedelta(hours=1)
"""How long finished pictures are tried for: Replicate deletes them one hour after completion."""

GONE_AFTER = timedelta(seconds=20)
"""How long an address may answer "not there" before its picture is given up."""

UNHEARD_FOR = timedelta(hours=1)
"""How long the provider may not know a run before it is given up: it may be the token, or a fault."""

PATIENCE = timedelta(hours=24)
"""How long after its deadline a job is kept for whose end the provider has yet to be asked."""

NOT_THE_REQUESTS_FAULT = frozenset(
    {FailureCode.PROVIDER_TOKEN_REFUSED, FailureCode.PROVIDER_OUT_OF_CREDIT, FailureCode.PROVIDER_UNAVAILABLE}
)
"""Refusals after which another provider may well do what this one did not, and that cost nothing."""

_TO_BE_SENT_WITHIN = {JobKind.GENERATION: timedelta(hours=1), JobKind.TRAINING: timedelta(hours=24)}
_RUNS_FOR = {JobKind.GENERATION: timedelta(hours=1), JobKind.TRAINING: timedelta(hours=24)}
_RANKS = {JobStatus.QUEUED: 0, JobStatus.STARTING: 1, JobStatus.PROCESSING: 2}
_PHASES = ("preparing", "captioning", "training", "saving")


def deadline_to_be_sent(job: Job) -> datetime:
    """By when a job has to be sent; every run that was made, or looked for in vain, moves it on."""
    within = _TO_BE_SENT_WITHIN[job.kind]
    earlier = job.attempt - 1 + job.resends
    return job.created_at + within + earlier * (within + _RUNS_FOR[job.kind])


def deadline_to_end(kind: JobKind, sent_at: datetime) -> datetime:
    """By when a job that was sent has to end."""
    return sent_at + _RUNS_FOR[kind]


def advance(job: Job, report: Report, now: datetime) -> Job:
    """The job after hearing `report`; the same job when the report is old news."""
    if job.status.is_final or report.upstream_id in job.tried:
        return job
    if job.upstream_id is not None and job.upstream_id != report.upstream_id:
        return job
    if report.status.is_final:
        return _ended(job, report, now)
    if _RANKS[report.status] < _RANKS[job.status]:
        return job
    after = replace(
        job,
        status=report.status,
        upstream_id=report.upstream_id,
        upstream_url=report.url or job.upstream_url,
        unknown_since=None,
        unheard_since=None,
        started_at=report.started_at or job.started_at,
        progress=_further(job.progress, report.progress),
        log_tail=tail(report.logs) if report.logs else job.log_tail,
        losses=_losses(job, report),
        notice=None,
    )
    return job if after == job else _next(after, now)


def _ended(job: Job, report: Report, now: datetime) -> Job:
    # Without its secrets, which are stored nowhere, an order cannot be run again.
    may_run_again = not job.cancel_requested and not job.order.secrets
    if report.status is JobStatus.FAILED and report.transient and may_run_again:
        if job.attempt <= min(report.reruns, MOST_ATTEMPTS - 1):
            return _once_more(job, report, now)
        reason = report.failure.detail if report.failure else "The run was interrupted."
        report = replace(
            report,
            failure=Failure(FailureCode.INTERRUPTED, f"Given up after {job.attempt} runs. {reason}"),
        )
    if report.status is JobStatus.FAILED and report.cost_nothing and may_run_again and job.order.alternatives:
        reason = report.failure.detail if report.failure else "The run failed."
        return passed_over(replace(job, tried=(*job.tried, report.upstream_id)), reason, now)
    started, completed = report.started_at or job.started_at, report.completed_at or now
    predict_seconds = report.predict_seconds
    if predict_seconds is None and started is not None:
        # An answer that came as soon as the outputs were there carries no metrics yet.
        predict_seconds = max((completed - started).total_seconds(), 0.0)
    after = replace(
        job,
        status=report.status,
        upstream_id=report.upstream_id,
        upstream_url=report.url or job.upstream_url,
        unknown_since=None,
        started_at=started,
        completed_at=completed,
        predict_seconds=predict_seconds,
        progress=_further(job.progress, report.progress),
        log_tail=tail(report.logs) if report.logs else job.log_tail,
        losses=_losses(job, report),
        failure=_why_canceled(job, report) if report.status is JobStatus.CANCELED else report.failure,
        result=report.result,
        notice=None,
        due_at=None,
        revision=job.revision + 1,
        updated_at=now,
    )
    if report.status is JobStatus.SUCCEEDED and job.kind is JobKind.GENERATION:
        return _with_pictures_counted(after, report)
    return after


def _why_canceled(job: Job, report: Report) -> Failure:
    # A run that is stopped before its start may be reported as aborted, whoever stopped it.
    if job.cancel_requested:
        return Failure(FailureCode.CANCELED, "Canceled on request.")
    return report.failure or Failure(FailureCode.CANCELED, "Canceled at the provider.")


def _with_pictures_counted(job: Job, report: Report) -> Job:
    if report.outputs_removed and not report.outputs:
        return replace(
            job,
            status=JobStatus.FAILED,
            failure=Failure(
                FailureCode.OUTPUTS_LOST,
                "The provider made the pictures and deleted them before they could be fetched.",
            ),
        )
    if not report.outputs:
        return replace(
            job,
            status=JobStatus.FAILED,
            failure=Failure(FailureCode.PREDICTION_FAILED, "The run ended without a picture."),
        )
    asked, came = job.order.expected_outputs, len(report.outputs)
    if came < asked:
        withheld = asked - came
        notice = f"{came} of {asked} pictures were delivered; the safety filter withheld {withheld}."
        return replace(job, notice=notice)
    return job


def _once_more(job: Job, report: Report, now: datetime) -> Job:
    reason = report.failure.detail if report.failure else "The run was interrupted."
    job = replace(job, attempt=job.attempt + 1)
    return _next(
        replace(
            job,
            status=JobStatus.QUEUED,
            deadline=deadline_to_be_sent(job),
            tried=(*job.tried, report.upstream_id),
            upstream_id=None,
            upstream_url=None,
            sent_at=None,
            unknown_since=None,
            progress=None,
            losses=(),
            due_at=now + timedelta(seconds=2 ** (job.attempt - 1)),
            notice=f"Run {job.attempt - 1} failed and is repeated: {reason}",
        ),
        now,
    )


def sent(job: Job, now: datetime) -> Job:
    """The job when the provider is about to be called for it."""
    deadline = deadline_to_end(job.kind, now)
    return _next(
        replace(job, sent_at=now, deadline=deadline, unknown_since=None, due_at=now + LEASE, notice=None),
        now,
    )


def held_back(job: Job, error: AppError, pause: timedelta, now: datetime) -> Job:
    """The job when it surely did not reach the provider and has to be sent again after `pause`."""
    notice = f"Waiting to be sent again: {error.detail}"
    deadline = deadline_to_be_sent(job)
    return _next(
        replace(job, sent_at=None, unknown_since=None, deadline=deadline, due_at=now + pause, notice=notice),
        now,
    )


def passed_over(job: Job, reason: str, now: datetime) -> Job:
    """The job when its order cannot be run and surely cost nothing: due at once, with the next one."""
    order, *others = job.order.alternatives
    return _next(
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


def answer_lost(job: Job, error: AppError | None, now: datetime, *, findable: bool = True) -> Job:
    """The job when it may or may not run at the provider; `findable` says whether that can be found out."""
    since = job.unknown_since or now
    if not findable:
        reason = f" {error.detail}" if error is not None else ""
        notice = (
            "Whether it runs is unknown, since the provider's answer was lost, and cannot be asked. It is "
            f"not sent again by itself, because that might be paid twice.{reason}"
        )
        return _next(replace(job, unknown_since=since, due_at=since + UNKNOWN_FOR, notice=notice), now)
    if error is not None:
        notice = f"Looking for the run at the provider, since its answer was lost: {error.detail}"
    else:
        notice = job.notice or "Looking for the run at the provider, since its answer was lost."
    # Soon at first, since the run is most likely there; then with the patience that settling takes.
    pause = timedelta(seconds=1) if job.unknown_since is None else (now - since) + timedelta(seconds=1)
    return _next(
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
    return _next(
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


def pictures_waiting(job: Job, reason: str, *, gone: bool, now: datetime) -> Job:
    """The job, not yet succeeded, when its pictures are made but could not be fetched."""
    since = job.fetching_since or now
    pause = min(timedelta(seconds=1) + (now - since), timedelta(minutes=1))
    notice = f"The pictures are made and being fetched: {reason}"
    return _next(
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
    return _next(replace(job, unheard_since=since, due_at=now + pause, notice=notice), now)


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
    hours = round(_RUNS_FOR[kind].total_seconds() / 3600)
    limit = "1 hour" if hours == 1 else f"{hours} hours"
    return Failure(FailureCode.DEADLINE_EXCEEDED, f"It did not end within {limit}.")


def ended(job: Job, status: JobStatus, failure: Failure, now: datetime) -> Job:
    """The job when we end it ourselves."""
    return _next(
        replace(job, status=status, failure=failure, completed_at=now, due_at=None, notice=None), now
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
    return _next(replace(job, cancel_requested=True, due_at=now), now)


def next_look(job: Job, now: datetime, usual_seconds: float | None) -> datetime:
    """When to ask the provider about a running job, given how long its model usually takes."""
    running = (now - (job.started_at or job.sent_at or now)).total_seconds()
    usual = usual_seconds or 0.0
    if running < usual:
        pause = max(0.5, min(usual - running, 30.0))
    else:
        pause = min(max(0.5, (running - usual) / 4), 5.0)
    return now + timedelta(seconds=pause)


def _further(old: Progress | None, new: Progress | None) -> Progress | None:
    if old is None or new is None:
        return new or old
    return new if _distance(new) >= _distance(old) else old


def _losses(job: Job, report: Report) -> tuple[tuple[int, float], ...]:
    if job.kind is not JobKind.TRAINING or not report.logs:
        return job.losses
    steps = job.order.input.get("steps")
    return continued(job.losses, report.logs, steps=steps if isinstance(steps, int) else None)


def _distance(progress: Progress) -> tuple[int, int]:
    phase = _PHASES.index(progress.phase) if progress.phase in _PHASES else 0
    return phase, progress.percent


def _next(job: Job, now: datetime) -> Job:
    return replace(job, revision=job.revision + 1, updated_at=now)
