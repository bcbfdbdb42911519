"""Rows of receivers: the secrets that sign what is sent to them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.sqlite import insert

from app.models import Receiver
from app.storage.database import Database
from app.storage.tables import receivers

_KEPT_SECRETS = 2
"""How many secrets a receiver has at most: while it changes over, the last one goes on signing."""


class ReceiverStore:
    """Remembers receivers, each with its secrets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, url: str) -> Receiver | None:
        """The receiver at `url`."""
        return await self._database.read(lambda connection: _found(connection, url))

    async def get_or_add(self, url: str, *, secret: str, now: datetime) -> Receiver:
        """The receiver at `url`; a new one gets `secret`."""
        row = {"url": url, "secret": secret, "created_at": now}

        def operation(connection: Connection) -> Receiver:
            connection.execute(insert(receivers).on_conflict_do_nothing(), row)
            return _from_row(connection.execute(_one(url)).one())

        return await self._database.write(operation)

    async def put_first(self, url: str, *, secret: str) -> Receiver | None:
        """Let `secret` sign too, before the last one; None if there is no such receiver."""

        def operation(connection: Connection) -> Receiver | None:
            known = _found(connection, url)
            if known is None:
                return None
            kept = " ".join((secret, *known.secrets)[:_KEPT_SECRETS])
            connection.execute(update(receivers).where(receivers.c.url == url).values(secret=kept))
            return _found(connection, url)

        return await self._database.write(operation)


def _one(url: str) -> Any:
    return select(receivers).where(receivers.c.url == url)


def _found(connection: Connection, url: str) -> Receiver | None:
    row = connection.execute(_one(url)).one_or_none()
    return _from_row(row) if row is not None else None


def _from_row(row: Row[Any]) -> Receiver:
    return Receiver(url=row.url, secrets=tuple(row.secret.split(" ")), created_at=row.created_at)
