"""Rows of the webhooks that came in, so that none is taken twice."""

from datetime import datetime

from sqlalchemy import Connection, delete
from sqlalchemy.dialects.sqlite import insert

from app.storage.database import Database
from app.storage.tables import seen_webhooks


class SeenWebhooks:
    """Remembers webhooks by their ids, for as long as they might be sent again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, message_id: str, *, now: datetime, forget_before: datetime) -> bool:
        """Whether `message_id` is new; of all processes that ask, one hears so.

        Those that were seen before `forget_before` are forgotten.
        """
        row = {"id": message_id, "seen_at": now}

        def operation(connection: Connection) -> bool:
            connection.execute(delete(seen_webhooks).where(seen_webhooks.c.seen_at < forget_before))
            return connection.execute(insert(seen_webhooks).on_conflict_do_nothing(), row).rowcount == 1

        return await self._database.write(operation)

    async def release(self, message_id: str) -> None:
        """Let `message_id` come again: what it said could not be taken in."""
        forget = delete(seen_webhooks).where(seen_webhooks.c.id == message_id)
        await self._database.write(lambda connection: connection.execute(forget))
