"""Rows of events, and of the attempts to deliver them."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Row, and_, exists, func, not_, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from app.models import Delivery, DueEvent, Event, EventState, EventType, Job, JobStatus
from app.storage.database import Database
from app.storage.tables import deliveries, events, jobs

_PAGE = 500
_PENDING = EventState.PENDING.value


def record_events(connection: Connection, job: Job) -> None:
    """Write down what the receiver of `job` is owed for its change to this revision.

    The start and the end of a job are events of their own, once each. Progress may be dropped: there is no
    second one while one waits to be delivered.
    """
    host = urlsplit(job.webhook_url or "").netloc
    for event in _owed(job):
        if event is EventType.PROGRESS and _one_waits(connection, job):
            continue
        suffix = f"{event.value}_{job.revision}" if event is EventType.PROGRESS else event.value
        row = {
            "id": f"evt_{job.id}_{suffix}",
            "job_id": job.id,
            "type": event.value,
            "host": host,
            "revision": job.revision,
            "created_at": job.updated_at,
            "due_at": job.updated_at,
            "state": _PENDING,
        }
        connection.execute(insert(events).on_conflict_do_nothing(), row)


class EventStore:
    """Hands out events that are due, and keeps what came of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim_due(
        self, *, now: datetime, until: datetime, limit: int, per_host: int, busy: Mapping[str, int]
    ) -> list[DueEvent]:
        """Events that are due, oldest first; they do not fall due for anybody again before `until`.

        Of each job only the first that is pending. Of each host at most `per_host`, less those that it is
        `busy` with, so that one host's backlog leaves room for the others.
        """
        room = {host: per_host - count for host, count in busy.items()}
        chosen = await self._database.read(lambda connection: _choice(connection, now, limit, room, per_host))
        if not chosen:
            return []
        claim = (
            update(events)
            .where(events.c.id.in_(chosen), events.c.due_at <= now, events.c.state == _PENDING)
            .values(due_at=until)
            .returning(events.c.id)
        )

        def operation(connection: Connection) -> list[DueEvent]:
            ids = [row.id for row in connection.execute(claim)]
            query = _DUE.where(events.c.id.in_(ids)).order_by(events.c.created_at, events.c.id)
            return [DueEvent(_event(row), row.webhook_url, row.attempts) for row in connection.execute(query)]

        return await self._database.write(operation)

    async def freeze(self, event_id: str, payload: str) -> str:
        """Settle what an event says, once; the answer is what was settled first."""
        settle = update(events).where(events.c.id == event_id, events.c.payload.is_(None))
        settled = select(events.c.payload).where(events.c.id == event_id)

        def operation(connection: Connection) -> str:
            connection.execute(settle.values(payload=payload))
            return str(connection.execute(settled).scalar_one())

        return await self._database.write(operation)

    async def record(
        self, due: DueEvent, delivery: Delivery, state: EventState, next_due: datetime | None
    ) -> None:
        """Add an attempt, and say what follows from it.

        What follows from a failure counts only while the claim of `due` does: somebody may have asked for
        another delivery meanwhile.
        """
        attempts = select(func.count()).where(deliveries.c.event_id == delivery.event_id)
        follow = update(events).where(events.c.id == delivery.event_id)
        if state is not EventState.DELIVERED:
            follow = follow.where(events.c.due_at == due.event.due_at)
        values = asdict(delivery)

        def operation(connection: Connection) -> None:
            attempt = connection.execute(attempts).scalar_one() + 1
            connection.execute(insert(deliveries), values | {"attempt": attempt})
            connection.execute(follow.values(state=state.value, due_at=next_due))

        await self._database.write(operation)

    async def of_job(self, job_id: str) -> list[tuple[Event, list[Delivery]]]:
        """The events of a job, oldest first, each with its attempts."""
        return await self._database.read(lambda connection: _with_attempts(connection, job_id))

    async def deliver_again(self, job_id: str, event_id: str, *, now: datetime) -> bool:
        """Let an event fall due now, whatever became of it; False if the job has no such event."""
        again = (
            update(events)
            .where(events.c.id == event_id, events.c.job_id == job_id)
            .values(state=_PENDING, due_at=now)
        )
        return await self._database.write(lambda connection: connection.execute(again).rowcount == 1)


_OLDER = events.alias("older")
_IS_FIRST = not_(
    exists().where(
        _OLDER.c.job_id == events.c.job_id,
        _OLDER.c.state == _PENDING,
        or_(
            _OLDER.c.revision < events.c.revision,
            # Of one revision there are a start and a progress at most; "start" is the later word.
            and_(_OLDER.c.revision == events.c.revision, _OLDER.c.type > events.c.type),
        ),
    )
)
_ATTEMPTS = select(func.count()).where(deliveries.c.event_id == events.c.id).scalar_subquery()
_DUE = select(events, jobs.c.webhook_url, _ATTEMPTS.label("attempts")).join(jobs)


def _choice(
    connection: Connection, now: datetime, limit: int, room: dict[str, int], per_host: int
) -> list[str]:
    """The ids of events to claim. A page at a time, each without the hosts that have enough."""
    chosen: list[str] = []
    while len(chosen) < limit:
        full = [host for host, left in room.items() if left <= 0]
        query = (
            select(events.c.id, events.c.host)
            .where(events.c.due_at <= now, events.c.state == _PENDING, _IS_FIRST)
            .where(events.c.host.not_in(full), events.c.id.not_in(chosen))
            .order_by(events.c.due_at)
            .limit(_PAGE)
        )
        found = connection.execute(query).all()
        for row in found:
            left = room.setdefault(row.host, per_host)
            if left > 0 and len(chosen) < limit:
                room[row.host] = left - 1
                chosen.append(row.id)
        if len(found) < _PAGE:
            break
    return chosen


def _with_attempts(connection: Connection, job_id: str) -> list[tuple[Event, list[Delivery]]]:
    of_job = select(events).where(events.c.job_id == job_id)
    rows = connection.execute(of_job.order_by(events.c.revision, events.c.type.desc())).all()
    attempts: dict[str, list[Delivery]] = {row.id: [] for row in rows}
    tried = select(deliveries).where(deliveries.c.event_id.in_(list(attempts)))
    for row in connection.execute(tried.order_by(deliveries.c.attempt)):
        attempts[row.event_id].append(Delivery(**row._mapping))
    return [(_event(row), attempts[row.id]) for row in rows]


def _event(row: Row[Any]) -> Event:
    return Event(
        id=row.id,
        job_id=row.job_id,
        type=EventType(row.type),
        host=row.host,
        revision=row.revision,
        created_at=row.created_at,
        state=EventState(row.state),
        due_at=row.due_at,
        payload=row.payload,
    )


def _owed(job: Job) -> list[EventType]:
    if job.status.is_final:
        owed = [EventType.COMPLETED]
    elif job.status is JobStatus.QUEUED:
        owed = []
    else:
        owed = [EventType.START] if job.progress is None else [EventType.START, EventType.PROGRESS]
    return [event for event in owed if event in job.webhook_events]


def _one_waits(connection: Connection, job: Job) -> bool:
    query = select(events.c.id).where(
        events.c.job_id == job.id,
        events.c.type == EventType.PROGRESS.value,
        events.c.state == _PENDING,
    )
    return connection.execute(query.limit(1)).first() is not None
