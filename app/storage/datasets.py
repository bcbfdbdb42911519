"""Rows of datasets."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, or_, select
from sqlalchemy.dialects.sqlite import insert

from app.datasets import Dataset, DatasetReport
from app.models import JobKind, JobStatus
from app.storage.database import Database
from app.storage.tables import datasets, jobs, provider_files

_UNFINISHED = [status.value for status in JobStatus if not status.is_final]


class DatasetRows:
    """Remembers datasets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, dataset: Dataset, *, named: bool) -> tuple[Dataset, bool]:
        """Keep the dataset; whether it is new. A known one gets the new report, and its name if `named`."""
        row = _to_row(dataset)
        changed = {"report": row["report"]} | ({"name": row["name"]} if named else {})
        statement = insert(datasets).on_conflict_do_update(index_elements=[datasets.c.id], set_=changed)

        def operation(connection: Connection) -> tuple[Dataset, bool]:
            is_new = _found(connection, dataset.id) is None
            connection.execute(statement, row)
            return _found(connection, dataset.id) or dataset, is_new

        return await self._database.write(operation)

    async def get(self, dataset_id: str) -> Dataset | None:
        """One dataset."""
        return await self._database.read(lambda connection: _found(connection, dataset_id))

    async def page(self, *, before: tuple[datetime, str] | None, limit: int) -> list[Dataset]:
        """Up to `limit` datasets, newest first, beginning after `before` (time of creation and id)."""
        query = select(datasets).order_by(datasets.c.created_at.desc(), datasets.c.id.desc()).limit(limit)
        if before is not None:
            moment, dataset_id = before
            query = query.where(
                or_(
                    datasets.c.created_at < moment,
                    and_(datasets.c.created_at == moment, datasets.c.id < dataset_id),
                )
            )
        return await self._database.read(
            lambda connection: [_from_row(row) for row in connection.execute(query)]
        )

    async def remove(self, dataset_id: str) -> str | None:
        """Forget the dataset, unless a training that has not ended needs it: then that one's id."""
        needing = select(jobs.c.id).where(
            jobs.c.status.in_(_UNFINISHED),
            jobs.c.kind == JobKind.TRAINING.value,
            jobs.c.dataset_id == dataset_id,
        )

        def operation(connection: Connection) -> str | None:
            job_id = connection.execute(needing.limit(1)).scalar_one_or_none()
            if job_id is not None:
                return str(job_id)
            connection.execute(delete(provider_files).where(provider_files.c.sha256 == dataset_id))
            connection.execute(delete(datasets).where(datasets.c.id == dataset_id))
            return None

        return await self._database.write(operation)


def _found(connection: Connection, dataset_id: str) -> Dataset | None:
    row = connection.execute(select(datasets).where(datasets.c.id == dataset_id)).one_or_none()
    return _from_row(row) if row is not None else None


def _to_row(dataset: Dataset) -> dict[str, Any]:
    return {
        "id": dataset.id,
        "name": dataset.name,
        "created_at": dataset.created_at,
        "size_bytes": dataset.size_bytes,
        "pictures": dataset.report.pictures,
        "captions": dataset.report.captions,
        "report": dataset.report.as_json(),
    }


def _from_row(row: Row[Any]) -> Dataset:
    return Dataset(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        size_bytes=row.size_bytes,
        report=DatasetReport.from_json(row.report),
    )
