"""A receiver of webhooks: a real server on this machine."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

REAL_SECONDS = 60


@dataclass(frozen=True)
class Received:
    """A webhook as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """Takes every webhook, and answers `status` once it is not to be `silent`."""

    def __init__(self) -> None:
        self.status = 204
        self.silent = False
        self.url = ""
        self._came: asyncio.Queue[Received] = asyncio.Queue()
        app = web.Application()
        app.router.add_post("/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def start(self) -> None:
        """Begin to listen."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/hook"

    async def aclose(self) -> None:
        """Drop every connection."""
        await self._runner.cleanup()

    async def next(self) -> Received:
        """The next webhook; waits for it."""
        async with asyncio.timeout(REAL_SECONDS):
            return await self._came.get()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self._came.put_nowait(Received(request.path_qs, headers, body))
        if self.silent:
            await asyncio.get_running_loop().create_future()
        return web.Response(status=self.status)
