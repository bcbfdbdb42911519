"""Which of the jobs that wait may be sent to their providers now, as operations of a transaction."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from app.models import NO_LIMITS, Job, JobStatus, Limits
from app.storage.tables import jobs

WAITING_LOOKED_AT = 500
"""How many of the jobs that wait to be sent are looked at in one round, the oldest first."""

_UNFINISHED = [status.value for status in JobStatus if not status.is_final]


def sendable_ids(
    connection: Connection,
    *,
    now: datetime,
    rooms: Mapping[str, int],
    limits: Callable[[str, str], Limits],
) -> list[str]:
    """The ids of jobs that are due to be sent, oldest first.

    At most as many for each provider as `rooms` says, and as its `limits`, given the names of the provider
    and of a model, leave room for.
    """
    waiting = (
        select(jobs.c.id, jobs.c.provider, jobs.c.model)
        .where(jobs.c.due_at <= now, jobs.c.sent_at.is_(None))
        .where(jobs.c.provider.in_([provider for provider, room in rooms.items() if room]))
        .order_by(jobs.c.created_at, jobs.c.id)
        .limit(WAITING_LOOKED_AT)
    )
    ids: list[str] = []
    left = dict(rooms)
    under_way: dict[str, Counter[str]] = {}
    for row in connection.execute(waiting).all():
        if left[row.provider] == 0:
            continue
        allowed = limits(row.provider, row.model)
        if allowed != NO_LIMITS:
            if row.provider not in under_way:
                under_way[row.provider] = runs_by_model(connection, row.provider)
            counts = under_way[row.provider]
            if not allowed.leave_room(in_all=counts.total(), of_model=counts[row.model]):
                continue
            counts[row.model] += 1
        left[row.provider] -= 1
        ids.append(str(row.id))
    return ids


def has_room(connection: Connection, job: Job, limits: Limits, *, behind_others: bool) -> bool:
    """Whether a job may be sent; with `behind_others` only if no older one waits for the same model."""
    counts = runs_by_model(connection, job.order.provider)
    if not limits.leave_room(in_all=counts.total(), of_model=counts[job.order.model]):
        return False
    return not behind_others or connection.execute(_older_waiting(job)).first() is None


def place_of(connection: Connection, job: Job) -> int:
    """How many jobs, this one included, wait to be sent to its provider no later than this one."""
    query = select(func.count()).select_from(jobs).where(_waiting(job.order.provider), _not_after(job))
    return int(connection.execute(query).scalar_one())


def _waiting(provider: str) -> ColumnElement[bool]:
    return and_(
        jobs.c.provider == provider, jobs.c.status == JobStatus.QUEUED.value, jobs.c.sent_at.is_(None)
    )


def _not_after(job: Job) -> ColumnElement[bool]:
    return or_(
        jobs.c.created_at < job.created_at,
        and_(jobs.c.created_at == job.created_at, jobs.c.id <= job.id),
    )


def _older_waiting(job: Job) -> Select[Any]:
    return (
        select(jobs.c.id)
        .where(_waiting(job.order.provider), jobs.c.model == job.order.model)
        .where(_not_after(job), jobs.c.id != job.id)
        .limit(1)
    )


def runs_by_model(connection: Connection, provider: str) -> Counter[str]:
    """How many runs are under way at a provider, by their models."""
    query = (
        select(jobs.c.model, func.count())
        .where(jobs.c.provider == provider, jobs.c.status.in_(_UNFINISHED), jobs.c.sent_at.is_not(None))
        .group_by(jobs.c.model)
    )
    return Counter({str(model): int(number) for model, number in connection.execute(query)})
