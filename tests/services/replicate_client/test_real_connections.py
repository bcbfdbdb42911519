"""The aiohttp transport on real sockets: how its faults look decides whether a create is sent again."""

import gzip

import httpx
import pytest

from app.errors import DownloadError, ProviderAnswerLostError, ProviderUnavailableError
from app.models import JobKind, JobStatus, Order
from app.services.provider_wire.aiohttp_transport import ProviderTransport
from tests.answering import answering, nowhere
from tests.services.replicate_client.conftest import Build

ORDER = Order("replicate", JobKind.GENERATION, "owner/name", None, {"prompt": "a cat"}, expected_outputs=1)


@pytest.fixture
def transport() -> httpx.AsyncBaseTransport:
    return ProviderTransport()


async def created(build: Build, answer: bytes) -> bytes:
    """Create against a server that gives this answer; what it received."""
    async with answering(answer, to=b"}}") as server:
        report = await build(base_url=f"{server.address}/v1").create(ORDER, wait=None, secrets={})
    assert report.status is JobStatus.STARTING
    return server.received


async def downloaded(build: Build, answer: bytes) -> tuple[list[bytes], bytes]:
    """The pieces of a picture from a server that gives this answer, and what it received."""
    async with answering(answer, to=b"\r\n\r\n") as server:
        client = build(base_url=f"{server.address}/v1")
        pieces = [piece async for piece in client.download(f"{server.address}/xezq/out-0.webp")]
    return pieces, server.received


async def test_a_create_reaches_a_server(build: Build) -> None:
    body = b'{"id": "abc", "status": "starting"}'
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    received = await created(build, answer)
    assert received.startswith(b"POST /v1/models/owner/name/predictions HTTP/1.1\r\n")


async def test_an_answer_may_come_compressed(build: Build) -> None:
    body = gzip.compress(b'{"id": "abc", "status": "starting"}')
    head = b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    received = await created(build, head + body)
    assert b"\r\nAccept-Encoding: gzip, deflate\r\n" in received


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
    with pytest.raises(ProviderUnavailableError):
        await build(base_url=f"{await nowhere()}/v1").create(ORDER, wait=None, secrets={})


@pytest.mark.parametrize("size", [200_000, 3_000_000])
async def test_a_picture_comes_whole(build: Build, size: int) -> None:
    picture = bytes(range(250)) * (size // 250)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (size, picture)
    pieces, received = await downloaded(build, answer)
    assert b"".join(pieces) == picture
    assert len(pieces) == 1 + size // (1024 * 1024)
    assert received.startswith(b"GET /xezq/out-0.webp HTTP/1.1\r\n")
    assert b"authorization" not in received.lower()
    assert b"\r\nAccept-Encoding: identity\r\n" in received


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        (b"", False),
        (b"What do you want?\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\npart", False),
        (b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50000001\r\n\r\npart", True),
    ],
    ids=["nothing", "no HTTP", "half", "half, chunked", "compressed", "elsewhere", "gone", "too large"],
)
async def test_what_is_no_whole_picture_is_none(build: Build, answer: bytes, gone: bool) -> None:
    with pytest.raises(DownloadError) as caught:
        await downloaded(build, answer)
    assert caught.value.gone is gone


async def test_a_picture_on_a_server_that_is_not_there_may_come_later(build: Build) -> None:
    address = await nowhere()
    with pytest.raises(DownloadError, match="could not be fetched") as caught:
        await anext(build(base_url=f"{address}/v1").download(f"{address}/xezq/out-0.webp"))
    assert not caught.value.gone
