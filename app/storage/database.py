"""The SQL database: short transactions, off the event loop, several writers sharing one commit.

SQLite commits one transaction at a time, and a commit costs more than the statements in it. So all writes
of this process go through one thread, which runs whatever is waiting in one transaction and commits once;
callers are answered after the commit. Where one of them fails, the others are run again without it.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.errors import StorageUnavailableError

logger = logging.getLogger(__name__)

T = TypeVar("T")
Item = TypeVar("Item")

BUSY_TIMEOUT_MS = 4_000
"""How long a lock is waited for. A write may wait twice, for the batch before its own as well, and both
together have to be well below a job's lease."""
MIGRATION_BUSY_TIMEOUT_MS = 60_000
MOST_WRITES_PER_COMMIT = 256
FEW = 3
"""How many writes of a kind are not worth being done at once."""
READERS = 2

_FAULTS = {
    sqlite3.SQLITE_BUSY: "another process keeps it locked",
    sqlite3.SQLITE_LOCKED: "another process keeps it locked",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened",
    sqlite3.SQLITE_IOERR: "its disk cannot be read or written",
    sqlite3.SQLITE_CORRUPT: "its file is damaged",
    sqlite3.SQLITE_NOTADB: "its file is damaged",
}


@dataclass(frozen=True, slots=True)
class Together(Generic[Item]):
    """How writes of one kind are done at once where several wait.

    `write_all` does with their items what their operations would do one after the other, and each of them
    answers True. Where it cannot, it raises or returns False, and they are done one after the other.
    """

    write_all: Callable[[Connection, Sequence[Item]], bool]
    item: Item


@dataclass(slots=True)
class _Write(Generic[T]):
    operation: Callable[[Connection], T]
    together: Together[Any] | None
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[T]
    done: bool = False
    result: T | None = None
    error: Exception | None = None

    def run(self, connection: Connection) -> None:
        self.result = self.error = None
        try:
            self.result = self.operation(connection)
        except StopIteration as exc:  # A future does not take it.
            self.error = RuntimeError(f"an operation ended with {exc!r}")
        except Exception as exc:
            self.error = exc
        except BaseException as exc:  # Would end the thread, and leave everyone waiting for ever.
            self.error = RuntimeError(f"an operation ended with {exc!r}")

    def settle(self) -> None:
        if self.answer.cancelled():
            return
        if self.error is None:
            self.answer.set_result(self.result)  # type: ignore[arg-type]  # set whenever there is no error
        else:
            self.answer.set_exception(self.error)


class Database:
    """Runs functions of a SQLAlchemy connection, reading or writing.

    An operation is a plain function of a `Connection`; what must happen together is one operation. It has
    no effect but on the database, since it is run again when the commit that it shared with others failed.
    Errors of the database itself surface as `StorageUnavailableError`, broken constraints as SQLAlchemy's
    `IntegrityError`.
    """

    def __init__(self, url: str, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> None:
        self._url = url
        self._engine = _create_engine(url, busy_timeout_ms)
        self._writes: queue.SimpleQueue[_Write[Any] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._keep_writing, name="database-writer", daemon=True)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="database-reader")
        self._open = False
        self._door = threading.Lock()
        """Held while `_open` is looked at or changed, so that nothing is asked for behind the end."""

    async def start(self) -> None:
        """Bring the schema up to date and begin to take operations."""
        try:
            await asyncio.to_thread(self._migrate)
        except DBAPIError as exc:
            raise _translated(exc) from exc
        self._writer.start()
        self._open = True

    async def aclose(self) -> None:
        """Finish the writes that are waiting, then let go of everything; new operations are refused."""
        with self._door:
            self._open = False
            self._writes.put(None)
        if self._writer.is_alive():
            await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._readers.shutdown)
        await asyncio.to_thread(self._engine.dispose)

    async def write(
        self, operation: Callable[[Connection], T], *, together: Together[Any] | None = None
    ) -> T:
        """Run `operation` in a transaction; when this returns, its effect is on disk.

        With `together`, writes that wait may be done otherwise, and in another order among themselves.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        write = _Write(operation, together, loop, answer)
        with self._door:
            self._check_open()
            self._writes.put(write)
        try:
            return await answer
        except DBAPIError as exc:
            raise _translated(exc) from exc

    async def read(self, operation: Callable[[Connection], T]) -> T:
        """Run `operation`, which must not change anything."""
        loop = asyncio.get_running_loop()
        with self._door:
            self._check_open()
            answer = loop.run_in_executor(self._readers, self._read, operation)
        try:
            return await answer
        except DBAPIError as exc:
            raise _translated(exc) from exc

    async def check_writable(self) -> None:
        """Write a page to the disk; raises `StorageUnavailableError` if that fails."""
        await self.write(_write_a_page)

    def _check_open(self) -> None:
        if not self._open:
            raise StorageUnavailableError("The database is closed: the service is starting or stopping.")

    def _read(self, operation: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return operation(connection)

    def _migrate(self) -> None:
        from app.storage.migrations import upgrade  # Alembic is needed here only, once per start.

        # Processes that start together wait for the one that migrates.
        engine = _create_engine(self._url, MIGRATION_BUSY_TIMEOUT_MS)
        try:
            upgrade(engine)
        finally:
            engine.dispose()

    def _keep_writing(self) -> None:
        stopping = False
        while not stopping:
            batch: list[_Write[Any]] = []
            first = self._writes.get()
            if first is None:
                break
            batch.append(first)
            while len(batch) < MOST_WRITES_PER_COMMIT:
                try:
                    following = self._writes.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    stopping = True
                    break
                batch.append(following)
            self._commit(batch)
            _settle(batch)

    def _commit(self, batch: Sequence[_Write[Any]]) -> None:
        try:
            with self._engine.connect() as connection:
                # Savepoints cost more than most operations, and operations hardly ever fail.
                if _committed(connection, batch) or _committed(connection, batch, apart=True):
                    return
                # One of them, and it is not known which, broke the transaction of all.
                for write in batch:
                    _committed(connection, [write])
        except Exception as exc:
            # The database cannot be opened or is locked, and will not be otherwise for the rest.
            for write in batch:
                if not write.done:
                    write.error = exc


def _committed(connection: Connection, writes: Sequence[_Write[Any]], *, apart: bool = False) -> bool:
    """Run them in one transaction; False if that cannot be, and nothing has changed.

    With `apart`, each in a savepoint of its own, one that fails does not undo the others. A single write is
    always settled by this. Raises where no transaction can be begun.
    """
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        if apart:
            for write in writes:
                _run_apart(connection, write)
        else:
            _run_together(connection, writes)
        connection.exec_driver_sql("COMMIT")
    except Exception as exc:
        _roll_back(connection)
        if len(writes) > 1:
            return False
        writes[0].error = writes[0].error or exc
    for write in writes:
        write.done = True
    return True


def _run_together(connection: Connection, writes: Sequence[_Write[Any]]) -> None:
    """Run them all; raises when one of them fails."""
    alike: dict[Callable[..., bool], list[_Write[Any]]] = {}
    for write in writes:
        if write.together is not None:
            alike.setdefault(write.together.write_all, []).append(write)
        else:
            # Whatever it is, it comes after what was asked for before.
            _run_alike(connection, alike)
            alike.clear()
            _run_or_raise(connection, write)
    _run_alike(connection, alike)


def _run_alike(connection: Connection, alike: dict[Callable[..., bool], list[_Write[Any]]]) -> None:
    for write_all, writes in alike.items():
        if len(writes) < FEW:
            for write in writes:
                _run_or_raise(connection, write)
            continue
        if not write_all(connection, [write.together.item for write in writes if write.together is not None]):
            raise _NotTogetherError
        for write in writes:
            write.result = True


def _run_or_raise(connection: Connection, write: _Write[Any]) -> None:
    write.run(connection)
    if write.error is not None:
        raise write.error


class _NotTogetherError(Exception):
    """Some of the writes have to be done one by one."""


def _run_apart(connection: Connection, write: _Write[Any]) -> None:
    connection.exec_driver_sql("SAVEPOINT operation")
    write.run(connection)
    if write.error is not None:
        # Fails where the error has ended the whole transaction, as a full disk does.
        connection.exec_driver_sql("ROLLBACK TO operation")
    connection.exec_driver_sql("RELEASE operation")


def _roll_back(connection: Connection) -> None:
    try:
        connection.connection.rollback()  # Does nothing where SQLite has already done it.
    except Exception:
        connection.invalidate()
        raise


def _write_a_page(connection: Connection) -> None:
    # SQLite writes the page that holds this number even where the number stays the same.
    number = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    connection.exec_driver_sql(f"PRAGMA user_version = {int(number)}")


def _settle(batch: Sequence[_Write[Any]]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Write[Any]]] = {}
    for write in batch:
        by_loop.setdefault(write.loop, []).append(write)
    for loop, writes in by_loop.items():
        with suppress(RuntimeError):  # The loop is closed; nobody waits there any more.
            loop.call_soon_threadsafe(_settle_all, writes)


def _settle_all(writes: Sequence[_Write[Any]]) -> None:
    for write in writes:
        write.settle()


def _translated(exc: DBAPIError) -> Exception:
    if isinstance(exc, IntegrityError):
        return exc
    logger.error("the database failed: %s", exc.orig)
    code = getattr(exc.orig, "sqlite_errorcode", None)
    # The low byte is the kind of fault; the rest tells kinds of it apart.
    fault = _FAULTS.get(code & 0xFF) if isinstance(code, int) else None
    return StorageUnavailableError(
        f"The database does not work at present ({fault or type(exc.orig).__name__}); try again."
    )


def _create_engine(url: str, busy_timeout_ms: int) -> Engine:
    address = make_url(url)
    if address.get_backend_name() != "sqlite" or not address.database:
        raise StorageUnavailableError(
            f"DATABASE_URL names {address.get_backend_name()!r}; sqlite:///path/to/file.db is what this "
            "version keeps its records in."
        )
    Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    # Transactions are ours to begin and end, see `_commit`; single reads need none.
    engine = create_engine(
        address.set(drivername="sqlite"), isolation_level="AUTOCOMMIT", pool_size=READERS + 1
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={busy_timeout_ms}")
        cursor.execute("PRAGMA journal_mode=WAL")
        # FULL, so that a job is on disk, not only in the kernel, before money is spent. Shared commits
        # make it cheap.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return engine
