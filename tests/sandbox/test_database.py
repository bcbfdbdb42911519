"""The sandbox's SQLite file under several hands."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from app.sandbox.database import Database, count


async def test_many_can_open_a_new_file_at_once_and_write_to_it(tmp_path: Path) -> None:
    databases = [Database(tmp_path / "state" / "sandbox.sqlite3") for _ in range(8)]
    counted = await asyncio.gather(
        *(database.write(lambda connection: count(connection, "n")) for database in databases)
    )
    assert sorted(counted) == list(range(1, 9))
    await asyncio.gather(*(database.aclose() for database in databases))


async def test_what_fails_changes_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "sandbox.sqlite3")

    def work(connection: sqlite3.Connection) -> None:
        count(connection, "n")
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(work)
    assert await database.write(lambda connection: count(connection, "n")) == 1
    await database.aclose()
