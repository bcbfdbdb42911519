"""Finished pictures: from the provider's own addresses, whole, and without the token."""

import asyncio
import base64
from collections.abc import AsyncIterator

import httpx
import pytest

from app.errors import DownloadError
from app.services.provider_wire.downloads import Downloads
from app.services.replicate_client import ReplicateClient
from app.services.replicate_client.client import DELIVERY_HOSTS
from tests.services.replicate_client.conftest import Build
from tests.services.replicate_client.scripted import BASE_URL, Upstream

URL = "https://pbxt.replicate.delivery/xezq/abc/out-0.webp"
PICTURE = bytes(range(256)) * 800


async def read(client: ReplicateClient, url: str) -> list[bytes]:
    return [piece async for piece in client.download(url)]


@pytest.mark.parametrize("url", [URL, "https://replicate.delivery/a.webp", f"{BASE_URL}/outputs/a.webp"])
async def test_a_picture_comes_in_one_piece_and_without_the_token(
    client: ReplicateClient, upstream: Upstream, url: str
) -> None:
    upstream.on(f"GET {url.replace(BASE_URL, '')}", httpx.Response(200, content=PICTURE))
    assert await read(client, url) == [PICTURE]
    assert "authorization" not in upstream.seen[0].headers
    assert upstream.seen[0].headers["accept-encoding"] == "identity"


async def test_a_large_picture_comes_in_pieces(client: ReplicateClient, upstream: Upstream) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * 16384

    upstream.on(f"GET {URL}", lambda request: httpx.Response(200, content=body()))
    sizes = [len(piece) for piece in await read(client, URL)]
    assert sizes == [1024 * 1024] * 3 + [8 * 16384]


async def test_a_sandboxes_own_address_may_be_plain_http(build: Build, upstream: Upstream) -> None:
    client = build(base_url="http://127.0.0.1:9000/v1")
    upstream.on("GET http://127.0.0.1:9000/xezq/out-0.png", httpx.Response(200, content=PICTURE))
    assert await read(client, "http://127.0.0.1:9000/xezq/out-0.png") == [PICTURE]


@pytest.mark.parametrize(
    "url",
    [
        "http://replicate.delivery/a.webp",
        "https://replicate.delivery.evil.example/a.webp",
        "https://evilreplicate.delivery/a.webp",
        "https://replicate.delivery:8443/a.webp",
        "https://user:secret@replicate.delivery/a.webp",
        "https://replicate.delivery@evil.example/a.webp",
        "http://169.254.169.254/latest/meta-data",
        "http://api.replicate.com/v1/outputs/a.webp",
        "file:///etc/passwd",
        "https://[bad/a.webp",
        "/etc/passwd",
        "",
    ],
)
async def test_other_addresses_are_not_followed(
    client: ReplicateClient, upstream: Upstream, url: str
) -> None:
    with pytest.raises(DownloadError) as caught:
        await read(client, url)
    assert caught.value.gone
    assert upstream.seen == []


@pytest.mark.parametrize(
    ("answer", "gone"),
    [
        (httpx.Response(404), True),
        (httpx.Response(410), True),
        (httpx.Response(403), True),
        (httpx.Response(302, headers={"Location": "https://replicate.delivery/b"}), False),
        (httpx.Response(500), False),
        (httpx.Response(206, content=b"part"), False),
        (httpx.ReadError("broke"), False),
        (httpx.ReadTimeout("slow"), False),
        (httpx.ConnectError("refused"), False),
    ],
    ids=repr,
)
async def test_a_failed_download_says_whether_trying_again_is_of_use(
    client: ReplicateClient, upstream: Upstream, answer: httpx.Response | Exception, gone: bool
) -> None:
    upstream.on(f"GET {URL}", answer)
    with pytest.raises(DownloadError) as caught:
        await read(client, URL)
    assert caught.value.gone is gone
    assert upstream.calls() == [f"GET {URL}"]


async def test_a_body_that_breaks_off_is_no_picture(client: ReplicateClient, upstream: Upstream) -> None:
    headers = {"Content-Length": str(len(PICTURE) + 1)}
    upstream.on(f"GET {URL}", lambda request: httpx.Response(200, headers=headers, content=PICTURE))
    with pytest.raises(DownloadError, match=r"broke off after 204800 of 204801 bytes") as caught:
        await read(client, URL)
    assert not caught.value.gone


@pytest.mark.parametrize("announced", [True, False])
async def test_a_picture_has_a_largest_size(
    transport: httpx.AsyncBaseTransport, upstream: Upstream, announced: bool
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield PICTURE

    content = PICTURE if announced else body()
    upstream.on(f"GET {URL}", lambda request: httpx.Response(200, content=content))
    downloads = Downloads(
        transport=transport, base_url=httpx.URL(BASE_URL), allowed=DELIVERY_HOSTS, most_bytes=len(PICTURE) - 1
    )
    with pytest.raises(DownloadError, match="larger than") as caught:
        [piece async for piece in downloads.download(URL)]
    assert caught.value.gone


async def test_a_picture_that_never_ends_is_given_up(
    transport: httpx.AsyncBaseTransport, upstream: Upstream
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield PICTURE
        await asyncio.Event().wait()

    upstream.on(f"GET {URL}", lambda request: httpx.Response(200, content=body()))
    downloads = Downloads(
        transport=transport, base_url=httpx.URL(BASE_URL), allowed=DELIVERY_HOSTS, most_seconds=0.01
    )
    with pytest.raises(DownloadError, match="did not arrive in time") as caught:
        [piece async for piece in downloads.download(URL)]
    assert not caught.value.gone


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/webp;base64,{base64.b64encode(PICTURE).decode()}",
        f"data:image/webp;charset=utf-8;base64,{base64.b64encode(PICTURE).decode().replace('+', '%2B')}",
        f"data:application/octet-stream,{''.join(f'%{byte:02x}' for byte in PICTURE)}",
    ],
    ids=["base64", "escaped", "percent"],
)
async def test_a_picture_may_be_in_its_address(client: ReplicateClient, upstream: Upstream, url: str) -> None:
    assert await read(client, url) == [PICTURE]
    assert upstream.seen == []


async def test_a_large_picture_in_its_address_is_decoded_too(client: ReplicateClient) -> None:
    picture = PICTURE * 10
    assert await read(client, f"data:image/png;base64,{base64.b64encode(picture).decode()}") == [picture]


@pytest.mark.parametrize("url", ["data:image/webp;base64,!!!", "data:image/webp;base64", "data:;base64,é"])
async def test_a_broken_data_address_is_no_picture(client: ReplicateClient, url: str) -> None:
    with pytest.raises(DownloadError) as caught:
        await read(client, url)
    assert caught.value.gone


@pytest.mark.parametrize("size", [11, 2000])
async def test_a_data_address_has_a_largest_size(transport: httpx.AsyncBaseTransport, size: int) -> None:
    downloads = Downloads(
        transport=transport, base_url=httpx.URL(BASE_URL), allowed=DELIVERY_HOSTS, most_bytes=10
    )
    url = f"data:image/png;base64,{base64.b64encode(bytes(size)).decode()}"
    with pytest.raises(DownloadError, match="larger than"):
        [piece async for piece in downloads.download(url)]
