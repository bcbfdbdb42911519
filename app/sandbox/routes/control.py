"""`/sandbox`, outside of the API: what has happened here, for tests and for curious people."""

import sqlite3

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.sandbox.faults import Fault
from app.sandbox.sandbox import sandbox_of

_COUNTS = {
    "predictions": "select count(*) from runs where kind = 'prediction'",
    "trainings": "select count(*) from runs where kind = 'training'",
    "files": "select count(*) from files",
    "models": "select count(*) from models",
    "versions": "select count(*) from versions",
    "deployments": "select count(*) from deployments",
    "creates_received": "select coalesce(sum(count), 0) from counters where name = 'creates_received'",
    "downloads": "select coalesce(sum(count), 0) from counters where name = 'downloads'",
    "webhooks_sent": "select coalesce(sum(count), 0) from counters where name = 'webhooks_sent'",
    "webhooks_waiting": "select count(*) from deliveries",
}


async def counts(request: Request) -> Response:
    """GET /sandbox"""

    def work(connection: sqlite3.Connection) -> dict[str, int]:
        return {name: int(connection.execute(query).fetchone()[0]) for name, query in _COUNTS.items()}

    found: dict[str, object] = dict(await sandbox_of(request).database.read(work))
    return JSONResponse({**found, "faults": [f"sandbox:{fault}" for fault in Fault]})
