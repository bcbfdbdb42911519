"""Jobs as rows and back."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Connection, Row, select

from app.models import (
    EventType,
    Failure,
    FailureCode,
    Image,
    Job,
    JobKind,
    JobStatus,
    JsonValue,
    Order,
    PassedOver,
    Progress,
    TrainingResult,
)
from app.storage.images import image_from_row
from app.storage.tables import images

logger = logging.getLogger(__name__)

_PROGRESS_FIELDS = frozenset(field.name for field in fields(Progress))


def readable_jobs(rows: Sequence[Row[Any]]) -> list[Job]:
    """The jobs of these rows; one that cannot be read must not hold up the others."""
    found = []
    for row in rows:
        try:
            found.append(_from_row(row, ()))
        except (KeyError, TypeError, ValueError):
            logger.exception("the record of job %s cannot be read", row.id)
    return found


def with_images(connection: Connection, rows: Sequence[Row[Any]]) -> list[Job]:
    """The jobs of these rows with their pictures."""
    by_job: dict[str, list[Image]] = {}
    done = [row.id for row in rows if row.status == JobStatus.SUCCEEDED]
    if done:
        query = select(images).where(images.c.job_id.in_(done)).order_by(images.c.position)
        for row in connection.execute(query):
            by_job.setdefault(row.job_id, []).append(image_from_row(row))
    return [_from_row(row, tuple(by_job.get(row.id, ()))) for row in rows]


def to_row(job: Job) -> dict[str, Any]:
    """The columns of a job."""
    order = job.order
    return {
        "id": job.id,
        "kind": order.kind.value,
        "status": job.status.value,
        "provider": order.provider,
        "model": order.model,
        "version": order.version,
        "input": dict(order.input),
        "expected_outputs": order.expected_outputs,
        "seed": order.seed,
        "destination": order.destination,
        "training_set": order.training_set,
        "trigger_word": order.trigger_word,
        "ignored": list(order.ignored),
        "secrets": list(order.secrets),
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "deadline": job.deadline,
        "due_at": job.due_at,
        "revision": job.revision,
        "attempt": job.attempt,
        "sent_at": job.sent_at,
        "unknown_since": job.unknown_since,
        "fetching_since": job.fetching_since,
        "gone_since": job.gone_since,
        "unheard_since": job.unheard_since,
        "resends": job.resends,
        "started_at": job.started_at,
        "completed_at": job.completed_at,
        "predict_seconds": job.predict_seconds,
        "upstream_id": job.upstream_id,
        "upstream_url": job.upstream_url,
        "tried": list(job.tried),
        "progress": asdict(job.progress) if job.progress is not None else None,
        "log_tail": job.log_tail,
        "notice": job.notice,
        "failure_code": job.failure.code.value if job.failure is not None else None,
        "failure_detail": job.failure.detail if job.failure is not None else None,
        "failure_provider_details": job.failure.provider_details if job.failure is not None else None,
        "result_version": job.result.version if job.result is not None else None,
        "result_weights": job.result.weights if job.result is not None else None,
        "cancel_requested": job.cancel_requested,
        "idempotency_key": job.idempotency_key,
        "request_digest": job.request_digest,
        "dataset_id": job.dataset_id,
        "webhook_url": job.webhook_url,
        "webhook_events": [event.value for event in job.webhook_events],
        "warnings": list(job.warnings),
        "losses": [list(point) for point in job.losses],
        "alternatives": [_alternative_to_json(alternative) for alternative in order.alternatives],
        "passed_over": [asdict(passed) for passed in job.passed_over],
    }


def _from_row(row: Row[Any], pictures: tuple[Image, ...]) -> Job:
    values = row._mapping
    return Job(
        id=values["id"],
        order=Order(
            provider=values["provider"],
            kind=JobKind(values["kind"]),
            model=values["model"],
            version=values["version"],
            input=values["input"],
            expected_outputs=values["expected_outputs"],
            seed=values["seed"],
            destination=values["destination"],
            training_set=values["training_set"],
            trigger_word=values["trigger_word"],
            ignored=tuple(values["ignored"]),
            secrets=tuple(values["secrets"]),
            alternatives=tuple(
                _alternative_from_json(stored, values["kind"]) for stored in values["alternatives"] or ()
            ),
        ),
        status=JobStatus(values["status"]),
        created_at=values["created_at"],
        updated_at=values["updated_at"],
        deadline=values["deadline"],
        due_at=values["due_at"],
        revision=values["revision"],
        attempt=values["attempt"],
        sent_at=values["sent_at"],
        unknown_since=values["unknown_since"],
        fetching_since=values["fetching_since"],
        gone_since=values["gone_since"],
        unheard_since=values["unheard_since"],
        resends=values["resends"],
        started_at=values["started_at"],
        completed_at=values["completed_at"],
        predict_seconds=values["predict_seconds"],
        upstream_id=values["upstream_id"],
        upstream_url=values["upstream_url"],
        tried=tuple(values["tried"]),
        progress=_progress(values["progress"]),
        log_tail=values["log_tail"],
        notice=values["notice"],
        failure=_failure(
            values["failure_code"], values["failure_detail"], values["failure_provider_details"]
        ),
        result=_result(values["result_version"], values["result_weights"]),
        cancel_requested=values["cancel_requested"],
        idempotency_key=values["idempotency_key"],
        request_digest=values["request_digest"],
        dataset_id=values["dataset_id"],
        webhook_url=values["webhook_url"],
        webhook_events=tuple(EventType(event) for event in values["webhook_events"] or ()),
        warnings=tuple(values["warnings"] or ()),
        passed_over=tuple(PassedOver(**passed) for passed in values["passed_over"] or ()),
        losses=tuple((int(step), float(loss)) for step, loss in values["losses"] or ()),
        images=pictures,
    )


def _progress(stored: dict[str, Any] | None) -> Progress | None:
    """What is known of it here: a newer version of the service may have stored more."""
    if stored is None or "phase" not in stored:
        return None
    return Progress(**{name: value for name, value in stored.items() if name in _PROGRESS_FIELDS})


def _failure(code: str | None, detail: str | None, provider_details: JsonValue) -> Failure | None:
    return Failure(FailureCode(code), detail or "", provider_details) if code is not None else None


def _alternative_to_json(order: Order) -> dict[str, Any]:
    # What only trainings have is left out: those have no alternatives.
    return {
        "provider": order.provider,
        "model": order.model,
        "version": order.version,
        "input": dict(order.input),
        "expected_outputs": order.expected_outputs,
        "seed": order.seed,
        "ignored": list(order.ignored),
    }


def _alternative_from_json(stored: dict[str, Any], kind: str) -> Order:
    return Order(**{**stored, "kind": JobKind(kind), "ignored": tuple(stored["ignored"])})


def _result(version: str | None, weights: str | None) -> TrainingResult | None:
    return TrainingResult(version, weights) if version is not None else None
