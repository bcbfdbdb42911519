"""Cursors of lists: the place of an entry in one that runs from new to old, as opaque text."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Protocol

from app.errors import FieldError, InvalidRequestError


class Entry(Protocol):
    """What lists are made of."""

    @property
    def id(self) -> str:
        """Tells apart what was made at the same moment."""
        ...

    @property
    def created_at(self) -> datetime:
        """By which the list is sorted."""
        ...


def write_cursor(entry: Entry) -> str:
    """The cursor that asks for what is older than `entry`."""
    place = f"{entry.created_at.isoformat()} {entry.id}"
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Time of creation and id of the entry a cursor was written for; `InvalidRequestError` if it is none."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, _, entry_id = text.partition(" ")
        before = datetime.fromisoformat(moment)
        if before.tzinfo is None:
            raise ValueError("a time without a zone")
        before = before.astimezone(UTC)
    except (ValueError, OverflowError, binascii.Error) as exc:
        message = f"{cursor[:80]!r} is not a cursor of this list; take `next_cursor` of the page before."
        raise InvalidRequestError([FieldError("cursor", message)]) from exc
    return before, entry_id
