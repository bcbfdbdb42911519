"""Cursors of the list of jobs: the place of a job in it, as opaque text."""

import base64
import binascii
from datetime import UTC, datetime

from app.errors import FieldError, InvalidRequestError
from app.models import Job


def write_cursor(job: Job) -> str:
    """The cursor that asks for the jobs older than `job`."""
    return base64.urlsafe_b64encode(f"{job.created_at.isoformat()} {job.id}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Time of creation and id of the job a cursor was written for; InvalidRequestError if it is none."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, _, job_id = text.partition(" ")
        before = datetime.fromisoformat(moment)
        if before.tzinfo is None:
            raise ValueError("a time without a zone")
        before = before.astimezone(UTC)
    except (ValueError, OverflowError, binascii.Error) as exc:
        message = f"{cursor[:80]!r} is not a cursor of this list; take `next_cursor` of the page before."
        raise InvalidRequestError([FieldError("cursor", message)]) from exc
    return before, job_id
