"""Webhooks that are still to be sent, as rows: whichever process finds one due sends it."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.sandbox.run_store import fresh_id, moment
from app.sandbox.runs import Run, Status, final_moment

THROTTLE = timedelta(milliseconds=500)
RETRIES = tuple(timedelta(seconds=seconds) for seconds in (2, 4, 8, 16, 30))
"""How long after each failure the final webhook is tried again; together one minute."""

_LEASE = timedelta(seconds=30)
_AT_ONCE = 50


@dataclass(frozen=True)
class Delivery:
    """A webhook that this process has claimed."""

    seq: int
    run_id: str
    event: str
    due: datetime
    message_id: str
    attempt: int


def event_time(run: Run, event: str) -> datetime | None:
    """When `event` happens to `run` as far as is known now; None when it never does."""
    final, outcome = final_moment(run)
    if event == "completed":
        return final
    if event == "output":
        return final if outcome is Status.SUCCEEDED else None
    return run.starts if run.starts <= final and outcome is not Status.ABORTED else None


def schedule(connection: sqlite3.Connection, run: Run) -> None:
    """Plan the webhooks of a new run."""
    if run.asked.webhook is None:
        return
    for event in run.asked.events:
        # What becomes of a run whose input has not been read is seen when it starts.
        due = event_time(run, event) if run.settled else run.starts
        if due is not None:
            connection.execute(
                "insert into deliveries (run_id, event, due, message_id) values (?, ?, ?, ?)",
                (run.id, event, due.timestamp(), f"msg_{fresh_id()}"),
            )


def hasten(connection: sqlite3.Connection, run: Run) -> None:
    """Bring the webhooks of a run that was stopped forward, so that they are looked at now."""
    final, _ = final_moment(run)
    connection.execute(
        "update deliveries set due = ? where run_id = ? and due > ?",
        (final.timestamp(), run.id, final.timestamp()),
    )


def claim(connection: sqlite3.Connection, now: datetime) -> list[Delivery]:
    """Take what is due; nobody else gets it before the lease is over."""
    rows = connection.execute(
        "select * from deliveries where due <= ? and leased_until <= ? order by due, seq limit ?",
        (now.timestamp(), now.timestamp(), _AT_ONCE),
    ).fetchall()
    for row in rows:
        connection.execute(
            "update deliveries set leased_until = ? where seq = ?",
            ((now + _LEASE).timestamp(), row["seq"]),
        )
    return [
        Delivery(
            row["seq"], row["run_id"], row["event"], moment(row["due"]), row["message_id"], row["attempt"]
        )
        for row in rows
    ]


def again(
    connection: sqlite3.Connection, delivery: Delivery, due: datetime, *, message_id: str, attempt: int
) -> None:
    """Put a claimed webhook back until `due`."""
    connection.execute(
        "update deliveries set due = ?, message_id = ?, attempt = ?, leased_until = 0 where seq = ?",
        (due.timestamp(), message_id, attempt, delivery.seq),
    )


def done(connection: sqlite3.Connection, delivery: Delivery) -> None:
    """Forget a webhook."""
    connection.execute("delete from deliveries where seq = ?", (delivery.seq,))


def next_due(connection: sqlite3.Connection) -> datetime | None:
    """When there is something to do next: a webhook, or a run whose input is to be read."""
    row = connection.execute(
        "select min(due) as due from (select min(max(due, leased_until)) as due from deliveries"
        " union all select min(starts) from runs where settled = 0 and canceled is null)"
    ).fetchone()
    return None if row["due"] is None else moment(row["due"])
