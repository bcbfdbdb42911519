"""An HTTP/1.1 server that costs next to nothing, so that what is measured is the contender."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl

import httptools
import uvloop

_REASONS = {200: "OK", 201: "Created", 202: "Accepted", 401: "Unauthorized", 404: "Not Found", 422: "Invalid"}


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request; header names are lower-case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; an empty body is an empty object."""
        return json.loads(self.body or b"{}")


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response; the body may come in parts."""

    status: int
    body: tuple[bytes, ...]
    media_type: str = "application/json"
    headers: str = ""  # ready lines, each ended by \r\n


def json_response(value: object, status: int = 200, headers: str = "") -> Response:
    """`value` as JSON."""
    return Response(status, (json.dumps(value).encode(),), headers=headers)


Handler = Callable[[Request, Callable[[Response], None]], None]


class _Connection(asyncio.Protocol):
    """One keep-alive connection; the next request is read after the last was answered."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's inherits from nothing

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            if self._transport is not None:
                self._transport.close()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        path, _, query = self._url.decode("latin-1").partition("?")
        request = Request(
            method=self._parser.get_method().decode("ascii"),
            path=path,
            query=dict(parse_qsl(query)),
            headers=self._headers,
            body=b"".join(self._body),
        )
        self._url, self._headers, self._body = b"", {}, []
        self._handler(request, self._respond)

    def _respond(self, response: Response) -> None:
        if self._transport is None:  # The client left while the answer was on its way.
            return
        length = sum(map(len, response.body))
        head = (
            f"HTTP/1.1 {response.status} {_REASONS[response.status]}\r\n"
            f"content-type: {response.media_type}\r\ncontent-length: {length}\r\n{response.headers}\r\n"
        )
        self._transport.writelines((head.encode("latin-1"), *response.body))
        if not self._parser.should_keep_alive():
            self._transport.close()


def serve(handler: Handler, port: int) -> None:
    """Serve on 127.0.0.1 until the process is told to stop."""

    async def _forever() -> None:
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(handler), "127.0.0.1", port, backlog=4096
        )
        await server.serve_forever()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_forever())
