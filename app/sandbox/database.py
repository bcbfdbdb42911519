"""The sandbox's rows: one SQLite file that several processes may share."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_BUSY_MILLISECONDS = 10_000
_WAL_ATTEMPTS, _WAL_PAUSE_SECONDS = 100, 0.05

_SCHEMA = """
create table if not exists runs (
    seq integer primary key autoincrement,
    id text not null unique,
    token text not null unique,
    kind text not null,
    model text not null,
    created real not null,
    starts real not null,
    settled integer not null,
    canceled real,
    asked text not null,
    plan text not null
);
create index if not exists runs_of_kind on runs (kind, seq);
create index if not exists runs_unsettled on runs (starts) where settled = 0;
create index if not exists runs_of_model on runs (model);
create table if not exists models (
    owner text not null,
    name text not null,
    created real not null,
    about text not null,
    primary key (owner, name)
);
create table if not exists versions (
    id text primary key,
    model text not null,
    available real not null,
    deleted real,
    run_id text not null unique,
    trigger_word text not null,
    style text
);
create index if not exists versions_of_model on versions (model);
create table if not exists deployments (
    owner text not null,
    name text not null,
    number integer not null,
    released real not null,
    model text not null,
    version text not null,
    hardware text not null,
    min_instances integer not null,
    max_instances integer not null,
    primary key (owner, name)
);
create table if not exists files (
    seq integer primary key autoincrement,
    id text not null unique,
    name text not null,
    content_type text not null,
    size integer not null,
    sha256 text not null,
    md5 text not null,
    metadata text not null,
    created real not null,
    expires real not null
);
create table if not exists deliveries (
    seq integer primary key autoincrement,
    run_id text not null,
    event text not null,
    due real not null,
    message_id text not null,
    attempt integer not null default 0,
    leased_until real not null default 0
);
create index if not exists deliveries_due on deliveries (due);
create table if not exists bfl_tasks (
    seq integer primary key autoincrement,
    id text not null unique,
    home text not null,
    endpoint text not null,
    created real not null,
    ends real not null,
    charged real not null,
    token text not null,
    plan text not null,
    webhook text,
    webhook_secret text,
    webhook_due real,
    webhook_attempt integer not null default 0
);
create index if not exists bfl_tasks_active on bfl_tasks (ends);
create index if not exists bfl_webhooks_due on bfl_tasks (webhook_due) where webhook_due is not null;
create table if not exists bfl_finetunes (
    id text primary key,
    available real not null,
    deleted real,
    details text not null,
    style text
);
create table if not exists counters (name text primary key, count integer not null);
create table if not exists secrets (name text primary key, secret text not null);
"""


class Database:
    """Runs functions on one connection in one thread of its own, so that the event loop never waits."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._executor: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` finds out; it must change nothing."""
        return await self._run(lambda: work(self._open()))

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` returns, its changes committed together or, if it raises, not at all."""
        return await self._run(lambda: self._transaction(work))

    async def aclose(self) -> None:
        """Close the file; the next use opens it again."""
        executor, self._executor = self._executor, None
        if executor is not None:
            await asyncio.get_running_loop().run_in_executor(executor, self._close)
            executor.shutdown(wait=False)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="sandbox-database")
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._open()
        connection.execute("begin immediate")
        try:
            result = work(connection)
        except BaseException:
            connection.execute("rollback")
            raise
        connection.execute("commit")
        return result

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            connection.row_factory = sqlite3.Row
            connection.execute(f"pragma busy_timeout = {_BUSY_MILLISECONDS}")
            _use_wal(connection)
            connection.execute("pragma synchronous = normal")
            connection.executescript(f"begin immediate; {_SCHEMA} commit;")
            self._connection = connection
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _use_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work side by side; the file remembers it."""
    for _ in range(_WAL_ATTEMPTS):
        # SQLite waits for others with everything but this.
        with suppress(sqlite3.OperationalError):
            connection.execute("pragma journal_mode = wal")
            return
        time.sleep(_WAL_PAUSE_SECONDS)
    connection.execute("pragma journal_mode = wal")


def count(connection: sqlite3.Connection, name: str) -> int:
    """Add one to a counter and return how far it is now."""
    row = connection.execute(
        "insert into counters values (?, 1)"
        " on conflict (name) do update set count = count + 1 returning count",
        (name,),
    ).fetchone()
    return int(row["count"])


def secret(connection: sqlite3.Connection, name: str, fresh: str) -> str:
    """The secret called `name`; `fresh` becomes it when there is none yet."""
    connection.execute("insert or ignore into secrets values (?, ?)", (name, fresh))
    return str(connection.execute("select secret from secrets where name = ?", (name,)).fetchone()["secret"])
