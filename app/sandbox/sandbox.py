"""The sandbox put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import cast

import httpx
from starlette.requests import Request

from app.sandbox.addresses import Addresses
from app.sandbox.bfl.addresses import BflAddresses
from app.sandbox.bfl.laboratory import BlackForestLabs
from app.sandbox.clock import Clock
from app.sandbox.database import Database
from app.sandbox.deployments import Deployments
from app.sandbox.downloads import Downloads
from app.sandbox.files import Files
from app.sandbox.inputs import Inputs
from app.sandbox.intake import Intake
from app.sandbox.models import Models
from app.sandbox.pace import Pace
from app.sandbox.postman import Postman
from app.sandbox.rendering import Renderer
from app.sandbox.runner import Runner
from app.sandbox.runs import Run
from app.sandbox.throttle import Throttle
from app.sandbox.validation import WebhookRules

PATIENCE = "sandbox.patience"
"""The key in an ASGI scope under which `SandboxTransport` says how many seconds its client waits."""


class ClientGoneError(Exception):
    """The client stopped waiting for the answer to a request."""


class Sandbox:
    """Everything that a request may need; found in `app.state.sandbox`."""

    def __init__(
        self,
        *,
        directory: Path,
        clock: Clock,
        addresses: Addresses,
        bfl_addresses: BflAddresses,
        pace: Pace,
        account: str,
        output_ttl: timedelta,
        allow_http_webhooks: bool,
        creates_per_minute: int | None,
        http: httpx.AsyncClient | None,
    ) -> None:
        self.clock = clock
        self.addresses = addresses
        self.pace = pace
        self.account = account
        self.database = Database(directory / "sandbox.sqlite3")
        self._http = http
        self._own_http: httpx.AsyncClient | None = None
        self.files = Files(
            database=self.database,
            clock=clock,
            directory=directory / "files",
            addresses=addresses,
            account=account,
        )
        self.models = Models(database=self.database, clock=clock, account=account)
        self.deployments = Deployments(database=self.database, clock=clock, account=account)
        self.intake = Intake(self.database)
        self.throttle = Throttle(clock, creates_per_minute)
        self.webhook_rules = WebhookRules(allow_http=allow_http_webhooks)
        self.renderer = Renderer(addresses, output_ttl)
        inputs = Inputs(addresses=addresses, files=self.files, http=self._connect)
        self.runner = Runner(database=self.database, clock=clock, inputs=inputs, pace=pace)
        self.postman = Postman(
            database=self.database,
            clock=clock,
            runner=self.runner,
            renderer=self.renderer,
            http=self._connect,
        )
        self.downloads = Downloads(
            runner=self.runner,
            models=self.models,
            renderer=self.renderer,
            addresses=addresses,
            database=self.database,
            clock=clock,
        )
        self.bfl = BlackForestLabs(
            database=self.database,
            clock=clock,
            directory=directory / "bfl-inputs",
            addresses=bfl_addresses,
            pace=pace,
            inputs=inputs,
            http=self._connect,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send webhooks within the context, and close everything after it."""
        self.postman.start()
        self.bfl.postman.start()
        try:
            yield
        finally:
            await self.bfl.postman.stop()
            await self.postman.stop()
            await self.aclose()

    async def aclose(self) -> None:
        """Close what is open; enough for a sandbox that was used without `running`."""
        await self.runner.aclose()
        if self._own_http is not None:
            await self._own_http.aclose()
            self._own_http = None
        await self.database.aclose()

    async def accept(self, run: Run) -> None:
        """Record a new run and see to it that what it needs in the background is done."""
        await self.runner.add(run)
        if run.asked.webhook is not None or not run.settled:
            self.postman.wake()

    async def _connect(self) -> httpx.AsyncClient:
        """The client that was handed in, or one of its own; most sandboxes never need any."""
        if self._http is not None:
            return self._http
        if self._own_http is None:
            # In a thread, because it reads the certificates that this machine trusts.
            self._own_http = await asyncio.to_thread(httpx.AsyncClient)
        return self._own_http

    async def pause(self, request: Request, seconds: float) -> None:
        """Let `seconds` pass, or end the request when its client does not wait that long."""
        patience = cast("float | None", request.scope.get(PATIENCE))
        if patience is None or seconds <= patience:
            await self.clock.sleep(seconds)
            return
        await self.clock.sleep(patience)
        raise ClientGoneError


def sandbox_of(request: Request) -> Sandbox:
    """The sandbox that a request was sent to."""
    return cast(Sandbox, request.app.state.sandbox)
