"""A database, and ways to make its writer wait or its disk full."""

import asyncio
import resource
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from pathlib import Path

import pytest
from sqlalchemy import Connection

from app.storage.database import Database

Operation = Callable[[Connection], None]
Gather = Callable[..., Awaitable[list[BaseException | None]]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "records.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    """A database with a table of notes, and one whose rows must belong to a note."""
    database = Database(f"sqlite:///{path}", busy_timeout_ms=50)
    await database.start()

    def tables(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE notes (id INTEGER PRIMARY KEY, words TEXT UNIQUE)")
        connection.exec_driver_sql(
            "CREATE TABLE answers (note INTEGER REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED)"
        )

    await database.write(tables)
    yield database
    async with asyncio.timeout(10):
        await database.aclose()


@pytest.fixture
def add() -> Callable[[str], Operation]:
    """An operation that adds a note."""

    def adding(words: str) -> Operation:
        return lambda connection: insert_note(connection, words)

    return adding


@pytest.fixture
def notes(path: Path) -> Callable[[], list[str]]:
    """What another process finds in the table, in the order it was written."""

    def found() -> list[str]:
        with sqlite3.connect(path) as connection:
            rows = connection.execute("SELECT words FROM notes ORDER BY id").fetchall()
        connection.close()
        return [str(row[0]) for row in rows]

    return found


@pytest.fixture
def held_up(database: Database) -> Callable[[], AbstractAsyncContextManager[None]]:
    """While this is entered, writes wait; then they are one batch."""

    @asynccontextmanager
    async def hold() -> AsyncIterator[None]:
        begun, go_on = threading.Event(), threading.Event()

        def hold_up(_: Connection) -> None:
            begun.set()
            go_on.wait(10)

        first = asyncio.create_task(database.write(hold_up))
        await asyncio.to_thread(begun.wait, 10)
        try:
            yield
        finally:
            go_on.set()
            await first

    return hold


@pytest.fixture
def together(database: Database, held_up: Callable[[], AbstractAsyncContextManager[None]]) -> Gather:
    """Write operations in one batch; for each its error, or None."""

    async def written(*operations: Operation) -> list[BaseException | None]:
        async with asyncio.timeout(10):
            async with held_up():
                tasks = [asyncio.create_task(database.write(operation)) for operation in operations]
                await asyncio.sleep(0)
            return list(await asyncio.gather(*tasks, return_exceptions=True))

    return written


@pytest.fixture
def full_disk(path: Path) -> Callable[[], AbstractContextManager[None]]:
    """No file may grow beyond the size that the write-ahead log has."""

    @contextmanager
    def full() -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        size = path.with_name(f"{path.name}-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return full


def insert_note(connection: Connection, words: str) -> None:
    connection.exec_driver_sql("INSERT INTO notes (words) VALUES (?)", (words,))
