"""Requests over a transport, past the client, which would look for cookies, redirects and credentials."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import httpx

from app.services.provider_wire.answers import Answer
from app.services.provider_wire.faults import TransportFault
from app.services.provider_wire.time_limits import CallLimit


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request; `headers` are all that it needs besides `Host` and `Content-Length`."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None = None


class Incoming(Protocol):
    """An answer whose body has yet to come; to be closed by whoever opened it."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it was sent, in pieces as they arrive."""
        ...

    async def aclose(self) -> None:
        """Give the connection back, or up where more would come."""
        ...


class DirectTransport(httpx.AsyncBaseTransport):
    """A transport that also does without httpx's requests and answers, which cost a tenth of a generation."""

    async def exchange(self, outgoing: Outgoing, limits: httpx.Timeout) -> Answer:
        """The whole answer, whatever its status. Raises what transports raise."""
        raise NotImplementedError

    async def open(self, outgoing: Outgoing, limits: httpx.Timeout) -> Incoming:
        """The beginning of an answer. Raises what transports raise."""
        raise NotImplementedError


async def send_once(transport: httpx.AsyncBaseTransport, outgoing: Outgoing, limit: CallLimit) -> Answer:
    """The whole answer, whatever its status; raises `TransportFault` where none came within `limit`."""
    try:
        async with asyncio.timeout(limit.total_seconds):
            if isinstance(transport, DirectTransport):
                return await transport.exchange(outgoing, limit.timeout)
            response = await transport.handle_async_request(_request(outgoing, limit.timeout))
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
            return response
    except Exception as exc:
        # Whatever it was, even a mistake of ours: the request may have left.
        raise TransportFault(exc) from exc


async def opened(transport: httpx.AsyncBaseTransport, outgoing: Outgoing, limits: httpx.Timeout) -> Incoming:
    """The beginning of an answer, whatever its status. Raises what transports raise."""
    if isinstance(transport, DirectTransport):
        return await transport.open(outgoing, limits)
    return _HttpxIncoming(await transport.handle_async_request(_request(outgoing, limits)))


class _HttpxIncoming:
    def __init__(self, response: httpx.Response) -> None:
        self.status_code = response.status_code
        self.headers = response.headers
        self._response = response

    def pieces(self) -> AsyncIterator[bytes]:
        return aiter(self._response.stream)  # type: ignore[arg-type]  # asynchronous, as the transport is

    async def aclose(self) -> None:
        with suppress(Exception):
            await self._response.stream.aclose()  # type: ignore[union-attr]  # likewise


def _request(outgoing: Outgoing, limits: httpx.Timeout) -> httpx.Request:
    return httpx.Request(
        outgoing.method,
        outgoing.url,
        headers=outgoing.headers,
        content=outgoing.content,
        extensions={"timeout": limits.as_dict()},
    )
