"""Keys that are made here, and what a running service knows of them."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest

from app.callers import ApiKey, Scope, with_included
from app.errors import ApiKeyNotFoundError, InvalidRequestError, StorageUnavailableError
from app.services.api_keys import LOOKED_UP_EVERY, NEW_KEYS_EVERY, ApiKeys, KnownKeys
from app.storage.api_keys import ApiKeyRows
from app.storage.database import Database
from tests.manual_clock import ManualClock

A_WHILE = LOOKED_UP_EVERY.total_seconds()
A_MOMENT = NEW_KEYS_EVERY.total_seconds()


class CountedRows(ApiKeyRows):
    """Counts how often all keys were asked for; fails while `broken`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.looks = 0
        self.broken = False

    async def all(self) -> list[ApiKey]:
        self.looks += 1
        if self.broken:
            raise StorageUnavailableError("The database does not work at present.")
        return await super().all()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fluxgate.db"


@pytest.fixture
async def rows(path: Path) -> AsyncIterator[CountedRows]:
    database = Database(f"sqlite:///{path}")
    await database.start()
    yield CountedRows(database)
    await database.aclose()


@pytest.fixture
def keys(rows: CountedRows, clock: ManualClock) -> ApiKeys:
    return ApiKeys(rows=rows, clock=clock)


@pytest.fixture
async def known(rows: CountedRows, clock: ManualClock) -> KnownKeys:
    """What a service knows that has just started, before any key was made."""
    known = KnownKeys(rows=rows, clock=clock)
    await known.keep_up()
    return known


async def test_only_a_digest_is_kept(keys: ApiKeys, path: Path) -> None:
    new = await keys.create("laptop", [Scope.READ])

    prefix, key_id, secret = new.text.split("_")
    assert (prefix, key_id, len(secret)) == ("fg", new.key.id, 48)
    assert new.key.sha256 == hashlib.sha256(new.text.encode()).hexdigest()
    assert [key.name for key in await keys.all()] == ["laptop"]
    connection = sqlite3.connect(path)
    dump = "\n".join(connection.iterdump())
    connection.close()
    assert new.key.sha256 in dump
    assert secret not in dump


async def test_scopes_are_kept_once_each_and_in_order(keys: ApiKeys) -> None:
    new = await keys.create("laptop", [Scope.TRAIN, Scope.READ, Scope.TRAIN])

    assert new.key.scopes == (Scope.READ, Scope.TRAIN)
    assert (await keys.all())[0] == new.key


@pytest.mark.parametrize("name", ["", " laptop", "lap\ntop", "schlüssel", "x" * 65, "a:b", "a,b"])
async def test_a_name_that_would_spoil_a_log_is_refused(keys: ApiKeys, name: str) -> None:
    with pytest.raises(InvalidRequestError, match="allowed are 1 to 64 letters"):
        await keys.create(name, [Scope.READ])
    assert await keys.all() == []


async def test_a_key_has_a_scope(keys: ApiKeys) -> None:
    with pytest.raises(InvalidRequestError, match="one or more of read, generate, train, admin"):
        await keys.create("laptop", [])


async def test_an_id_that_is_taken_is_not_used_again(rows: CountedRows, clock: ManualClock) -> None:
    ids: Iterator[str] = chain(["aaaaaaaa", "aaaaaaaa"], repeat("bbbbbbbb"))
    keys = ApiKeys(rows=rows, clock=clock, new_id=lambda: next(ids))

    first, second = [await keys.create(name, [Scope.READ]) for name in ("one", "two")]

    assert (first.key.id, second.key.id) == ("aaaaaaaa", "bbbbbbbb")
    assert [key.name for key in await keys.all()] == ["one", "two"]


async def test_a_key_is_revoked_once_and_stays_on_record(keys: ApiKeys, clock: ManualClock) -> None:
    new = await keys.create("laptop", [Scope.READ])
    clock.advance(60)
    revoked = await keys.revoke(new.key.id)
    moment = clock.now()
    clock.advance(60)

    assert (await keys.revoke(new.key.id)).revoked_at == revoked.revoked_at == moment
    assert await keys.all() == [revoked]


async def test_a_key_that_is_not_there_cannot_be_revoked(keys: ApiKeys) -> None:
    with pytest.raises(ApiKeyNotFoundError, match="'nobody'"):
        await keys.revoke("nobody")


async def test_a_key_is_found_by_its_whole_text(keys: ApiKeys, rows: CountedRows, clock: ManualClock) -> None:
    new = await keys.create("laptop", [Scope.READ])
    known = KnownKeys(rows=rows, clock=clock)
    await known.keep_up()

    assert known.in_use
    assert await known.find(new.text.encode()) == new.key
    flipped = "0" if new.text[-1] != "0" else "1"
    for wrong in (new.text[:-1], new.text[:-1] + flipped, new.text + "0", new.text.upper(), new.key.sha256):
        assert await known.find(wrong.encode()) is None


async def test_the_database_is_not_asked_for_each_request(
    keys: ApiKeys, known: KnownKeys, rows: CountedRows, clock: ManualClock
) -> None:
    new = await keys.create("laptop", [Scope.READ])
    clock.advance(A_WHILE)
    await asyncio.gather(*(known.keep_up() for _ in range(50)))
    before = rows.looks
    for _ in range(50):
        await known.keep_up()
        assert await known.find(new.text.encode()) is not None
    assert before == rows.looks == 2


async def test_another_process_can_revoke_a_key_and_soon_it_is_out_of_use(
    keys: ApiKeys, known: KnownKeys, clock: ManualClock
) -> None:
    new = await keys.create("laptop", [Scope.READ])
    clock.advance(A_WHILE)
    await known.keep_up()
    await keys.revoke(new.key.id)

    clock.advance(A_WHILE - 0.1)
    await known.keep_up()
    assert known.in_use
    clock.advance(0.1)
    await known.keep_up()
    found = await known.find(new.text.encode())
    assert found is not None
    assert found.revoked_at is not None
    assert not known.in_use


async def test_a_new_key_works_at_once_but_guesses_do_not_each_cost_a_look(
    keys: ApiKeys, known: KnownKeys, rows: CountedRows, clock: ManualClock
) -> None:
    new = await keys.create("laptop", [Scope.READ])
    clock.advance(A_MOMENT)
    assert await known.find(new.text.encode()) == new.key

    before = rows.looks
    for number in range(50):
        assert await known.find(f"fg_{number:08x}_{'0' * 48}".encode()) is None
        assert await known.find(b"no key of ours") is None
    assert rows.looks == before


async def test_a_clock_that_is_set_back_does_not_keep_a_revoked_key_alive(
    keys: ApiKeys, known: KnownKeys, clock: ManualClock
) -> None:
    new = await keys.create("laptop", [Scope.READ])
    clock.advance(A_WHILE)
    await known.keep_up()
    await keys.revoke(new.key.id)
    clock.advance(-3600)
    await known.keep_up()
    assert not known.in_use


async def test_keys_stay_in_use_while_the_database_does_not_work(
    keys: ApiKeys, known: KnownKeys, rows: CountedRows, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    new = await keys.create("laptop", [Scope.READ])
    clock.advance(A_WHILE)
    await known.keep_up()
    rows.broken = True
    clock.advance(A_WHILE)
    await known.keep_up()

    assert known.in_use
    assert await known.find(new.text.encode()) == new.key
    assert "cannot be looked up" in caplog.text


async def test_who_has_never_seen_the_keys_does_not_start(rows: CountedRows, clock: ManualClock) -> None:
    rows.broken = True
    with pytest.raises(StorageUnavailableError):
        await KnownKeys(rows=rows, clock=clock).keep_up()


def test_every_scope_includes_reading_and_admin_includes_all() -> None:
    assert with_included([Scope.GENERATE]) == {Scope.GENERATE, Scope.READ}
    assert with_included([Scope.TRAIN]) == {Scope.TRAIN, Scope.READ}
    assert with_included([Scope.READ]) == {Scope.READ}
    assert with_included([Scope.ADMIN]) == set(Scope)
    assert with_included([]) == set()
