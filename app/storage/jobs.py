"""Rows of jobs, and of the images that belong to them."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from app.models import (
    EventType,
    Failure,
    FailureCode,
    Image,
    Job,
    JobKind,
    JobStatus,
    Order,
    Progress,
    TrainingResult,
)
from app.storage.database import Database
from app.storage.events import record_events
from app.storage.fine_tunes import register
from app.storage.images import image_from_row, image_to_row
from app.storage.tables import images, jobs

logger = logging.getLogger(__name__)

_FIXED = frozenset(
    {"id", "kind", "provider", "model", "expected_outputs", "seed", "trigger_word", "ignored", "secrets"}
    | {"created_at", "idempotency_key", "request_digest", "dataset_id", "webhook_url", "webhook_events"}
    | {"warnings"}
)
_CHANGING = tuple(column.name for column in jobs.c if column.name not in _FIXED)
_PROGRESS_FIELDS = frozenset(field.name for field in fields(Progress))
_ADD_JOB = insert(jobs)
_ADD_IMAGE = insert(images)
_ONE = select(jobs).where(jobs.c.id == bindparam("id"))
_CHANGE = (
    update(jobs)
    .where(jobs.c.id == bindparam("this_id"), jobs.c.revision == bindparam("seen_revision"))
    .values({name: bindparam(name) for name in _CHANGING})
)


class RunTakenError(Exception):
    """A run at the provider was taken for a job's own, but belongs to another job."""


class JobStore:
    """Adds jobs, finds them, and changes them by compare-and-set."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, job: Job) -> bool:
        """Record a new job; False if its idempotency key is taken."""
        row = _to_row(job)

        def operation(connection: Connection) -> None:
            connection.execute(_ADD_JOB, row)

        try:
            await self._database.write(operation)
        except IntegrityError:
            return False
        return True

    async def change(self, job: Job) -> bool:
        """Write `job` over its previous revision; False if someone was faster.

        What follows from it is written in the same transaction: its images, the events that its receiver
        is owed, the model that it trained.

        Raises `RunTakenError` if its run at the provider belongs to another job.
        """
        row = _to_row(job)
        values = {name: row[name] for name in _CHANGING}
        values |= {"this_id": job.id, "seen_revision": job.revision - 1}
        pictures = [image_to_row(image) for image in job.images] if job.status.is_final else []

        def operation(connection: Connection) -> bool:
            if connection.execute(_CHANGE, values).rowcount != 1:
                return False
            if pictures:
                connection.execute(_ADD_IMAGE, pictures)
            if job.webhook_events:
                record_events(connection, job)
            if job.result is not None and job.status is JobStatus.SUCCEEDED:
                register(connection, job)
            return True

        try:
            return await self._database.write(operation)
        except IntegrityError as exc:
            if "upstream_id" not in str(exc.orig):
                raise
            raise RunTakenError(f"The run {job.upstream_id!r} belongs to another job.") from exc

    async def get(self, job_id: str) -> Job | None:
        """One job with its images."""

        def operation(connection: Connection) -> Job | None:
            row = connection.execute(_ONE, {"id": job_id}).one_or_none()
            return _with_images(connection, [row])[0] if row is not None else None

        return await self._database.read(operation)

    async def with_key(self, idempotency_key: str) -> Job | None:
        """The job that was started under this idempotency key."""
        return await self._first(jobs.c.idempotency_key == idempotency_key)

    async def with_upstream_id(self, upstream_id: str) -> Job | None:
        """The job whose run has this id at its provider."""
        return await self._first(jobs.c.upstream_id == upstream_id)

    async def with_result(self, version: str) -> Job | None:
        """The training that made this version, given by its bare id."""
        made = jobs.c.result_version.endswith(f":{version}", autoescape=True)
        succeeded = jobs.c.status == JobStatus.SUCCEEDED.value
        return await self._first(and_(succeeded, jobs.c.kind == JobKind.TRAINING.value, made))

    async def upstream_ids(self, *, since: datetime) -> set[str]:
        """The ids of all runs that jobs made since then have, or have had."""
        query = select(jobs.c.upstream_id, jobs.c.tried).where(jobs.c.created_at >= since)

        def operation(connection: Connection) -> set[str]:
            known: set[str] = set()
            for upstream_id, tried in connection.execute(query):
                known.update(tried)
                if upstream_id is not None:
                    known.add(upstream_id)
            return known

        return await self._database.read(operation)

    async def page(
        self,
        *,
        kind: JobKind | None,
        status: JobStatus | None,
        before: tuple[datetime, str] | None,
        limit: int,
    ) -> list[Job]:
        """Up to `limit` jobs, newest first, beginning after `before` (time of creation and id)."""
        query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(jobs.c.kind == kind.value)
        if status is not None:
            query = query.where(jobs.c.status == status.value)
        if before is not None:
            moment, job_id = before
            query = query.where(
                or_(
                    jobs.c.created_at < moment,
                    and_(jobs.c.created_at == moment, jobs.c.id < job_id),
                )
            )

        def operation(connection: Connection) -> list[Job]:
            return _with_images(connection, connection.execute(query).all())

        return await self._database.read(operation)

    async def claim_due(self, *, now: datetime, until: datetime, limit: int, unsent: int) -> list[Job]:
        """Jobs that are due, oldest first; they do not fall due for anybody again before `until`.

        Among them at most `unsent` that have yet to be sent.
        """
        due = jobs.c.due_at <= now
        begun = select(jobs.c.id).where(due, jobs.c.sent_at.is_not(None)).order_by(jobs.c.created_at)
        new = select(jobs.c.id).where(due, jobs.c.sent_at.is_(None)).order_by(jobs.c.created_at)

        def any_due(connection: Connection) -> list[str]:
            ids = [str(row.id) for row in connection.execute(begun.limit(limit))]
            return ids + [str(row.id) for row in connection.execute(new.limit(unsent))]

        ids = await self._database.read(any_due)
        if not ids:
            return []
        claim = update(jobs).where(jobs.c.id.in_(ids), due).values(due_at=until).returning(jobs)

        def operation(connection: Connection) -> list[Job]:
            return _readable(connection.execute(claim).all())

        return sorted(await self._database.write(operation), key=lambda job: (job.created_at, job.id))

    async def hold(self, job_ids: Sequence[str], *, until: datetime) -> None:
        """Keep jobs that are being worked on from falling due."""
        statement = (
            update(jobs).where(jobs.c.id.in_(list(job_ids)), jobs.c.due_at.is_not(None)).values(due_at=until)
        )

        def operation(connection: Connection) -> None:
            connection.execute(statement)

        await self._database.write(operation)

    async def usual_seconds(self, *, since: datetime) -> dict[str, float]:
        """How long runs of each model took on average, of those that succeeded since then."""
        query = (
            select(jobs.c.model, func.avg(jobs.c.predict_seconds))
            .where(jobs.c.created_at >= since, jobs.c.predict_seconds.is_not(None))
            .group_by(jobs.c.model)
        )

        def operation(connection: Connection) -> dict[str, float]:
            return {str(model): float(seconds) for model, seconds in connection.execute(query)}

        return await self._database.read(operation)

    async def _first(self, condition: Any) -> Job | None:
        def operation(connection: Connection) -> Job | None:
            row = connection.execute(select(jobs).where(condition).limit(1)).one_or_none()
            return _with_images(connection, [row])[0] if row is not None else None

        return await self._database.read(operation)


def _readable(rows: Sequence[Row[Any]]) -> list[Job]:
    """The jobs of these rows; one that cannot be read must not hold up the others."""
    found = []
    for row in rows:
        try:
            found.append(_from_row(row, ()))
        except (KeyError, TypeError, ValueError):
            logger.exception("the record of job %s cannot be read", row.id)
    return found


def _with_images(connection: Connection, rows: Sequence[Row[Any]]) -> list[Job]:
    by_job: dict[str, list[Image]] = {}
    done = [row.id for row in rows if row.status == JobStatus.SUCCEEDED]
    if done:
        query = select(images).where(images.c.job_id.in_(done)).order_by(images.c.position)
        for row in connection.execute(query):
            by_job.setdefault(row.job_id, []).append(image_from_row(row))
    return [_from_row(row, tuple(by_job.get(row.id, ()))) for row in rows]


def _to_row(job: Job) -> dict[str, Any]:
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
        "tried": list(job.tried),
        "progress": asdict(job.progress) if job.progress is not None else None,
        "log_tail": job.log_tail,
        "notice": job.notice,
        "failure_code": job.failure.code.value if job.failure is not None else None,
        "failure_detail": job.failure.detail if job.failure is not None else None,
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
        tried=tuple(values["tried"]),
        progress=_progress(values["progress"]),
        log_tail=values["log_tail"],
        notice=values["notice"],
        failure=_failure(values["failure_code"], values["failure_detail"]),
        result=_result(values["result_version"], values["result_weights"]),
        cancel_requested=values["cancel_requested"],
        idempotency_key=values["idempotency_key"],
        request_digest=values["request_digest"],
        dataset_id=values["dataset_id"],
        webhook_url=values["webhook_url"],
        webhook_events=tuple(EventType(event) for event in values["webhook_events"] or ()),
        warnings=tuple(values["warnings"] or ()),
        losses=tuple((int(step), float(loss)) for step, loss in values["losses"] or ()),
        images=pictures,
    )


def _progress(stored: dict[str, Any] | None) -> Progress | None:
    """What is known of it here: a newer version of the service may have stored more."""
    if stored is None or "phase" not in stored:
        return None
    return Progress(**{name: value for name, value in stored.items() if name in _PROGRESS_FIELDS})


def _failure(code: str | None, detail: str | None) -> Failure | None:
    return Failure(FailureCode(code), detail or "") if code is not None else None


def _result(version: str | None, weights: str | None) -> TrainingResult | None:
    return TrainingResult(version, weights) if version is not None else None
