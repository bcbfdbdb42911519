import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from ipaddress import ip_address

import httpx
import pytest

from app.errors import InvalidRequestError
from app.services.safe_fetch.inspector import UrlInspector
from app.services.safe_fetch.public_addresses import Address
from app.services.safe_fetch.public_urls import Resolver

ZIP = b"PK\x03\x04rest of the zip"
PUBLIC, OTHER_PUBLIC, PUBLIC_V6 = "93.184.215.14", "1.1.1.1", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"

Handler = Callable[[httpx.Request], httpx.Response]
Inspect = Callable[[str, Handler], Awaitable[None]]
Serve = Callable[[bytes], Awaitable[str]]


@pytest.fixture
def names() -> dict[str, list[str]]:
    """What the fake resolver knows."""
    return {"files.example": [PUBLIC]}


@pytest.fixture
def resolver(names: dict[str, list[str]]) -> Resolver:
    async def resolve(host: str) -> Sequence[Address]:
        if host not in names:
            raise OSError("Name or service not known")
        return [ip_address(text) for text in names[host]]

    return resolve


@pytest.fixture
def seen() -> list[httpx.Request]:
    """The requests that reached a transport."""
    return []


@pytest.fixture
def inspect(resolver: Resolver, seen: list[httpx.Request]) -> Inspect:
    """Checks a URL against servers played by a function."""

    async def check(url: str, handler: Handler) -> None:
        def recorded(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return handler(request)

        inspector = UrlInspector(resolver=resolver, transport_factory=lambda: httpx.MockTransport(recorded))
        await inspector.check_zip(url)

    return check


@pytest.fixture
def heads() -> list[str]:
    """The request heads that a real server received."""
    return []


@pytest.fixture
async def serve(heads: list[str]) -> AsyncIterator[Serve]:
    """Starts real servers on loopback; each gives one answer, byte for byte, and then keeps still."""
    servers: list[asyncio.Server] = []
    writers: list[asyncio.StreamWriter] = []

    async def start(answer: bytes) -> str:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(answer)

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/set.zip"

    yield start
    for writer in writers:
        writer.close()
    for server in servers:
        server.close()
        await server.wait_closed()


async def test_a_zip_on_this_machine_is_accepted_when_private_addresses_are_allowed(
    serve: Serve, heads: list[str]
) -> None:
    url = await serve(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\n\r\nPK\x03\x04")
    await UrlInspector(allow_private=True).check_zip(url)
    [head] = heads
    assert head.startswith("GET /set.zip HTTP/1.1\r\n")
    assert "Range: bytes=0-3" in head
    assert not {"cookie", "authorization"} & {line.partition(":")[0].lower() for line in head.splitlines()}


async def test_a_server_that_ignores_ranges_is_not_read_to_the_end(serve: Serve) -> None:
    url = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 90000000000\r\n\r\n" + ZIP)
    await UrlInspector(allow_private=True).check_zip(url)


async def test_redirects_between_real_servers_are_followed(serve: Serve, heads: list[str]) -> None:
    last = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n" + ZIP)
    first = await serve(
        f"HTTP/1.1 302 Found\r\nLocation: {last}\r\nSet-Cookie: a=b; Domain=127.0.0.1\r\n"
        "Content-Length: 0\r\n\r\n".encode()
    )
    await UrlInspector(allow_private=True).check_zip(first)
    assert len(heads) == 2
    assert "cookie" not in heads[1].lower()


async def test_this_machine_is_refused_unless_private_addresses_are_allowed(
    serve: Serve, heads: list[str]
) -> None:
    url = await serve(b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n" + ZIP)
    with pytest.raises(InvalidRequestError, match="loopback"):
        await UrlInspector().check_zip(url)
    with pytest.raises(InvalidRequestError, match="loopback"):
        await UrlInspector().check_zip(url.replace("127.0.0.1", "localhost"))
    assert heads == []


async def test_a_server_that_keeps_silent_ends_at_the_deadline(serve: Serve) -> None:
    url = await serve(b"")
    inspector = UrlInspector(allow_private=True, deadline=timedelta(milliseconds=200))
    with pytest.raises(InvalidRequestError, match=r"no answer within 0\.2 seconds"):
        await inspector.check_zip(url)


async def test_a_closed_port_is_said_to_be_out_of_reach(serve: Serve) -> None:
    with pytest.raises(InvalidRequestError, match="no connection can be made"):
        await UrlInspector(allow_private=True).check_zip("http://127.0.0.1:1/set.zip")


async def test_an_answer_that_is_not_http_is_refused(serve: Serve) -> None:
    url = await serve(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    with pytest.raises(InvalidRequestError, match="not HTTP"):
        await UrlInspector(allow_private=True).check_zip(url)


async def test_the_connection_goes_to_the_checked_address_under_the_original_name(
    inspect: Inspect, seen: list[httpx.Request]
) -> None:
    await inspect("https://files.example:8443/a%20b.zip?key=1#x", lambda _: httpx.Response(206, content=ZIP))
    [request] = seen
    assert str(request.url) == f"https://{PUBLIC}:8443/a%20b.zip?key=1"
    assert request.headers["Host"] == "files.example:8443"
    assert request.extensions["sni_hostname"] == "files.example"


async def test_a_name_is_resolved_only_once_so_that_a_changed_answer_changes_nothing(
    seen: list[httpx.Request],
) -> None:
    answers = iter([[ip_address(PUBLIC)], [ip_address("127.0.0.1")]])

    async def rebinding(_: str) -> Sequence[Address]:
        return next(answers)

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=ZIP)

    inspector = UrlInspector(resolver=rebinding, transport_factory=lambda: httpx.MockTransport(handler))
    await inspector.check_zip("http://files.example/set.zip")
    assert [request.url.host for request in seen] == [PUBLIC]
    with pytest.raises(InvalidRequestError, match="loopback"):
        await inspector.check_zip("http://files.example/set.zip")
    assert len(seen) == 1


async def test_one_private_address_among_public_ones_is_enough_to_refuse(
    inspect: Inspect, names: dict[str, list[str]], seen: list[httpx.Request]
) -> None:
    names["files.example"] = [PUBLIC, "10.0.0.7"]
    with pytest.raises(InvalidRequestError, match="leads to a private address") as caught:
        await inspect("https://files.example/set.zip", lambda _: httpx.Response(200, content=ZIP))
    assert "10.0.0.7" not in caught.value.detail
    assert seen == []


async def test_the_next_address_is_tried_when_one_cannot_be_connected_to(
    inspect: Inspect, names: dict[str, list[str]], seen: list[httpx.Request]
) -> None:
    names["files.example"] = [PUBLIC_V6, PUBLIC]

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == PUBLIC_V6:
            raise httpx.ConnectError("Network is unreachable", request=request)
        return httpx.Response(200, content=ZIP)

    await inspect("https://files.example/set.zip", handler)
    assert [request.url.host for request in seen] == [PUBLIC_V6, PUBLIC]


@pytest.mark.parametrize(
    ("location", "refusal"),
    [
        ("http://169.254.169.254/latest/meta-data/", "metadata"),
        ("//intern.example/set.zip", "private"),
        ("file:///etc/passwd", "Allowed are http and https"),
        ("http://user:secret@files.example/", "user name or a password"),
        ("http://[::1/", "not a valid URL"),
    ],
)
async def test_a_redirect_is_checked_like_the_first_address(
    inspect: Inspect, names: dict[str, list[str]], seen: list[httpx.Request], location: str, refusal: str
) -> None:
    names["intern.example"] = ["192.168.1.1"]
    with pytest.raises(InvalidRequestError, match=refusal) as caught:
        await inspect(
            "https://files.example/set.zip", lambda _: httpx.Response(302, headers={"Location": location})
        )
    assert len(seen) == 1
    assert "secret" not in caught.value.detail


async def test_a_redirect_to_another_host_is_connected_to_at_its_own_address(
    inspect: Inspect, names: dict[str, list[str]], seen: list[httpx.Request]
) -> None:
    names["cdn.example"] = [OTHER_PUBLIC]

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.host == PUBLIC:
            return httpx.Response(301, headers={"Location": "http://cdn.example/b.zip"})
        return httpx.Response(200, content=ZIP)

    await inspect("https://files.example/a.zip", handler)
    assert [(request.url.host, request.headers["Host"]) for request in seen] == [
        (PUBLIC, "files.example"),
        (OTHER_PUBLIC, "cdn.example"),
    ]


async def test_five_redirects_are_followed_and_not_a_sixth(
    inspect: Inspect, seen: list[httpx.Request]
) -> None:
    with pytest.raises(InvalidRequestError, match="more than 5 redirects"):
        await inspect("https://files.example/0", lambda _: httpx.Response(302, headers={"Location": "/1"}))
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("url", "refusal"),
    [
        ("ftp://files.example/set.zip", "begins with 'ftp'"),
        ("files.example/set.zip", "Allowed are http and https"),
        ("", "Allowed are http and https"),
        ("https:///set.zip", "no valid host"),
        ("https://files.example:0/", "no valid host and port"),
        ("https://files.example:70000/", "no valid host and port"),
        ("https://%31%32%37.0.0.1/", "no valid host"),
        ("https://[fe80::1%25eth0]/", "no valid host"),
        ("https://me:secret@files.example/", "user name or a password"),
        ("http://files.example\\@127.0.0.1/", "user name or a password"),
        ("https://files.example/\n", "not a valid URL"),
        ("https://\uff11\uff12\uff17.0.0.1/", "not a valid URL"),
        ("https://unknown.example/", "is not known"),
        ("http://2130706433/", "means 127.0.0.1, which is a loopback"),
        ("http://0x7f.1/", "loopback"),
        ("http://0177.0.0.1/", "not a valid URL"),
        ("http://127.0.0.1./", "loopback"),
        ("http://[::ffff:169.254.169.254]/", "metadata"),
        ("http://0.0.0.0/", "this machine"),
    ],
)
async def test_a_url_that_leads_nowhere_public_is_refused_without_a_request(
    inspect: Inspect, seen: list[httpx.Request], url: str, refusal: str
) -> None:
    with pytest.raises(InvalidRequestError, match=refusal) as caught:
        await inspect(url, lambda _: httpx.Response(200, content=ZIP))
    assert [error.field for error in caught.value.errors] == ["training_images_url"]
    assert "secret" not in caught.value.detail
    assert seen == []


async def test_an_international_name_is_resolved_in_its_ascii_form(
    inspect: Inspect, names: dict[str, list[str]], seen: list[httpx.Request]
) -> None:
    names["xn--bcher-kva.example"] = [PUBLIC]
    await inspect("https://bücher.example/set.zip", lambda _: httpx.Response(200, content=ZIP))
    assert seen[0].headers["Host"] == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("response", "refusal"),
    [
        (httpx.Response(404), "status 404"),
        (httpx.Response(416), "status 416"),
        (httpx.Response(302), "status 302"),
        (httpx.Response(200, html="<!doctype html>"), "/dl/ in the path"),
        (httpx.Response(200, content=b"\n <html>"), "/dl/ in the path"),
        (httpx.Response(200, content=b"Rar!\x1a\x07"), "not a zip"),
        (httpx.Response(200, content=b"PK\x05\x06" + bytes(18)), "an empty zip"),
        (httpx.Response(200), "an empty file"),
    ],
)
async def test_an_answer_that_is_no_zip_is_refused_with_the_reason(
    inspect: Inspect, response: httpx.Response, refusal: str
) -> None:
    with pytest.raises(InvalidRequestError, match=refusal) as caught:
        await inspect("https://files.example/set.zip?key=secret", lambda _: response)
    assert "secret" not in caught.value.detail


async def test_a_certificate_that_is_not_valid_is_named_as_the_reason(inspect: Inspect) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        cause = ssl.SSLCertVerificationError("certificate verify failed")
        cause.verify_message = "certificate has expired"
        raise httpx.ConnectError("TLS", request=request) from cause

    with pytest.raises(InvalidRequestError, match=r"certificate is not valid \(certificate has expired\)"):
        await inspect("https://files.example/set.zip", handler)
