"""An HTTP/1.1 client that costs next to nothing: one connection, one request at a time."""

import asyncio
from dataclasses import dataclass
from typing import cast

import httptools


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    body: bytes  # empty where it was not to be kept
    length: int


class Connection(asyncio.Protocol):
    """One keep-alive connection; `open` makes it."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._body: list[bytes] = []
        self._length = 0
        self._keep_body = True

    @staticmethod
    async def open(port: int) -> "Connection":
        """Connect to 127.0.0.1; raises OSError."""
        _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
        return connection

    async def send(self, request: bytes, *, keep_body: bool = True) -> Answer:
        """Send a whole request and wait for the whole response; raises OSError when it cannot come."""
        if self._transport is None:
            raise ConnectionResetError("The server closed the connection.")
        self._keep_body = keep_body
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiter

    def close(self) -> None:
        """Close the connection, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's inherits from nothing

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionResetError("The server closed the connection."))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self._waiter is not None and not self._waiter.done():
                self._waiter.set_exception(OSError(f"Not HTTP: {error}"))

    def on_body(self, body: bytes) -> None:
        self._length += len(body)
        if self._keep_body:
            self._body.append(body)

    def on_message_complete(self) -> None:
        answer = Answer(self._parser.get_status_code(), b"".join(self._body), self._length)
        self._body, self._length = [], 0
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(answer)
