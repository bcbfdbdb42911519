"""What a provider's report makes of a job."""

from dataclasses import replace
from datetime import datetime, timedelta

from app.models import Failure, FailureCode, Job, JobKind, JobStatus, Progress
from app.services.jobs.life.deadlines import deadline_to_be_sent
from app.services.jobs.life.steps import next_revision, passed_over
from app.services.loss_curve import continued
from app.services.provider import Report
from app.services.training_log import tail

MOST_ATTEMPTS = 3
"""How often an order is run at most, when the provider says that a new run may succeed."""

_RANKS = {JobStatus.QUEUED: 0, JobStatus.STARTING: 1, JobStatus.PROCESSING: 2}

_PHASES = ("preparing", "captioning", "training", "saving")


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
    return job if after == job else next_revision(after, now)


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
    return next_revision(
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
