"""The network by aiohttp: httpx's own pool of connections is the slower one by far."""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import map_aiohttp_exceptions

from app.services.provider_wire.answers import Answer, PlainAnswer
from app.services.provider_wire.sending import DirectTransport, Outgoing

MOST_CONNECTIONS = 4096
"""To the providers at once: one for every generation that waits there."""

IDLE_SECONDS = 30.0
"""How long a connection to a provider is kept for the next request."""

BYTES_READ = 256 * 1024
"""From a connection at once: an ordinary picture in few pieces, each of which costs a round of the loop."""


class ProviderTransport(DirectTransport, AiohttpTransport):
    """Connections to the providers. Faults look the same, whichever way a request is sent."""

    def __init__(self) -> None:
        super().__init__(client=_session)

    async def exchange(self, outgoing: Outgoing, limits: httpx.Timeout) -> Answer:
        with map_aiohttp_exceptions():
            async with self._sent(outgoing, limits, decoded=True) as response:
                return PlainAnswer(response.status, response.headers, await response.read())

    async def open(self, outgoing: Outgoing, limits: httpx.Timeout) -> "_Incoming":
        with map_aiohttp_exceptions():
            return _Incoming(await self._sent(outgoing, limits, decoded=False))

    def _sent(
        self, outgoing: Outgoing, limits: httpx.Timeout, *, decoded: bool
    ) -> "aiohttp.client._RequestContextManager":
        if not isinstance(self.client, aiohttp.ClientSession):
            self.client = self.get_client()
        return self.client.request(
            outgoing.method,
            outgoing.url,
            headers=outgoing.headers,
            data=outgoing.content,
            allow_redirects=False,
            auto_decompress=decoded,
            timeout=aiohttp.ClientTimeout(
                connect=limits.pool, sock_connect=limits.connect, sock_read=limits.read
            ),
        )


class _Incoming:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def status_code(self) -> int:
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._response.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        content = self._response.content
        with map_aiohttp_exceptions():
            while piece := await content.read(BYTES_READ):
                yield piece

    async def aclose(self) -> None:
        with suppress(Exception):
            self._response.release()


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=MOST_CONNECTIONS, keepalive_timeout=IDLE_SECONDS)
    # What one caller's answer sets must not go out with another's request.
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), read_bufsize=BYTES_READ
    )
