"""Replicate's prediction and training objects, read leniently into reports."""

from collections.abc import Iterator
from datetime import UTC, datetime

from app.models import Failure, FailureCode, JobKind, JobStatus, Progress, TrainingResult
from app.services.provider import Report
from app.services.provider_wire.secrecy import Scrubber, secrets_in
from app.services.replicate_client.failures import failure_of
from app.services.training_log import read_progress

_STATUSES = {
    "starting": JobStatus.STARTING,
    "processing": JobStatus.PROCESSING,
    "succeeded": JobStatus.SUCCEEDED,
    "failed": JobStatus.FAILED,
    "canceled": JobStatus.CANCELED,
    "aborted": JobStatus.CANCELED,
}
_ADDRESS = ("https://", "http://", "data:")


def report_of(
    run: dict[str, object],
    kind: JobKind,
    scrub: Scrubber,
    *,
    expected_outputs: int | None = None,
    secrets: tuple[str, ...] = (),
) -> Report:
    """What `run`, an object with an `id`, says. A status that we do not know counts as under way.

    With `expected_outputs`, a run that is `processing` with that many outputs counts as succeeded: the
    answer to a waiting create shows a finished run so.
    """
    word = run.get("status")
    status = _STATUSES.get(word if isinstance(word, str) else "", JobStatus.PROCESSING)
    run_input = run.get("input")
    hidden = (*secrets, *(secrets_in(run_input) if isinstance(run_input, dict) else ()))
    outputs = tuple(_addresses(run.get("output"))) if kind is JobKind.GENERATION else ()
    if (
        word == "processing"
        and kind is JobKind.GENERATION
        and expected_outputs is not None
        and len(outputs) >= max(expected_outputs, 1)
    ):
        status = JobStatus.SUCCEEDED
    failure, reruns = None, 0
    if status is JobStatus.FAILED:
        failure, reruns = failure_of(run.get("error"), scrub, hidden)
    elif status is JobStatus.CANCELED:
        failure = _cancellation(run, aborted=word == "aborted")
    logs = run.get("logs")
    logs = scrub(logs, hidden) if isinstance(logs, str) else None
    version = run.get("version")
    return Report(
        status=status,
        upstream_id=str(run["id"]),
        outputs=outputs,
        outputs_removed=run.get("data_removed") is True,
        failure=failure,
        reruns=reruns,
        version=version if isinstance(version, str) and version != "hidden" else None,
        logs=logs,
        progress=_progress(logs, run_input) if kind is JobKind.TRAINING else None,
        started_at=moment(run.get("started_at")),
        completed_at=moment(run.get("completed_at")),
        predict_seconds=_predict_seconds(run.get("metrics")),
        result=_training_result(run.get("output")) if kind is JobKind.TRAINING else None,
    )


def moment(value: object) -> datetime | None:
    """The aware time in an ISO 8601 text with any number of fraction digits; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _addresses(output: object) -> Iterator[str]:
    """The addresses in an output: one, a list of them, or either as the values of an object."""
    if isinstance(output, str):
        if output.startswith(_ADDRESS):
            yield output
    elif isinstance(output, list | dict):
        for part in output.values() if isinstance(output, dict) else output:
            yield from _addresses(part)


def _cancellation(run: dict[str, object], *, aborted: bool) -> Failure | None:
    deadline = moment(run.get("deadline"))
    completed = moment(run.get("completed_at"))
    if deadline is not None and (aborted or (completed is not None and completed >= deadline)):
        return Failure(FailureCode.DEADLINE_EXCEEDED, "The run reached its deadline at Replicate.")
    if aborted:
        return Failure(FailureCode.INTERRUPTED, "Replicate ended the run before it had begun.")
    return None


def _progress(logs: str | None, run_input: object) -> Progress | None:
    if not logs:
        return None
    values = run_input if isinstance(run_input, dict) else {}
    steps = values.get("steps", values.get("training_steps"))
    return read_progress(logs, steps=steps if isinstance(steps, int) else None)


def _predict_seconds(metrics: object) -> float | None:
    seconds = metrics.get("predict_time") if isinstance(metrics, dict) else None
    return float(seconds) if isinstance(seconds, int | float) else None


def _training_result(output: object) -> TrainingResult | None:
    if not isinstance(output, dict) or not isinstance(output.get("version"), str):
        return None
    weights = output.get("weights")
    return TrainingResult(output["version"], weights if isinstance(weights, str) else None)
