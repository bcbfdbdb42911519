"""The aiohttp transport on real sockets: how its faults look decides what is said of an order."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.errors import ProviderAnswerLostError, ProviderUnavailableError
from app.models import JobStatus
from app.services.provider import Report
from app.services.provider_wire.aiohttp_transport import ProviderTransport
from tests.answering import answering, nowhere
from tests.services.bfl_client.conftest import Build
from tests.services.bfl_client.scripted import KEY, ORDER


@pytest.fixture
async def transport() -> AsyncIterator[httpx.AsyncBaseTransport]:
    async with ProviderTransport() as transport:
        yield transport


async def created(build: Build, answer: bytes) -> tuple[Report, bytes]:
    """Order from a server that gives this answer; what it received."""
    async with answering(answer, to=b"}") as server:
        report = await build(base_url=server.address).create(ORDER, wait=None, secrets={})
    return report, server.received


async def test_an_order_reaches_a_server(build: Build) -> None:
    body = b'{"id": "abc", "cost": 3}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    report, received = await created(build, answer)
    assert report == Report(JobStatus.STARTING, "abc")
    assert received.startswith(b"POST /v1/flux-dev HTTP/1.1\r\n")
    assert f"x-key: {KEY}".encode() in received


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"What do you want?\r\n\r\n"],
    ids=["nothing", "half a body", "no HTTP"],
)
async def test_a_server_that_hangs_up_may_have_run_it(build: Build, answer: bytes) -> None:
    with pytest.raises(ProviderAnswerLostError):
        await created(build, answer)


async def test_a_server_that_is_not_there_has_not_run_it(build: Build) -> None:
    with pytest.raises(ProviderUnavailableError):
        await build(base_url=await nowhere()).create(ORDER, wait=None, secrets={})
