"""A server of bytes: it reads one request, sends what it was told to, and hangs up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass
class Answering:
    """Where the server is, and what it has received."""

    address: str
    received: bytes = b""


@asynccontextmanager
async def answering(answer: bytes, *, to: bytes) -> AsyncIterator[Answering]:
    """Send `answer` once `to` has come, which ends the request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        known.received = await reader.readuntil(to)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    known = Answering(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with server:
        yield known


async def nowhere() -> str:
    """An address where nobody listens."""
    async with answering(b"", to=b"") as gone:
        return gone.address
