"""Tasks and fine-tunes as rows."""

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.sandbox.bfl.tasks import Plan, Task, Webhook
from app.sandbox.faults import Fault
from app.sandbox.run_store import moment

MOST_ACTIVE = 24
RETRIES = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30))
"""How long after each failure a webhook is tried again; after the last one it is dropped."""

_LEASE = timedelta(seconds=40)
_AT_ONCE = 50


class TooManyTasksError(Exception):
    """There are `limit` active tasks already."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} active tasks")
        self.limit = limit


@dataclass(frozen=True)
class Delivery:
    """A webhook that this process has claimed; `attempt` counts from 1."""

    task: Task
    webhook: Webhook
    attempt: int


@dataclass(frozen=True)
class Finetune:
    """What a training learnt, with the style as JSON."""

    id: str
    available: datetime
    details: dict[str, object]
    style: str | None


def insert(connection: sqlite3.Connection, task: Task, most_of_its_kind: int | None) -> None:
    """Record a new task; TooManyTasksError when too many are active, of all or of its endpoint."""
    now = task.created.timestamp()
    active = dict(
        connection.execute(
            "select endpoint, count(*) from bfl_tasks where ends > ? group by endpoint", (now,)
        )
    )
    if sum(active.values()) >= MOST_ACTIVE:
        raise TooManyTasksError(MOST_ACTIVE)
    if most_of_its_kind is not None and active.get(task.endpoint, 0) >= most_of_its_kind:
        raise TooManyTasksError(most_of_its_kind)
    webhook = task.webhook
    told = webhook is not None and Fault.LOST_TASK not in task.plan.faults
    connection.execute(
        "insert into bfl_tasks (id, home, endpoint, created, ends, charged, token, plan, webhook,"
        " webhook_secret, webhook_due) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            task.id,
            task.home,
            task.endpoint,
            now,
            task.ends.timestamp(),
            task.charged,
            task.token,
            task.plan.to_json(),
            None if webhook is None else webhook.url,
            None if webhook is None else webhook.secret,
            task.ends.timestamp() if told else None,
        ),
    )


def by_id(connection: sqlite3.Connection, task_id: str) -> Task | None:
    """The task with that id."""
    row = connection.execute("select * from bfl_tasks where id = ?", (task_id,)).fetchone()
    return None if row is None else _task(row)


def charged(connection: sqlite3.Connection) -> float:
    """All credits that were spent."""
    row = connection.execute("select coalesce(sum(charged), 0) as credits from bfl_tasks").fetchone()
    return float(row["credits"])


def claim(connection: sqlite3.Connection, now: datetime) -> list[Delivery]:
    """Take the webhooks that are due; nobody else gets them before the lease is over."""
    rows = connection.execute(
        "update bfl_tasks set webhook_due = ?, webhook_attempt = webhook_attempt + 1 where seq in"
        " (select seq from bfl_tasks where webhook_due <= ? order by webhook_due limit ?) returning *",
        ((now + _LEASE).timestamp(), now.timestamp(), _AT_ONCE),
    ).fetchall()
    return [
        Delivery(_task(row), Webhook(row["webhook"], row["webhook_secret"]), row["webhook_attempt"])
        for row in rows
    ]


def finish(connection: sqlite3.Connection, task_id: str, again: datetime | None) -> None:
    """End the claim on a webhook, which is due `again` at that time or never."""
    due = None if again is None else again.timestamp()
    connection.execute("update bfl_tasks set webhook_due = ? where id = ?", (due, task_id))


def next_due(connection: sqlite3.Connection) -> datetime | None:
    """When the next webhook is due."""
    row = connection.execute("select min(webhook_due) as due from bfl_tasks").fetchone()
    return None if row["due"] is None else moment(row["due"])


def insert_finetune(connection: sqlite3.Connection, finetune: Finetune) -> None:
    """Record a fine-tune; it can be used from the time on at which it is available."""
    connection.execute(
        "insert into bfl_finetunes (id, available, details, style) values (?, ?, ?, ?)",
        (finetune.id, finetune.available.timestamp(), json.dumps(finetune.details), finetune.style),
    )


def finetunes(connection: sqlite3.Connection, now: datetime) -> list[Finetune]:
    """The fine-tunes that can be used, oldest first."""
    rows = connection.execute(
        "select * from bfl_finetunes where available <= ? and deleted is null order by available, rowid",
        (now.timestamp(),),
    ).fetchall()
    return [_finetune(row) for row in rows]


def finetune(connection: sqlite3.Connection, finetune_id: str) -> Finetune | None:
    """The fine-tune with that id, even one that was deleted or is not ready."""
    row = connection.execute("select * from bfl_finetunes where id = ?", (finetune_id,)).fetchone()
    return None if row is None else _finetune(row)


def delete_finetune(connection: sqlite3.Connection, finetune_id: str, now: datetime) -> None:
    """Forget a fine-tune; pictures that were made with it keep its style."""
    connection.execute("update bfl_finetunes set deleted = ? where id = ?", (now.timestamp(), finetune_id))


def _task(row: sqlite3.Row) -> Task:
    return Task(
        id=row["id"],
        home=row["home"],
        endpoint=row["endpoint"],
        created=moment(row["created"]),
        charged=row["charged"],
        token=row["token"],
        plan=Plan.from_json(row["plan"]),
        webhook=None if row["webhook"] is None else Webhook(row["webhook"], row["webhook_secret"]),
    )


def _finetune(row: sqlite3.Row) -> Finetune:
    return Finetune(row["id"], moment(row["available"]), json.loads(row["details"]), row["style"])
