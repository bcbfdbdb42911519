"""A form with one file in it, read from disk as it is sent."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

_CHUNK_BYTES = 1024 * 1024


async def file_upload(path: Path, *, media_type: str) -> tuple[AsyncIterator[bytes], dict[str, str]]:
    """The body and the headers of a form whose field `content` is the file at `path`."""
    boundary = secrets.token_hex(16)
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="content"; filename="{_ascii(path.name)}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    size = (await asyncio.to_thread(path.stat)).st_size
    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(head) + size + len(tail)),
    }
    return _body(head, path, tail), headers


async def _body(head: bytes, path: Path, tail: bytes) -> AsyncIterator[bytes]:
    yield head
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield chunk
    finally:
        await asyncio.to_thread(file.close)
    yield tail


def _ascii(name: str) -> str:
    """`name` without what would break out of a header."""
    return "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in name)
