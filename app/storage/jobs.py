"""Rows of jobs, and of the images that belong to them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any

from sqlalchemy import (
    Connection,
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
    NO_LIMITS,
    Job,
    JobKind,
    JobStatus,
    Limits,
)
from app.storage.database import Database, Together
from app.storage.events import record_events
from app.storage.fine_tunes import register
from app.storage.images import image_to_row
from app.storage.job_queue import has_room, place_of, sendable_ids
from app.storage.job_rows import readable_jobs, to_row, with_images
from app.storage.rows_at_once import AddAtOnce, ChangeAtOnce, Row
from app.storage.tables import images, jobs

_FIXED = frozenset(
    {"id", "kind", "trigger_word", "secrets"}
    | {"created_at", "idempotency_key", "request_digest", "dataset_id", "webhook_url", "webhook_events"}
    | {"warnings"}
)
_CHANGING = tuple(column.name for column in jobs.c if column.name not in _FIXED)
_SEEN = {"id": "this_id", "revision": "seen_revision"}
_ADD_JOB = insert(jobs)
_ADD_JOBS = AddAtOnce(jobs)
_ADD_IMAGE = insert(images)
_ADD_IMAGES = AddAtOnce(images)
_ONE = select(jobs).where(jobs.c.id == bindparam("id"))
_CHANGE = (
    update(jobs)
    .where(*(jobs.c[name] == bindparam(given) for name, given in _SEEN.items()))
    .values({name: bindparam(name) for name in _CHANGING})
)
_CHANGE_ALL = ChangeAtOnce(jobs, _CHANGING, _SEEN)


class Sending(Enum):
    """What came of the wish to send a job: it may be sent, somebody else has it, or it has to wait."""

    DONE = auto()
    TAKEN = auto()
    NO_ROOM = auto()


class RunTakenError(Exception):
    """A run at the provider was taken for a job's own, but belongs to another job."""


def _change_all(connection: Connection, changes: Sequence[tuple[Row, Sequence[Row]]]) -> bool:
    """Change jobs, each to its values, and add the pictures of each; whether all could be changed."""
    pictures = [picture for _, of_job in changes for picture in of_job]
    return _CHANGE_ALL(connection, [values for values, _ in changes]) and (
        not pictures or _ADD_IMAGES(connection, pictures)
    )


class JobStore:
    """Adds jobs, finds them, and changes them by compare-and-set."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, job: Job) -> bool:
        """Record a new job; False if its idempotency key is taken."""
        row = to_row(job)

        def operation(connection: Connection) -> bool:
            connection.execute(_ADD_JOB, row)
            return True

        try:
            return await self._database.write(operation, together=Together(_ADD_JOBS, row))
        except IntegrityError:
            return False

    async def change(self, job: Job) -> bool:
        """Write `job` over its previous revision; False if someone was faster.

        What follows from it is written in the same transaction: its images, the events that its receiver
        is owed, the model that it trained.

        Raises `RunTakenError` if its run at the provider belongs to another job.
        """
        return await self._write(job)

    async def send(self, job: Job, limits: Limits, *, behind_others: bool) -> Sending:
        """Like `change`, for a job that is about to be sent, if its provider has room for it.

        With `behind_others` there is room only once no older job waits for the same model.
        """
        room = True

        def there_is_room(connection: Connection) -> bool:
            nonlocal room
            room = has_room(connection, job, limits, behind_others=behind_others)
            return room

        if limits == NO_LIMITS:
            return Sending.DONE if await self.change(job) else Sending.TAKEN
        if await self._write(job, there_is_room):
            return Sending.DONE
        return Sending.TAKEN if room else Sending.NO_ROOM

    async def _write(self, job: Job, condition: Callable[[Connection], bool] | None = None) -> bool:
        row = to_row(job)
        values = {name: row[name] for name in _CHANGING}
        values |= {"this_id": job.id, "seen_revision": job.revision - 1}
        pictures = [image_to_row(image) for image in job.images] if job.status.is_final else []
        trained = job.result is not None and job.status is JobStatus.SUCCEEDED

        def operation(connection: Connection) -> bool:
            if condition is not None and not condition(connection):
                return False
            if connection.execute(_CHANGE, values).rowcount != 1:
                return False
            if pictures:
                connection.execute(_ADD_IMAGE, pictures)
            if job.webhook_events:
                record_events(connection, job)
            if trained:
                register(connection, job)
            return True

        is_alone = condition is not None or job.webhook_events or trained
        together = None if is_alone else Together(_change_all, (values, pictures))
        try:
            return await self._database.write(operation, together=together)
        except IntegrityError as exc:
            if "upstream_id" not in str(exc.orig):
                raise
            raise RunTakenError(f"The run {job.upstream_id!r} belongs to another job.") from exc

    async def place(self, job: Job) -> int:
        """How many jobs, this one included, wait to be sent to its provider no later than this one."""
        return await self._database.read(lambda connection: place_of(connection, job))

    async def get(self, job_id: str) -> Job | None:
        """One job with its images."""

        def operation(connection: Connection) -> Job | None:
            row = connection.execute(_ONE, {"id": job_id}).one_or_none()
            return with_images(connection, [row])[0] if row is not None else None

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
            return with_images(connection, connection.execute(query).all())

        return await self._database.read(operation)

    async def claim_due(
        self,
        *,
        now: datetime,
        until: datetime,
        limit: int,
        rooms: Mapping[str, int],
        limits: Callable[[str, str], Limits],
    ) -> list[Job]:
        """Jobs that are due, oldest first; they do not fall due for anybody again before `until`.

        Those that have yet to be sent are chosen as `sendable_ids` has it.
        """
        due = jobs.c.due_at <= now
        begun = select(jobs.c.id).where(due, jobs.c.sent_at.is_not(None)).order_by(jobs.c.created_at)

        def any_due(connection: Connection) -> list[str]:
            ids = [str(row.id) for row in connection.execute(begun.limit(limit))]
            return ids + sendable_ids(connection, now=now, rooms=rooms, limits=limits)

        ids = await self._database.read(any_due)
        if not ids:
            return []
        claim = update(jobs).where(jobs.c.id.in_(ids), due).values(due_at=until).returning(jobs)

        def operation(connection: Connection) -> list[Job]:
            return readable_jobs(connection.execute(claim).all())

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
            return with_images(connection, [row])[0] if row is not None else None

        return await self._database.read(operation)
