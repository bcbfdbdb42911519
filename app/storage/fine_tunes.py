"""Rows of the models that were fine-tuned here."""

import re
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.models import RESERVED_ALIASES, FineTune, Job
from app.storage.database import Database
from app.storage.tables import fine_tunes, images

_LONGEST_NAME = 60
"""Of an alias that is made here, so that a number behind it still fits."""

_NOT_IN_NAMES = re.compile(r"[^a-z0-9._-]+")
_NAMELESS = "fine-tune"

_NEW_SAMPLE = (
    select(func.min(images.c.name))
    .where(images.c.job_id == fine_tunes.c.sample_job)
    .correlate(fine_tunes)
    .scalar_subquery()
)
_PICTURE = func.coalesce(_NEW_SAMPLE, fine_tunes.c.sample)
"""The newest sample that is finished: the picture of the last job, or the one before it."""


class FineTuneRows:
    """The list of fine-tunes: looked up, renamed, and taken from."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[FineTune]:
        """All of them, newest first."""
        return await self._found(_rows().order_by(fine_tunes.c.created_at.desc(), fine_tunes.c.alias))

    async def get(self, alias: str) -> FineTune | None:
        """The one of that name."""
        found = await self._found(_rows().where(fine_tunes.c.alias == alias))
        return found[0] if found else None

    async def with_version(self, model: str, version: str) -> FineTune | None:
        """The one that this version of `owner/name` is."""
        mine = func.lower(fine_tunes.c.model) == model.lower()
        found = await self._found(_rows().where(mine, fine_tunes.c.version == version))
        return found[0] if found else None

    async def rename(self, alias: str, new: str) -> bool | None:
        """Give it another name; False if that is taken, None if there is none of the old name."""
        statement = update(fine_tunes).where(fine_tunes.c.alias == alias).values(alias=new)
        try:
            return await self._changed(statement) or None
        except IntegrityError:
            return False

    async def delete(self, alias: str) -> bool:
        """Take it from the list; False if it was not there."""
        return await self._changed(delete(fine_tunes).where(fine_tunes.c.alias == alias))

    async def set_sample_job(self, training_id: str, job_id: str) -> None:
        """Let the picture that the job makes be the sample; until it is there, the present one stays."""
        statement = (
            update(fine_tunes)
            .where(fine_tunes.c.job_id == training_id)
            .values(sample=_PICTURE, sample_job=job_id)
        )
        await self._changed(statement)

    async def _found(self, query: Select[Any]) -> list[FineTune]:
        def operation(connection: Connection) -> list[FineTune]:
            return [_from_row(row) for row in connection.execute(query)]

        return await self._database.read(operation)

    async def _changed(self, statement: Any) -> bool:
        def operation(connection: Connection) -> bool:
            return bool(connection.execute(statement).rowcount)

        return await self._database.write(operation)


def register(connection: Connection, job: Job) -> None:
    """Put the model that the training `job` made into the list, under a name that is free.

    The name is the last part of the destination's, else the trigger word, with a number where that is taken.
    """
    if job.result is None:
        return
    called = (job.order.destination or "").rpartition("/")[2] or job.order.trigger_word or ""
    name = _NOT_IN_NAMES.sub("-", called.lower()).strip("-._")[:_LONGEST_NAME] or _NAMELESS
    row = {
        "alias": _free_alias(connection, name),
        "job_id": job.id,
        "provider": job.order.provider,
        "model": job.result.version.rpartition(":")[0] or job.order.destination or "",
        "version": job.result.version.rpartition(":")[2],
        "trigger_word": job.order.trigger_word,
        "dataset_id": job.dataset_id,
        "created_at": job.updated_at,
    }
    connection.execute(insert(fine_tunes), row)


def _free_alias(connection: Connection, name: str) -> str:
    alias, number = name, 1
    while (
        alias in RESERVED_ALIASES
        or connection.execute(select(fine_tunes.c.alias).where(fine_tunes.c.alias == alias)).first()
    ):
        number += 1
        alias = f"{name}-{number}"
    return alias


def _rows() -> Select[Any]:
    return select(fine_tunes, _PICTURE.label("picture"))


def _from_row(row: Row[Any]) -> FineTune:
    return FineTune(
        alias=row.alias,
        job_id=row.job_id,
        provider=row.provider,
        model=row.model,
        version=row.version,
        created_at=row.created_at,
        trigger_word=row.trigger_word,
        dataset_id=row.dataset_id,
        sample=row.picture,
    )
