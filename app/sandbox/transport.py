"""httpx on one side, an ASGI application on the other, and in between what a network does to both."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import httpx
from starlette.types import ASGIApp, Message

from app.sandbox.sandbox import PATIENCE, ClientGoneError


class SandboxTransport(httpx.AsyncBaseTransport):
    """Sends every request to the application, whatever its host.

    Unlike `httpx.ASGITransport` it keeps the read timeout, in the clock's time as well as in real time, and a
    body that is shorter than announced raises `httpx.RemoteProtocolError`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Have the application answer."""
        timeout = cast("float | None", request.extensions.get("timeout", {}).get("read"))
        exchange = _Exchange(request)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "server": (request.url.host, request.url.port),
            "client": ("127.0.0.1", 123),
            "root_path": "",
            PATIENCE: timeout,
        }
        try:
            async with asyncio.timeout(timeout):
                await self._app(scope, exchange.receive, exchange.send)
        except (TimeoutError, ClientGoneError) as exc:
            raise httpx.ReadTimeout("The sandbox has not answered in time", request=request) from exc
        if exchange.status is None:
            raise httpx.RemoteProtocolError(
                "Server disconnected without sending a response.", request=request
            )
        return httpx.Response(exchange.status, headers=exchange.headers, stream=_Body(exchange, request))


class _Exchange:
    """One request on its way in, and its response on the way out."""

    def __init__(self, request: httpx.Request) -> None:
        assert isinstance(request.stream, httpx.AsyncByteStream)  # noqa: S101 -- an AsyncClient sends no other
        self._parts = aiter(request.stream)
        self._sent = False
        self.status: int | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self._bodiless = request.method == "HEAD"
        self._complete = asyncio.Event()

    async def receive(self) -> Message:
        if self._sent:
            await self._complete.wait()
            return {"type": "http.disconnect"}
        try:
            return {"type": "http.request", "body": await anext(self._parts), "more_body": True}
        except StopAsyncIteration:
            self._sent = True
            return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            if message.get("body") and not self._bodiless:
                self.body.append(bytes(message["body"]))
            if not message.get("more_body", False):
                self._complete.set()

    @property
    def announced(self) -> int | None:
        """The length that the response's headers promise."""
        if self._bodiless or self.status == 304:
            return None
        return next((int(value) for name, value in self.headers if name.lower() == b"content-length"), None)


class _Body(httpx.AsyncByteStream):
    """The parts of a response's body as the application sent them."""

    def __init__(self, exchange: _Exchange, request: httpx.Request) -> None:
        self._exchange = exchange
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._exchange.body:
            yield part
        received, expected = sum(map(len, self._exchange.body)), self._exchange.announced
        if expected is not None and received < expected:
            raise httpx.RemoteProtocolError(
                "peer closed connection without sending complete message body"
                f" (received {received} bytes, expected {expected})",
                request=self._request,
            )
