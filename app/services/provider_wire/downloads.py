"""Finished pictures on their way home: from the provider's own addresses only, and never with a secret."""

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

import httpx

from app.errors import DownloadError
from app.services.provider_wire.addresses import is_of, origin
from app.services.provider_wire.faults import is_transport_fault
from app.services.provider_wire.sending import Incoming, Outgoing, opened

_MOST_BYTES = 50_000_000
_MOST_SECONDS = 120.0
_PIECE_BYTES = 1024 * 1024
"""What is handed on at once: an ordinary picture whole, since every piece costs the receiver a thread hop."""
_TIMEOUT = httpx.Timeout(30, connect=5, pool=30)
_GONE = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})


class Downloads:
    """Fetches pictures from hosts that `allowed` matches, or from the API's own origin as a sandbox's."""

    def __init__(
        self,
        *,
        transport: httpx.AsyncBaseTransport,
        base_url: httpx.URL,
        allowed: re.Pattern[str],
        most_bytes: int = _MOST_BYTES,
        most_seconds: float = _MOST_SECONDS,
    ) -> None:
        self._transport = transport
        self._origin = origin(base_url)
        self._allowed = allowed
        self._most_bytes = most_bytes
        self._most_seconds = most_seconds

    async def download(self, url: str) -> AsyncIterator[bytes]:
        """The bytes at `url`, which may be a `data:` address. Raises `DownloadError`."""
        if url.startswith("data:"):
            yield await self._decoded(url)
            return
        address = self._checked(url)
        deadline = asyncio.get_running_loop().time() + self._most_seconds
        # Compressing a picture gains nothing and would hide its length.
        outgoing = Outgoing("GET", str(address), {"Accept": "*/*", "Accept-Encoding": "identity"})
        try:
            async with asyncio.timeout_at(deadline):
                incoming = await opened(self._transport, outgoing, _TIMEOUT)
        except Exception as exc:
            if is_transport_fault(exc):
                raise _broken(exc, address) from exc
            raise
        try:
            async for piece in self._pieces(incoming, address, deadline):
                yield piece
        finally:
            await incoming.aclose()

    async def _pieces(self, incoming: Incoming, address: httpx.URL, deadline: float) -> AsyncIterator[bytes]:
        if incoming.status_code != HTTPStatus.OK:
            raise DownloadError(
                f"The picture at {address.host} was answered with status {incoming.status_code}.",
                gone=incoming.status_code in _GONE,
            )
        announced = _content_length(incoming)
        if announced is not None and announced > self._most_bytes:
            raise self._too_large()
        if incoming.headers.get("content-encoding", "identity") != "identity":
            raise DownloadError(f"The picture at {address.host} came compressed, which was not asked for.")
        chunks = incoming.pieces()
        total, ended = 0, False
        while not ended:
            piece: list[bytes] = []
            size = 0
            try:
                # A limit for each piece: the receiver's own time between two must not be cut short.
                async with asyncio.timeout_at(deadline):
                    while size < _PIECE_BYTES:
                        chunk = await anext(chunks, None)
                        if chunk is None:
                            ended = True
                            break
                        piece.append(chunk)
                        size += len(chunk)
            except Exception as exc:
                if is_transport_fault(exc):
                    raise _broken(exc, address) from exc
                raise
            total += size
            if total > self._most_bytes:
                raise self._too_large()
            if ended and announced is not None and total < announced:
                raise DownloadError(f"The picture broke off after {total} of {announced} bytes.")
            if piece:
                yield b"".join(piece) if len(piece) > 1 else piece[0]

    def _checked(self, url: str) -> httpx.URL:
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL:
            raise DownloadError("The provider gave an address that is none.", gone=True) from None
        host = address.host
        if not (is_of(address, self._allowed) or (origin(address) == self._origin and not address.userinfo)):
            raise DownloadError(
                f"The provider gave an address for a picture that is not its own: {host[:100]!r}.", gone=True
            )
        return address

    async def _decoded(self, url: str) -> bytes:
        """What a `data:` address holds."""
        if len(url) > self._most_bytes * 4 // 3 + 1000:
            raise self._too_large()
        try:
            # A megabyte takes about a millisecond; more should not keep others waiting.
            if len(url) > _PIECE_BYTES:
                content = await asyncio.to_thread(_data_of, url)
            else:
                content = _data_of(url)
        except (ValueError, binascii.Error):
            raise DownloadError("The provider sent a picture that cannot be decoded.", gone=True) from None
        if len(content) > self._most_bytes:
            raise self._too_large()
        return content

    def _too_large(self) -> DownloadError:
        return DownloadError(
            f"The picture is larger than the {self._most_bytes // 1_000_000} MB that are fetched.", gone=True
        )


def _data_of(url: str) -> bytes:
    header, comma, body = url.removeprefix("data:").partition(",")
    if not comma:
        raise ValueError("a data: address without a comma")
    if header.endswith(";base64"):
        if "%" in body:
            body = unquote_to_bytes(body).decode("ascii")
        return base64.b64decode(body, validate=True)
    return unquote_to_bytes(body)


def _content_length(incoming: Incoming) -> int | None:
    value = incoming.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else None


def _broken(exc: Exception, address: httpx.URL) -> DownloadError:
    if isinstance(exc, TimeoutError):
        return DownloadError(f"The picture at {address.host} did not arrive in time.")
    return DownloadError(f"The picture at {address.host} could not be fetched ({type(exc).__name__}).")
