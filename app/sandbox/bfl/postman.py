"""Tells BFL's webhooks how tasks ended."""

import asyncio
import hmac
import json
import sqlite3
from datetime import datetime

import httpx

from app.sandbox.bfl import task_store
from app.sandbox.bfl.addresses import BflAddresses
from app.sandbox.bfl.results import result
from app.sandbox.bfl.task_store import RETRIES, Delivery
from app.sandbox.bfl.tasks import Status, Task
from app.sandbox.clock import Clock
from app.sandbox.database import Database, count
from app.sandbox.input_schema import JSONObject
from app.sandbox.inputs import Connect
from app.sandbox.rounds import Rounds

_TIMEOUT_SECONDS = 30.0


class BflPostman(Rounds):
    """Sends each webhook until it arrives, four times at most."""

    def __init__(self, *, database: Database, clock: Clock, addresses: BflAddresses, http: Connect) -> None:
        super().__init__(clock)
        self._database = database
        self._addresses = addresses
        self._http = http

    async def send_due(self) -> int:
        """Send everything that is due at this moment and return how many webhooks that were."""
        sent = 0
        while (due := await self.next_due()) is not None and due <= self._clock.now():
            claimed = await self._database.write(self._claim)
            await asyncio.gather(*(self._send(delivery) for delivery in claimed))
            sent += len(claimed)
        return sent

    async def next_due(self) -> datetime | None:
        """When the next webhook is due."""
        return await self._database.read(task_store.next_due)

    def _claim(self, connection: sqlite3.Connection) -> list[Delivery]:
        return task_store.claim(connection, self._clock.now())

    async def _send(self, delivery: Delivery) -> None:
        arrived = await self._post(delivery)
        again = None
        if not arrived and delivery.attempt <= len(RETRIES):
            again = self._clock.now() + RETRIES[delivery.attempt - 1]

        def work(connection: sqlite3.Connection) -> None:
            count(connection, "bfl_webhooks_sent")
            task_store.finish(connection, delivery.task.id, again)

        await self._database.write(work)

    async def _post(self, delivery: Delivery) -> bool:
        """Send a webhook; false when it should be tried again."""
        body = json.dumps(_event(delivery.task, self._addresses)).encode()
        headers = {"content-type": "application/json", "user-agent": "BFL-Sandbox/1.0"}
        if delivery.webhook.secret:
            headers["x-bfl-signature"] = signature(delivery.webhook.secret, body)
        try:
            http = await self._http()
            response = await http.post(
                delivery.webhook.url,
                content=body,
                headers=headers,
                follow_redirects=False,
                timeout=_TIMEOUT_SECONDS,
            )
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        return response.is_success


def signature(secret: str, body: bytes) -> str:
    """The signature header of a webhook."""
    return f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}"


def _event(task: Task, addresses: BflAddresses) -> JSONObject:
    outcome = task.plan.course.outcome
    ready = outcome is Status.READY
    return {
        "task_id": task.id,
        "status": "SUCCESS" if ready else "FAILED",
        "result": result(task, addresses),
        "error": None if ready else outcome,
        "progress": 1.0,
    }
