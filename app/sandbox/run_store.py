"""Runs as rows."""

import base64
import secrets
import sqlite3
from datetime import UTC, datetime

from app.sandbox.runs import Asked, Plan, Run, RunKind


def fresh_id() -> str:
    """An id as predictions and trainings have them: 26 lower-case characters."""
    return base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


def fresh_token() -> str:
    """The unguessable part of an output's address."""
    return secrets.token_urlsafe(32)


def moment(seconds: float) -> datetime:
    """The aware UTC time that is stored as `seconds`."""
    return datetime.fromtimestamp(seconds, UTC)


def insert(connection: sqlite3.Connection, run: Run) -> None:
    """Record a new run."""
    connection.execute(
        "insert into runs (id, token, kind, model, created, starts, settled, asked, plan)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            run.id,
            run.token,
            run.kind,
            run.model,
            run.created.timestamp(),
            run.starts.timestamp(),
            run.settled,
            run.asked.to_json(),
            run.plan.to_json(),
        ),
    )


def by_id(connection: sqlite3.Connection, run_id: str, kind: RunKind | None = None) -> Run | None:
    """The run with that id, if it is of that kind."""
    row = connection.execute("select * from runs where id = ?", (run_id,)).fetchone()
    return None if row is None or (kind is not None and row["kind"] != kind) else _run(row)


def by_token(connection: sqlite3.Connection, token: str) -> Run | None:
    """The run whose outputs lie under that address."""
    row = connection.execute("select * from runs where token = ?", (token,)).fetchone()
    return None if row is None else _run(row)


def newest(
    connection: sqlite3.Connection,
    kind: RunKind,
    limit: int,
    *,
    before: int | None = None,
    after: int | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
) -> list[tuple[int, Run]]:
    """Up to `limit` runs with their row numbers, newest first.

    With `after` they are the oldest ones above that row number, otherwise the newest below `before`.
    """
    where = ["kind = ?"]
    arguments: list[str | int | float] = [kind.value]
    for condition, value in (
        ("seq < ?", before),
        ("seq > ?", after),
        ("created >= ?", None if created_after is None else created_after.timestamp()),
        ("created < ?", None if created_before is None else created_before.timestamp()),
    ):
        if value is not None:
            where.append(condition)
            arguments.append(value)
    order = "desc" if after is None else "asc"
    rows = connection.execute(
        f"select * from runs where {' and '.join(where)} order by seq {order} limit ?",  # noqa: S608 -- no value
        (*arguments, limit),
    ).fetchall()
    found = [(int(row["seq"]), _run(row)) for row in rows]
    return found if after is None else found[::-1]


def unsettled(connection: sqlite3.Connection, now: datetime) -> list[Run]:
    """Runs that have started but whose input has not been read yet."""
    rows = connection.execute(
        "select * from runs where settled = 0 and starts <= ? and canceled is null", (now.timestamp(),)
    ).fetchall()
    return [_run(row) for row in rows]


def settle(connection: sqlite3.Connection, run_id: str, plan: Plan) -> bool:
    """Replace the plan of a run whose input has now been read; false when somebody was faster."""
    changed = connection.execute(
        "update runs set plan = ?, settled = 1 where id = ? and settled = 0", (plan.to_json(), run_id)
    )
    return changed.rowcount == 1


def cancel(connection: sqlite3.Connection, run_id: str, now: datetime) -> None:
    """Stop a run at `now`; the first time counts."""
    connection.execute(
        "update runs set canceled = ? where id = ? and canceled is null", (now.timestamp(), run_id)
    )


def run_counts(connection: sqlite3.Connection) -> dict[str, int]:
    """How often each model was run."""
    rows = connection.execute("select model, count(*) as runs from runs group by model").fetchall()
    return {row["model"]: row["runs"] for row in rows}


def _run(row: sqlite3.Row) -> Run:
    return Run(
        id=row["id"],
        token=row["token"],
        kind=RunKind(row["kind"]),
        model=row["model"],
        created=moment(row["created"]),
        asked=Asked.from_json(row["asked"]),
        plan=Plan.from_json(row["plan"]),
        settled=bool(row["settled"]),
        canceled=None if row["canceled"] is None else moment(row["canceled"]),
    )
