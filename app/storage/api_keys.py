"""Rows of API keys."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.sqlite import insert

from app.callers import ApiKey, Scope
from app.storage.database import Database
from app.storage.tables import api_keys

_ALL = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.id)


class ApiKeyRows:
    """Keeps what is known of API keys; revoked ones stay."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, key: ApiKey) -> bool:
        """Keep `key`; False if there is one with its id already, which is left as it is."""

        def operation(connection: Connection) -> bool:
            return connection.execute(insert(api_keys).on_conflict_do_nothing(), row).rowcount == 1

        row = {
            "id": key.id,
            "name": key.name,
            "sha256": key.sha256,
            "scopes": [scope.value for scope in key.scopes],
            "created_at": key.created_at,
            "revoked_at": key.revoked_at,
        }
        return await self._database.write(operation)

    async def all(self) -> list[ApiKey]:
        """Every key, the oldest first."""
        return await self._database.read(
            lambda connection: [_from_row(row) for row in connection.execute(_ALL)]
        )

    async def revoke(self, key_id: str, moment: datetime) -> ApiKey | None:
        """Take the key out of use and return it; one that was revoked before keeps that moment."""

        def operation(connection: Connection) -> ApiKey | None:
            this = api_keys.c.id == key_id
            in_use = this & api_keys.c.revoked_at.is_(None)
            connection.execute(update(api_keys).where(in_use).values(revoked_at=moment))
            row = connection.execute(select(api_keys).where(this)).one_or_none()
            return _from_row(row) if row is not None else None

        return await self._database.write(operation)


def _from_row(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        sha256=row.sha256,
        scopes=tuple(Scope(scope) for scope in row.scopes),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
