"""The database: many writers share a commit, in order, and none is another's misfortune."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from app.errors import StorageUnavailableError
from app.storage.database import Database, Together
from tests.storage.conftest import Gather, Operation, insert_note


async def test_writes_that_wait_share_one_commit(
    database: Database, together: Gather, add: Callable[[str], Operation], notes: Callable[[], list[str]]
) -> None:
    statements: list[str] = []

    def watch(connection: Connection) -> None:
        driver = cast(sqlite3.Connection, connection.connection.dbapi_connection)
        driver.set_trace_callback(statements.append)

    await database.write(watch)
    statements.clear()
    words = [f"note {number}" for number in range(50)]
    assert await together(*(add(word) for word in words)) == [None] * 50
    # One for what held the others up, and one for all of them.
    assert statements.count("COMMIT") == 2
    assert notes() == words


async def test_writes_happen_in_the_order_in_which_they_were_asked_for(
    database: Database, add: Callable[[str], Operation], notes: Callable[[], list[str]]
) -> None:
    words = [f"note {number}" for number in range(1000)]
    await asyncio.gather(*(database.write(add(word)) for word in words))
    assert notes() == words


async def test_an_operation_that_fails_undoes_itself_and_nothing_else(
    together: Gather, add: Callable[[str], Operation], notes: Callable[[], list[str]]
) -> None:
    def half(connection: Connection) -> None:
        insert_note(connection, "never seen")
        raise LookupError("no such thing")

    before, failed, after = await together(add("before"), half, add("after"))
    assert (before, after) == (None, None)
    assert isinstance(failed, LookupError)
    assert notes() == ["before", "after"]


async def test_a_broken_constraint_is_told_only_to_who_broke_it(
    together: Gather, add: Callable[[str], Operation], notes: Callable[[], list[str]]
) -> None:
    errors = await together(add("one"), add("one"), add("two"))
    assert [type(error) for error in errors] == [type(None), IntegrityError, type(None)]
    assert notes() == ["one", "two"]


@pytest.mark.parametrize("possible", [True, False])
async def test_writes_of_a_kind_are_done_at_once_and_overtake_no_others(
    database: Database,
    held_up: Callable[[], AbstractAsyncContextManager[None]],
    add: Callable[[str], Operation],
    notes: Callable[[], list[str]],
    possible: bool,
) -> None:
    calls: list[Sequence[str]] = []

    def add_all(connection: Connection, words: Sequence[str]) -> bool:
        calls.append(words)
        for word in words:
            insert_note(connection, word)
        return possible

    def write(word: str) -> Awaitable[bool | None]:
        def add_one(connection: Connection) -> bool:
            insert_note(connection, word)
            return True

        if word == "e":
            return database.write(add(word))
        return database.write(add_one, together=Together(add_all, word))

    async with held_up():
        writes = [asyncio.ensure_future(write(word)) for word in "abcdefgh"]
        await asyncio.sleep(0)
    assert await asyncio.gather(*writes) == [None if word == "e" else True for word in "abcdefgh"]
    assert notes() == list("abcdefgh")
    assert calls == ([list("abcd"), list("fgh")] if possible else [list("abcd")])


async def test_who_stops_waiting_does_not_stop_the_write(
    database: Database,
    held_up: Callable[[], AbstractAsyncContextManager[None]],
    add: Callable[[str], Operation],
    notes: Callable[[], list[str]],
) -> None:
    async with held_up():
        write = asyncio.create_task(database.write(add("left alone")))
        await asyncio.sleep(0)
        write.cancel()
    await database.write(add("next"))
    assert notes() == ["left alone", "next"]


async def test_many_event_loops_write_at_the_same_time(
    database: Database, add: Callable[[str], Operation], notes: Callable[[], list[str]]
) -> None:
    async def busy(name: str) -> None:
        for number in range(0, 100, 4):
            await asyncio.gather(*(database.write(add(f"{name} {n}")) for n in range(number, number + 4)))

    names = "abcdefgh"
    await asyncio.gather(*(asyncio.to_thread(asyncio.run, busy(name)) for name in names))
    found = notes()
    assert len(found) == 800
    for name in names:
        assert [note for note in found if note.startswith(name)] == [f"{name} {n}" for n in range(100)]


async def test_an_event_loop_that_is_gone_holds_up_nobody(
    database: Database,
    held_up: Callable[[], AbstractAsyncContextManager[None]],
    add: Callable[[str], Operation],
    notes: Callable[[], list[str]],
) -> None:
    async def ask_and_leave() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await database.write(add("left behind"))

    async with held_up():
        await asyncio.to_thread(asyncio.run, ask_and_leave())
        write = asyncio.create_task(database.write(add("next")))
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await write
    assert notes() == ["left behind", "next"]


async def test_closing_finishes_what_was_asked_for(
    database: Database, add: Callable[[str], Operation], notes: Callable[[], list[str]]
) -> None:
    words = [f"note {number}" for number in range(600)]
    writes = [asyncio.create_task(database.write(add(word))) for word in words]
    await asyncio.sleep(0)
    await database.aclose()
    await asyncio.gather(*writes)
    assert notes() == words


async def test_a_closed_database_says_so(database: Database, add: Callable[[str], Operation]) -> None:
    await database.aclose()
    async with asyncio.timeout(5):
        for attempt in (
            database.write(add("too late")),
            database.read(lambda connection: None),
            database.check_writable(),
        ):
            with pytest.raises(StorageUnavailableError):
                await attempt


async def test_a_database_that_was_not_started_says_so(path: Path, add: Callable[[str], Operation]) -> None:
    database = Database(f"sqlite:///{path}")
    async with asyncio.timeout(5):
        with pytest.raises(StorageUnavailableError):
            await database.write(add("too early"))
        await database.aclose()


async def test_nobody_waits_for_ever_while_it_closes(
    database: Database, notes: Callable[[], list[str]]
) -> None:
    written: list[str] = []
    many = threading.Event()

    async def until_closed(name: str) -> None:
        for number in range(1_000_000):
            words = f"{name} {number}"
            try:
                await database.write(lambda connection, words=words: insert_note(connection, words))  # type: ignore[misc]
            except StorageUnavailableError:
                return
            written.append(words)
            if len(written) >= 100:
                many.set()

    async with asyncio.timeout(20):
        threads = [asyncio.create_task(asyncio.to_thread(asyncio.run, until_closed(name))) for name in "abcd"]
        await asyncio.to_thread(many.wait, 10)
        await database.aclose()
        await asyncio.gather(*threads)
    assert sorted(notes()) == sorted(written)
