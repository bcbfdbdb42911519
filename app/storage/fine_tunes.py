"""Rows of the models that were fine-tuned here."""

from sqlalchemy import Connection, insert, select

from app.models import Job
from app.storage.tables import fine_tunes


def register(connection: Connection, job: Job) -> None:
    """Put the model that the training `job` made into the list, under a name that is free.

    The name is the last part of the destination's, with a number where that is taken.
    """
    if job.result is None or job.order.destination is None:
        return
    name = job.order.destination.rpartition("/")[2]
    row = {
        "alias": _free_alias(connection, name),
        "job_id": job.id,
        "provider": job.order.provider,
        "model": job.order.destination,
        "version": job.result.version.rpartition(":")[2],
        "trigger_word": job.order.trigger_word,
        "dataset_id": job.dataset_id,
        "created_at": job.updated_at,
    }
    connection.execute(insert(fine_tunes), row)


def _free_alias(connection: Connection, name: str) -> str:
    alias, number = name, 1
    while connection.execute(select(fine_tunes.c.alias).where(fine_tunes.c.alias == alias)).first():
        number += 1
        alias = f"{name}-{number}"
    return alias
