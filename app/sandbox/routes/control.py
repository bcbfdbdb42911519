"""`/sandbox`, outside of the API: what has happened here, for tests and for curious people."""

import sqlite3

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.sandbox.faults import Fault
from app.sandbox.sandbox import sandbox_of


def _counter(name: str) -> str:
    """The query for a counter; no name comes from outside."""
    return f"select coalesce(sum(count), 0) from counters where name = '{name}'"  # noqa: S608


_COUNTS = {
    "predictions": "select count(*) from runs where kind = 'prediction'",
    "trainings": "select count(*) from runs where kind = 'training'",
    "files": "select count(*) from files",
    "models": "select count(*) from models",
    "versions": "select count(*) from versions",
    "deployments": "select count(*) from deployments",
    "creates_received": _counter("creates_received"),
    "downloads": _counter("downloads"),
    "webhooks_sent": _counter("webhooks_sent"),
    "webhooks_waiting": "select count(*) from deliveries",
    "bfl_tasks": "select count(*) from bfl_tasks where endpoint != 'finetune'",
    "bfl_finetunes": "select count(*) from bfl_tasks where endpoint = 'finetune'",
    "bfl_creates_received": _counter("bfl_creates_received"),
    "bfl_downloads": _counter("bfl_downloads"),
    "bfl_keys_leaked": _counter("bfl_keys_leaked"),
    "bfl_webhooks_sent": _counter("bfl_webhooks_sent"),
    "bfl_webhooks_waiting": "select count(*) from bfl_tasks where webhook_due is not null",
}


async def counts(request: Request) -> Response:
    """GET /sandbox"""

    def work(connection: sqlite3.Connection) -> dict[str, int]:
        return {name: int(connection.execute(query).fetchone()[0]) for name, query in _COUNTS.items()}

    found: dict[str, object] = dict(await sandbox_of(request).database.read(work))
    return JSONResponse({**found, "faults": [f"sandbox:{fault}" for fault in Fault]})
