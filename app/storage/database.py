"""The SQL database: short transactions, off the event loop, several writers sharing one commit.

SQLite commits one transaction at a time, and a commit costs more than the statements in it. So all writes
of this process go through one thread, which runs whatever is waiting in one transaction (each in its own
savepoint) and commits once; callers are answered after the commit.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.errors import StorageUnavailableError

T = TypeVar("T")

BUSY_TIMEOUT_MS = 15_000
MOST_WRITES_PER_COMMIT = 256
READERS = 2


@dataclass(slots=True)
class _Write(Generic[T]):
    operation: Callable[[Connection], T]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[T]
    result: T | None = None
    error: BaseException | None = field(default=None)

    def run(self, connection: Connection) -> None:
        try:
            self.result = self.operation(connection)
        except Exception as exc:
            self.error = exc

    def settle(self) -> None:
        if self.answer.cancelled():
            return
        if self.error is None:
            self.answer.set_result(self.result)  # type: ignore[arg-type]  # set whenever there is no error
        else:
            self.answer.set_exception(self.error)


class Database:
    """Runs functions of a SQLAlchemy connection, reading or writing.

    An operation is a plain function of a `Connection`; what must happen together is one operation. Errors
    of the database itself surface as `StorageUnavailableError`, broken constraints as SQLAlchemy's
    `IntegrityError`.
    """

    def __init__(self, url: str) -> None:
        self._engine = _create_engine(url)
        self._writes: queue.SimpleQueue[_Write[Any] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._keep_writing, name="database-writer", daemon=True)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="database-reader")

    async def start(self) -> None:
        """Bring the schema up to date and begin to take writes."""
        await asyncio.to_thread(self._migrate)
        self._writer.start()

    async def aclose(self) -> None:
        """Finish the writes that are waiting, then let go of everything."""
        self._writes.put(None)
        if self._writer.is_alive():
            await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._readers.shutdown)
        await asyncio.to_thread(self._engine.dispose)

    async def write(self, operation: Callable[[Connection], T]) -> T:
        """Run `operation` in a transaction; when this returns, its effect is on disk."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        write = _Write(operation, loop, answer)
        self._writes.put(write)
        try:
            return await answer
        except DBAPIError as exc:
            raise _translated(exc) from exc

    async def read(self, operation: Callable[[Connection], T]) -> T:
        """Run `operation`, which must not change anything."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._readers, self._read, operation)
        except DBAPIError as exc:
            raise _translated(exc) from exc

    async def check_writable(self) -> None:
        """Commit a transaction that changes nothing; raises `StorageUnavailableError` if that fails."""
        await self.write(lambda connection: None)

    def _read(self, operation: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return operation(connection)

    def _migrate(self) -> None:
        from app.storage.migrations import upgrade  # Alembic is needed here only, once per start.

        upgrade(self._engine)

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
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                for write in batch:
                    connection.exec_driver_sql("SAVEPOINT operation")
                    write.run(connection)
                    if write.error is not None:
                        connection.exec_driver_sql("ROLLBACK TO operation")
                    connection.exec_driver_sql("RELEASE operation")
                connection.exec_driver_sql("COMMIT")
        except Exception as exc:
            for write in batch:
                write.error = write.error or exc


def _settle(batch: Sequence[_Write[Any]]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Write[Any]]] = {}
    for write in batch:
        by_loop.setdefault(write.loop, []).append(write)
    for loop, writes in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle_all, writes)


def _settle_all(writes: Sequence[_Write[Any]]) -> None:
    for write in writes:
        write.settle()


def _translated(exc: DBAPIError) -> Exception:
    if isinstance(exc, IntegrityError):
        return exc
    return StorageUnavailableError(
        f"The database does not work at present ({type(exc.orig).__name__}: {exc.orig}); nothing was sent."
    )


def _create_engine(url: str) -> Engine:
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
        cursor.execute("PRAGMA journal_mode=WAL")
        # FULL, so that a job is on disk, not only in the kernel, before money is spent. Shared commits
        # make it cheap.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    return engine
