"""A way to the provider that loses requests and answers as it is told."""

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import TypeAlias

import aiohttp
from aiohttp import web

_OF_THE_CONNECTION = frozenset(
    {"connection", "content-length", "keep-alive", "transfer-encoding", "content-encoding"}
)


class Course(Enum):
    """What becomes of a request."""

    PASS = auto()
    LOSE_REQUEST = auto()
    LOSE_ANSWER = auto()
    HOLD_ANSWER = auto()


Rule: TypeAlias = Callable[[str, bytes], Course]
"""Decides by method and path, as in `POST /v1/predictions`, and by the body."""


def let_pass(_call: str, _body: bytes) -> Course:
    """The rule of a way that works."""
    return Course.PASS


class Proxy:
    """Passes requests on to `target`, but for those that `rule` loses, which are never answered, or holds."""

    def __init__(self, target: str) -> None:
        self.rule: Rule = let_pass
        self.lost_requests = 0
        self.lost_answers = 0
        self.held_answers = 0
        self._go_on = asyncio.Event()
        self._target = target
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        self._session: aiohttp.ClientSession | None = None

    async def start(self, port: int) -> None:
        """Begin to listen."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()

    async def aclose(self) -> None:
        """Drop every connection."""
        await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    def go_on(self) -> None:
        """Give all answers that were held, and hold none any more."""
        self._go_on.set()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        course = self.rule(f"{request.method} {request.path}", body)
        if course is Course.LOSE_REQUEST:
            self.lost_requests += 1
            await _never()
        assert self._session is not None
        async with self._session.request(
            request.method,
            f"{self._target}{request.path_qs}",
            headers=_passed_on(request.headers),
            data=body,
            allow_redirects=False,
        ) as answer:
            content = await answer.read()
        if course is Course.LOSE_ANSWER:
            self.lost_answers += 1
            await _never()
        if course is Course.HOLD_ANSWER:
            self.held_answers += 1
            await self._go_on.wait()
        return web.Response(status=answer.status, body=content, headers=_passed_on(answer.headers))


async def _never() -> None:
    await asyncio.get_running_loop().create_future()


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _OF_THE_CONNECTION}
