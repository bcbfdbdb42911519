"""Sums over all rows, for `/metrics`. Each is answered from an index alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, func, select

from app.models import JobStatus
from app.storage.database import Database
from app.storage.tables import images, jobs

_BY_STATE = select(jobs.c.status, jobs.c.kind, jobs.c.provider, func.count()).group_by(
    jobs.c.status, jobs.c.kind, jobs.c.provider
)
_OLDEST_UNSENT = select(func.min(jobs.c.created_at)).where(
    jobs.c.status == JobStatus.QUEUED.value, jobs.c.sent_at.is_(None)
)
_STORED = select(func.count(), func.coalesce(func.sum(images.c.size_bytes), 0)).select_from(images)


@dataclass(frozen=True, slots=True)
class Statistics:
    """How many jobs there are, by status, kind and provider; since when the oldest waits; what is stored."""

    jobs: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    oldest_unsent: datetime | None = None
    pictures: int = 0
    picture_bytes: int = 0


class StatisticsRows:
    """Counts what there is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> Statistics:
        """How things stand now."""

        def operation(connection: Connection) -> Statistics:
            pictures, size = connection.execute(_STORED).one()
            return Statistics(
                jobs={
                    (status, kind, name): count for status, kind, name, count in connection.execute(_BY_STATE)
                },
                oldest_unsent=connection.execute(_OLDEST_UNSENT).scalar_one(),
                pictures=pictures,
                picture_bytes=size,
            )

        return await self._database.read(operation)
