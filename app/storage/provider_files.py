"""Rows of the files that lie at providers."""

from datetime import datetime

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from app.datasets import ProviderFile
from app.storage.database import Database
from app.storage.tables import provider_files


class ProviderFileRows:
    """Remembers which file lies where, by the SHA-256 of its content."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, provider: str, sha256: str, *, until: datetime) -> ProviderFile | None:
        """The file at `provider`, if it lies there until then at least."""
        query = select(provider_files).where(
            provider_files.c.provider == provider,
            provider_files.c.sha256 == sha256,
            provider_files.c.expires_at >= until,
        )

        def operation(connection: Connection) -> ProviderFile | None:
            row = connection.execute(query).one_or_none()
            return ProviderFile(row.address, row.expires_at) if row is not None else None

        return await self._database.read(operation)

    async def put(self, provider: str, sha256: str, file: ProviderFile, *, now: datetime) -> None:
        """Remember the file in place of the one before; what has expired is forgotten."""
        row = {
            "provider": provider,
            "sha256": sha256,
            "address": file.address,
            "expires_at": file.expires_at,
        }
        changed = {"address": file.address, "expires_at": file.expires_at}
        statement = insert(provider_files).on_conflict_do_update(
            index_elements=[provider_files.c.provider, provider_files.c.sha256], set_=changed
        )

        def operation(connection: Connection) -> None:
            connection.execute(delete(provider_files).where(provider_files.c.expires_at < now))
            connection.execute(statement, row)

        await self._database.write(operation)
