"""BFL's tasks, read leniently into reports: its schema calls most of their members "any"."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime

from app.models import Failure, FailureCode, JobKind, JobStatus, JsonValue, Progress, TrainingResult
from app.services.bfl_client.catalogue import PROVIDER
from app.services.provider import Report
from app.services.provider_wire.secrecy import Scrubber

TASK_NOT_FOUND = "Task not found"
TRAINED_MODEL = f"{PROVIDER}/flux-pro-1.1-ultra-finetuned"
"""The model that a finished fine-tune is used with."""

_STATUSES = {
    "Pending": JobStatus.STARTING,
    "Queued": JobStatus.STARTING,
    "Uploading": JobStatus.PROCESSING,
    "Reasoning": JobStatus.PROCESSING,
    "Generating": JobStatus.PROCESSING,
    "Ready": JobStatus.SUCCEEDED,
    "Request Moderated": JobStatus.FAILED,
    "Content Moderated": JobStatus.FAILED,
    "Error": JobStatus.FAILED,
}
_FAILURES = {
    "Request Moderated": (
        FailureCode.CONTENT_MODERATED,
        "The safety filter of Black Forest Labs refused the request before anything was made, and nothing was"
        " charged. Another prompt or another input picture may pass.",
    ),
    "Content Moderated": (
        FailureCode.CONTENT_MODERATED,
        "The safety filter of Black Forest Labs withheld the finished picture, and nothing was charged."
        " Another prompt or another seed may pass.",
    ),
    "Error": (FailureCode.PREDICTION_FAILED, "The task failed at Black Forest Labs."),
}
_PHASES = {JobKind.GENERATION: "generating", JobKind.TRAINING: "training"}
_MOST_DETAILS = 10_000
_EARLIEST = 1e9
"""Seconds since 1970; what is less is no time of day."""


def is_task(body: object) -> bool:
    """Whether an answer shows a task, whatever its HTTP status says."""
    return isinstance(body, dict) and isinstance(body.get("id"), str) and body.get("status") in _STATUSES


def report_of(
    task: dict[str, object], kind: JobKind, scrub: Scrubber, *, upstream_id: str, url: str | None
) -> Report:
    """What `task` says, the answer to an order included. A status that is not known counts as under way."""
    word = task.get("status", "Pending")
    status = _STATUSES.get(word, JobStatus.PROCESSING) if isinstance(word, str) else JobStatus.PROCESSING
    progress = _progress(task.get("progress"), kind)
    if status is JobStatus.STARTING and progress is not None and progress.percent > 0:
        status = JobStatus.PROCESSING  # The older models have no other word for it.
    found = task.get("result")
    result = found if isinstance(found, dict) else {}
    started, completed = _moment(result.get("start_time")), _moment(result.get("end_time"))
    done = status is JobStatus.SUCCEEDED
    return Report(
        status=status,
        upstream_id=upstream_id,
        url=url,
        outputs=_outputs(result) if done and kind is JobKind.GENERATION else (),
        failure=_failure(str(word), task, scrub) if status is JobStatus.FAILED else None,
        logs=_log(result, scrub) if done else None,
        progress=progress,
        started_at=started,
        completed_at=completed,
        predict_seconds=_seconds(result.get("duration"), started, completed),
        result=_trained(result, upstream_id) if done and kind is JobKind.TRAINING else None,
    )


def _outputs(result: dict[str, object]) -> tuple[str, ...]:
    sample = result.get("sample")
    return (sample,) if isinstance(sample, str) and sample else ()


def _trained(result: dict[str, object], upstream_id: str) -> TrainingResult:
    named = result.get("finetune_id")
    return TrainingResult(f"{TRAINED_MODEL}:{named if isinstance(named, str) and named else upstream_id}")


def _log(result: dict[str, object], scrub: Scrubber) -> str | None:
    """The prompt as the model improved it, and the seed: no other answer tells them."""
    lines = [f"{name}: {result[name]}" for name in ("prompt", "seed") if result.get(name) not in (None, "")]
    return scrub("\n".join(lines)) or None


def _failure(word: str, task: dict[str, object], scrub: Scrubber) -> Failure:
    code, sentence = _FAILURES[word]
    details = task.get("details")
    if details is None and isinstance(task.get("result"), dict):
        details = task["result"]
    said = scrub.words("; ".join(_texts(details)))
    return Failure(code, f"{sentence} It says: {said}" if said else sentence, _kept(details, scrub))


def _texts(details: object) -> Iterator[str]:
    """The sentences in what BFL says of a failure, whatever its shape."""
    if isinstance(details, str):
        yield details
    elif isinstance(details, list | dict):
        for part in details.values() if isinstance(details, dict) else details:
            yield from _texts(part)


def _kept(details: object, scrub: Scrubber) -> JsonValue:
    """The details as they came, without secrets; long ones as a text that is cut short."""
    if details is None:
        return None
    text = scrub(json.dumps(details))
    if len(text) > _MOST_DETAILS:
        return f"{text[:_MOST_DETAILS]}…"
    kept: JsonValue = json.loads(text, parse_constant=lambda _: None)
    return kept


def _progress(share: object, kind: JobKind) -> Progress | None:
    number = _number(share)
    if number is None:
        return None
    return Progress(phase=_PHASES[kind], percent=round(min(max(number, 0.0), 1.0) * 100))


def _moment(value: object) -> datetime | None:
    seconds = _number(value)
    if seconds is None or seconds < _EARLIEST:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _seconds(duration: object, started: datetime | None, completed: datetime | None) -> float | None:
    seconds = _number(duration)
    if seconds is not None and seconds >= 0:
        return seconds
    return max((completed - started).total_seconds(), 0.0) if started and completed else None


def _number(value: object) -> float | None:
    """`value` if it is a number that can be reckoned with, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
