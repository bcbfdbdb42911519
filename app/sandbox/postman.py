"""Sends webhooks, signed as Standard Webhooks wants it, and repeats the final one until it arrives."""

import asyncio
import base64
import hmac
import json
import secrets
import sqlite3
from collections.abc import Callable
from datetime import datetime

import httpx

from app.sandbox import deliveries, run_store
from app.sandbox.clock import Clock
from app.sandbox.database import Database, count, secret
from app.sandbox.deliveries import Delivery
from app.sandbox.inputs import Connect
from app.sandbox.rendering import Form, Renderer
from app.sandbox.rounds import Rounds
from app.sandbox.runner import Runner
from app.sandbox.runs import Run, final_moment

_TIMEOUT_SECONDS = 10.0


class Postman(Rounds):
    """The sandbox's background work: sending webhooks, and reading inputs of runs that nobody looks at."""

    def __init__(
        self, *, database: Database, clock: Clock, runner: Runner, renderer: Renderer, http: Connect
    ) -> None:
        super().__init__(clock)
        self._database = database
        self._runner = runner
        self._renderer = renderer
        self._http = http

    async def secret(self) -> str:
        """The account's signing secret."""
        fresh = f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}"
        return await self._database.write(lambda connection: secret(connection, "webhooks", fresh))

    async def send_due(self) -> int:
        """Send everything that is due at this moment and return how many webhooks that were."""
        sent = 0
        await self._runner.settle_all()
        while claimed := await self._database.write(self._claim):
            sent += sum(await asyncio.gather(*(self._handle(delivery) for delivery in claimed)))
        return sent

    async def next_due(self) -> datetime | None:
        """When a webhook or an input that is to be read comes next."""
        return await self._database.read(deliveries.next_due)

    def _claim(self, connection: sqlite3.Connection) -> list[Delivery]:
        return deliveries.claim(connection, self._clock.now())

    async def _handle(self, delivery: Delivery) -> bool:
        found = await self._database.read(lambda connection: run_store.by_id(connection, delivery.run_id))
        run = None if found is None else await self._runner.settle(found)
        due = None if run is None else deliveries.event_time(run, delivery.event)
        if run is None or due is None:
            await self._finish(lambda connection: deliveries.done(connection, delivery))
            return False
        if due > self._clock.now():
            await self._later(delivery, due, delivery.message_id, delivery.attempt)
            return False
        if delivery.event == "logs":
            return await self._send_logs(delivery, run)
        form = Form.READY if delivery.event == "output" else Form.FULL
        arrived = await self._post(delivery, run, due, form)
        if not arrived and delivery.event == "completed" and delivery.attempt < len(deliveries.RETRIES):
            due = self._clock.now() + deliveries.RETRIES[delivery.attempt]
            await self._later(delivery, due, delivery.message_id, delivery.attempt + 1)
        else:
            await self._finish(lambda connection: deliveries.done(connection, delivery))
        return True

    async def _send_logs(self, delivery: Delivery, run: Run) -> bool:
        now = self._clock.now()
        if now >= final_moment(run)[0]:
            await self._finish(lambda connection: deliveries.done(connection, delivery))
            return False
        sent = (
            self._renderer.show(run, now)["logs"]
            != self._renderer.show(run, now - deliveries.THROTTLE)["logs"]
        )
        if sent:
            await self._post(delivery, run, now, Form.FULL)
        await self._later(delivery, now + deliveries.THROTTLE, f"msg_{run_store.fresh_id()}", 0)
        return sent

    async def _post(self, delivery: Delivery, run: Run, at: datetime, form: Form) -> bool:
        """Send the run as it stood `at`; false when it should be tried again."""
        body = json.dumps(self._renderer.show(run, at, form)).encode()
        timestamp = str(int(self._clock.now().timestamp()))
        headers = {
            "content-type": "application/json",
            "user-agent": "Replicate-Sandbox/1.0",
            "webhook-id": delivery.message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(await self.secret(), delivery.message_id, timestamp, body),
        }
        try:
            http = await self._http()
            response = await http.post(
                str(run.asked.webhook),
                content=body,
                headers=headers,
                follow_redirects=False,
                timeout=_TIMEOUT_SECONDS,
            )
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
        finally:
            await self._database.write(lambda connection: count(connection, "webhooks_sent"))
        return not response.is_error

    async def _later(self, delivery: Delivery, due: datetime, message_id: str, attempt: int) -> None:
        await self._finish(
            lambda connection: deliveries.again(
                connection, delivery, due, message_id=message_id, attempt=attempt
            )
        )

    async def _finish(self, work: Callable[[sqlite3.Connection], None]) -> None:
        await self._database.write(work)


def signature(signing_secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """The signature header of a webhook that is sent at `timestamp`, in Unix seconds."""
    key = base64.b64decode(signing_secret.removeprefix("whsec_"))
    digest = hmac.digest(key, b".".join((message_id.encode(), timestamp.encode(), body)), "sha256")
    return f"v1,{base64.b64encode(digest).decode()}"
