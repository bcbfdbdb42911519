"""Sums for `/metrics`."""

import sqlite3
from pathlib import Path

import httpx

from app.config import Settings
from app.storage import statistics
from app.storage.database import Database


async def test_counts_are_read_from_indexes_alone(client: httpx.AsyncClient, settings: Settings) -> None:
    """Rows of jobs are large, and there may be a million of them."""
    await client.post("/generate-image/", data={"prompt": "a cat"})
    with sqlite3.connect(settings.database_path) as connection:
        plans = [
            str(connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall())
            for query in (
                statistics._BY_STATE.compile(compile_kwargs={"literal_binds": True}),
                statistics._STORED.compile(compile_kwargs={"literal_binds": True}),
            )
        ]
    connection.close()

    assert all("USING COVERING INDEX" in plan for plan in plans), plans


async def test_an_empty_database_counts_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    await database.start()
    counted = await statistics.StatisticsRows(database).read()
    await database.aclose()

    assert counted == statistics.Statistics()
