"""The aiohttp transport on real sockets: how its faults look decides whether a create is sent again."""

import asyncio

import httpx
import pytest
from httpx_aiohttp import AiohttpTransport

from app.errors import ProviderAnswerLostError, ProviderUnavailableError
from app.models import JobKind, JobStatus, Order
from app.services.replicate_client import ReplicateClient
from tests.services.replicate_client.conftest import Build

ORDER = Order("replicate", JobKind.GENERATION, "owner/name", None, {"prompt": "a cat"}, expected_outputs=1)


@pytest.fixture
def transport() -> httpx.AsyncBaseTransport:
    return AiohttpTransport()


async def created(build: Build, answer: bytes) -> tuple[ReplicateClient, bytes]:
    """Create against a server that reads a request, sends `answer` and hangs up."""
    received = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        received = await reader.readuntil(b"}}")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = build(base_url=f"http://127.0.0.1:{port}/v1")
    async with server:
        report = await client.create(ORDER, wait=None, secrets={})
    assert report.status is JobStatus.STARTING
    return client, received


async def test_a_create_reaches_a_server(build: Build) -> None:
    body = b'{"id": "abc", "status": "starting"}'
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    _, received = await created(build, answer)
    assert received.startswith(b"POST /v1/models/owner/name/predictions HTTP/1.1\r\n")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 201 Created\r\nConte",
        b"What do you want?\r\n\r\n",
    ],
    ids=["nothing", "half a body", "half a head", "no HTTP"],
)
async def test_a_server_that_hangs_up_may_have_run_it(build: Build, answer: bytes) -> None:
    with pytest.raises(ProviderAnswerLostError):
        await created(build, answer)


async def test_a_server_that_is_not_there_has_not_run_it(build: Build) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    with pytest.raises(ProviderUnavailableError):
        await build(base_url=f"http://127.0.0.1:{port}/v1").create(ORDER, wait=None, secrets={})
