"""A database that is locked, full or refuses to commit: told to whom it concerns, and gone with its cause."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from app.errors import StorageUnavailableError
from app.services.jobs.life import LEASE
from app.storage.database import BUSY_TIMEOUT_MS, Database
from tests.storage.conftest import Gather, Operation


async def test_a_commit_that_fails_is_told_only_to_who_made_it_fail(
    database: Database, together: Gather, add: Callable[[str], Operation], notes: Callable[[], list[str]]
) -> None:
    def answer_to_nothing(connection: Connection) -> None:
        # Looked at by the commit, which then leaves the transaction open.
        connection.exec_driver_sql("INSERT INTO answers VALUES (4711)")

    errors = await together(add("one"), answer_to_nothing, add("two"))
    assert [type(error) for error in errors] == [type(None), IntegrityError, type(None)]
    with pytest.raises(IntegrityError):
        await database.write(answer_to_nothing)
    await database.write(add("three"))
    assert notes() == ["one", "two", "three"]


async def test_what_ends_the_whole_transaction_is_told_only_to_who_did_it(
    database: Database, together: Gather, add: Callable[[str], Operation], notes: Callable[[], list[str]]
) -> None:
    def leave_little_room(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")

    await database.write(leave_little_room)
    errors = await together(add("one"), add("large" * 10_000), add("two"))
    assert [type(error) for error in errors] == [type(None), StorageUnavailableError, type(None)]
    assert str(errors[1]) == "The database does not work at present (the disk is full); try again."
    assert notes() == ["one", "two"]


@pytest.mark.parametrize("error", [StopIteration(), asyncio.CancelledError(), SystemExit(1)], ids=repr)
async def test_no_error_of_an_operation_ends_the_writer(
    database: Database, add: Callable[[str], Operation], notes: Callable[[], list[str]], error: BaseException
) -> None:
    def fail(connection: Connection) -> None:
        raise error

    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match=type(error).__name__):
            await database.write(fail)
        await database.write(add("still there"))
    assert notes() == ["still there"]


async def test_a_locked_database_is_given_up_long_before_a_lease_is_over(
    database: Database, path: Path, add: Callable[[str], Operation], notes: Callable[[], list[str]]
) -> None:
    # A write may have to wait for the batch before its own to give up.
    assert timedelta(milliseconds=2 * BUSY_TIMEOUT_MS) <= LEASE * 0.6
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailableError) as caught:
        await database.write(add("kept out"))
    assert caught.value.detail == (
        "The database does not work at present (another process keeps it locked); try again."
    )
    other.execute("COMMIT")
    other.close()
    await database.write(add("let in"))
    assert notes() == ["let in"]


async def test_a_lock_is_waited_for_once_and_not_by_each_of_a_batch(
    database: Database, path: Path, add: Callable[[str], Operation]
) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writes = [database.write(add(f"note {number}")) for number in range(200)]
    async with asyncio.timeout(5):
        errors = await asyncio.gather(*writes, return_exceptions=True)
    other.close()
    assert {type(error) for error in errors} == {StorageUnavailableError}


async def test_what_callers_read_of_a_fault_names_no_file_and_no_statement(
    database: Database, path: Path
) -> None:
    for operation in (
        lambda connection: connection.exec_driver_sql("SELECT secret FROM nowhere"),
        lambda connection: connection.exec_driver_sql(f"ATTACH '{path.parent}/no/such/folder.db' AS other"),
    ):
        with pytest.raises(StorageUnavailableError) as caught:
            await database.read(operation)
        assert caught.value.detail.startswith("The database does not work at present (")
        for word in ("nowhere", "secret", "SELECT", "ATTACH", str(path.parent), "folder", "nothing was sent"):
            assert word not in caught.value.detail


async def test_the_check_really_writes(database: Database, path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 17")
    before = other.execute("PRAGMA data_version").fetchone()
    await database.check_writable()
    after = other.execute("PRAGMA data_version").fetchone()
    kept = other.execute("PRAGMA user_version").fetchone()
    other.close()
    assert after != before
    assert kept == (17,)


async def test_a_full_disk_is_no_healthy_database(
    database: Database,
    full_disk: Callable[[], AbstractContextManager[None]],
    together: Gather,
    add: Callable[[str], Operation],
    notes: Callable[[], list[str]],
) -> None:
    with full_disk():
        for attempt in (database.check_writable(), database.write(add("no room"))):
            with pytest.raises(StorageUnavailableError):
                await attempt
        errors = await together(add("a"), add("b"))
        assert [type(error) for error in errors] == [StorageUnavailableError] * 2
    await database.check_writable()
    await database.write(add("room again"))
    assert notes() == ["room again"]
