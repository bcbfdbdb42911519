"""Webhooks go to the address that was checked, and nothing of the answer but its status counts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from ipaddress import ip_address

import httpx
import pytest

from app.services.safe_fetch import Poster, RefusedUrlError, receiver_of
from app.services.safe_fetch.public_addresses import Address

PUBLIC = "93.184.215.14"

Serve = Callable[[bytes], Awaitable[str]]


@pytest.fixture
def received() -> list[bytes]:
    """What a real server got."""
    return []


@pytest.fixture
async def serve(received: list[bytes]) -> AsyncIterator[Serve]:
    """Starts real servers on loopback; each gives one answer, byte for byte, and then keeps still."""
    servers: list[asyncio.Server] = []
    writers: list[asyncio.StreamWriter] = []

    async def start(answer: bytes) -> str:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            head = await reader.readuntil(b"\r\n\r\n")
            received.append(head + await reader.readexactly(len(b'{"a":"\xc3\xb6"}')))
            writer.write(answer)

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=b"

    yield start
    for writer in writers:
        writer.close()
    for server in servers:
        server.close()
        await server.wait_closed()


async def test_a_webhook_goes_out_as_utf_8_json_with_its_headers(serve: Serve, received: list[bytes]) -> None:
    url = await serve(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    status = await Poster(allow_private=True).post(url, '{"a":"ö"}', {"webhook-id": "evt_1"})

    assert status == 202
    head, _, body = received[0].decode().partition("\r\n\r\n")
    lines = {line.lower() for line in head.splitlines()}
    assert head.startswith("POST /hook?a=b HTTP/1.1\r\n")
    assert {"content-type: application/json", "webhook-id: evt_1", "content-length: 10"} <= lines
    assert body == '{"a":"ö"}'


async def test_an_answer_that_never_ends_is_not_waited_for(serve: Serve) -> None:
    url = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 90000000000\r\n\r\nand so on")

    assert await Poster(allow_private=True).post(url, '{"a":"ö"}', {}) == 200


async def test_a_receiver_that_keeps_silent_ends_at_the_deadline(serve: Serve) -> None:
    poster = Poster(allow_private=True, deadline=timedelta(milliseconds=200))

    with pytest.raises(RefusedUrlError, match=r"gave no answer within 0\.2 seconds"):
        await poster.post(await serve(b""), '{"a":"ö"}', {})


async def test_a_closed_port_is_said_to_be_out_of_reach() -> None:
    with pytest.raises(RefusedUrlError, match="no connection can be made"):
        await Poster(allow_private=True).post("http://127.0.0.1:1/hook?key=secret", "{}", {})


async def test_this_machine_is_refused_unless_private_addresses_are_allowed(
    serve: Serve, received: list[bytes]
) -> None:
    url = await serve(b"HTTP/1.1 200 OK\r\n\r\n")

    with pytest.raises(RefusedUrlError, match="loopback"):
        await Poster().post(url, "{}", {})
    assert received == []


async def test_each_post_resolves_the_name_once_and_goes_to_the_address_that_was_checked() -> None:
    answers = iter([[ip_address(PUBLIC)], [ip_address(PUBLIC)], [ip_address("127.0.0.1")]])
    seen: list[httpx.Request] = []

    async def rebinding(_: str) -> Sequence[Address]:
        return next(answers)

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    poster = Poster(resolver=rebinding, transport_factory=lambda: httpx.MockTransport(handler))
    await poster.check("https://app.example/hook")
    await poster.post("https://app.example/hook", "{}", {})
    with pytest.raises(RefusedUrlError, match="loopback"):
        await poster.post("https://app.example/hook", "{}", {})

    [request] = seen
    assert (request.url.host, request.headers["Host"]) == (PUBLIC, "app.example")
    assert request.extensions["sni_hostname"] == "app.example"


async def test_a_name_that_nobody_knows_is_refused() -> None:
    async def resolve(_: str) -> Sequence[Address]:
        raise OSError("Name or service not known")

    with pytest.raises(RefusedUrlError, match=r"'app\.example' of 'https://app\.example/hook' is not known"):
        await Poster(resolver=resolve).check("https://app.example/hook?key=secret")


@pytest.mark.parametrize(
    ("url", "receiver"),
    [
        ("https://APP.example", "https://app.example/"),
        ("https://app.example:443/Hook?a=b#c", "https://app.example/Hook"),
        ("http://app.example:8080/hook/?", "http://app.example:8080/hook/"),
        ("https://bücher.example/hook", "https://xn--bcher-kva.example/hook"),
    ],
)
def test_a_receiver_has_one_name_however_its_url_is_written(url: str, receiver: str) -> None:
    assert receiver_of(url) == receiver
