"""Reads what an input names, as Replicate's workers do when a run starts."""

import asyncio
import base64
import binascii
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote_to_bytes

import httpx

from app.sandbox.addresses import Addresses
from app.sandbox.files import Files

_MAX_BYTES = 2**30
_CHUNK = 2**20

Connect = Callable[[], Awaitable[httpx.AsyncClient]]
"""Gives the client for addresses outside of the sandbox."""


class UnreadableInputError(Exception):
    """An input could not be read; the text is what the run fails with."""


class Inputs:
    """Opens uploaded files, `data:` URIs and what lies under http(s) addresses."""

    def __init__(self, *, addresses: Addresses, files: Files, http: Connect) -> None:
        self._addresses = addresses
        self._files = files
        self._http = http

    @asynccontextmanager
    async def open(self, address: str) -> AsyncIterator[Path]:
        """The content as a file that can be read within the context."""
        file_id = self._addresses.file_in(address)
        if file_id is not None:
            path = await self._files.path(file_id)
            if path is None:
                raise UnreadableInputError(f"Failed to download {address}: 404 Not Found")
            yield path
            return
        temporary = await asyncio.to_thread(tempfile.NamedTemporaryFile, prefix="sandbox-")
        try:
            target = cast(BinaryIO, temporary)
            if address.startswith("data:"):
                await asyncio.to_thread(_write, target, _data(address))
            else:
                await self._download(address, target)
            yield Path(temporary.name)
        finally:
            await asyncio.to_thread(temporary.close)

    async def _download(self, address: str, target: BinaryIO) -> None:
        size = 0
        try:
            http = await self._http()
            async with http.stream("GET", address, follow_redirects=True) as response:
                response.raise_for_status()
                async for chunk in response.aiter_bytes(_CHUNK):
                    size += len(chunk)
                    if size > _MAX_BYTES:
                        raise UnreadableInputError(
                            f"Failed to download {address}: larger than {_MAX_BYTES} bytes"
                        )
                    await asyncio.to_thread(_write, target, chunk)
        except httpx.HTTPStatusError as exc:
            reason = f"{exc.response.status_code} {exc.response.reason_phrase}"
            raise UnreadableInputError(f"Failed to download {address}: {reason}") from exc
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            raise UnreadableInputError(
                f"Failed to download {address}: {str(exc) or type(exc).__name__}"
            ) from exc


def _write(target: BinaryIO, content: bytes) -> None:
    target.write(content)
    target.flush()


def _data(address: str) -> bytes:
    head, comma, body = address.partition(",")
    if not comma:
        raise UnreadableInputError("Failed to read a data: URI: it has no comma")
    if not head.endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(unquote_to_bytes(body), validate=True)
    except binascii.Error as exc:
        raise UnreadableInputError(f"Failed to read a data: URI: {exc}") from exc
