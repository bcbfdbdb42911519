"""Where a job stands, in a sentence for people."""

from typing import assert_never

from app.models import Job, JobKind, JobStatus, Progress

_PHASES = {
    "preparing": "Preparing the pictures",
    "captioning": "Writing captions",
    "training": "Training",
    "saving": "Saving the model",
    "generating": "Painting",
}


def standing(job: Job) -> str:
    """What to tell the person who waits for `job`."""
    if not job.status.is_final:
        if job.cancel_requested:
            return "Being canceled; where the provider cannot stop it, it ends by itself."
        if job.unknown_since is not None:
            return "The provider's answer was lost; finding out whether the run exists."
    match job.status:
        case JobStatus.QUEUED:
            return "Waiting to be taken by the provider."
        case JobStatus.STARTING:
            return "Starting at the provider; this takes some minutes when its machine is cold."
        case JobStatus.PROCESSING:
            return _progress(job, job.progress)
        case JobStatus.SUCCEEDED:
            return _success(job)
        case JobStatus.FAILED:
            return f"Failed: {job.failure.detail}" if job.failure else "Failed."
        case JobStatus.CANCELED:
            return f"Canceled: {job.failure.detail}" if job.failure else "Canceled."
    assert_never(job.status)


def _progress(job: Job, progress: Progress | None) -> str:
    if job.fetching_since is not None:
        return "Finished at the provider; fetching the pictures."
    if progress is None:
        return "Training." if job.kind is JobKind.TRAINING else "Painting."
    parts = [_PHASES.get(progress.phase, "Running")]
    if progress.percent:
        parts.append(f"{progress.percent} %")
    if progress.eta_seconds is not None:
        parts.append(_left(progress.eta_seconds))
    return f"{', '.join(parts)}."


def _success(job: Job) -> str:
    if job.kind is JobKind.GENERATION:
        return f"Done: {_counted(len(job.images), 'picture')}."
    if job.result is None:
        return "Done."
    trigger = f" and {job.order.trigger_word!r} in the prompt" if job.order.trigger_word else ""
    return f"Done. Generate with model {job.result.version!r}{trigger}."


def _left(seconds: int) -> str:
    """A duration as a person would say it: rounded, in one unit."""
    if seconds < 45:
        return "less than a minute left"
    minutes = max(1, round(seconds / 60))
    if minutes < 90:
        return f"about {_counted(minutes, 'minute')} left"
    return f"about {_counted(round(minutes / 60), 'hour')} left"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
