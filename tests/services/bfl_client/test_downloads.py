"""Finished pictures come from BFL's own stores only, and are lost ten minutes after they were made."""

import httpx
import pytest

from app.errors import DownloadError
from app.services.bfl_client import BflClient
from tests.services.bfl_client.conftest import Build
from tests.services.bfl_client.scripted import SAMPLE
from tests.services.replicate_client.scripted import Upstream


@pytest.mark.parametrize(
    "url",
    [
        SAMPLE,
        "https://delivery.us3.bfl.ai/results/a/sample.png?sig=1",
        "https://delivery-eu1.bfl.ml/results/a/sample.png",
        "https://bfldeliverysc.blob.core.windows.net/results/a/sample.jpg?se=1",
    ],
)
async def test_pictures_lie_at_bfls_stores(client: BflClient, upstream: Upstream, url: str) -> None:
    upstream.on(f"GET {url}", httpx.Response(200, content=b"picture"))
    assert [piece async for piece in client.download(url)] == [b"picture"]


async def test_pictures_may_lie_at_another_base_itself(build: Build, upstream: Upstream) -> None:
    url = "http://127.0.0.1:9000/results/a/sample.jpeg"
    upstream.on(f"GET {url}", httpx.Response(200, content=b"picture"))
    assert [piece async for piece in build(base_url="http://127.0.0.1:9000/v1").download(url)] == [b"picture"]


@pytest.mark.parametrize(
    "url",
    [
        "http://delivery-eu1.bfl.ai/a.png",
        "https://delivery-eu1.bfl.ai:8443/a.png",
        "https://delivery-eu1.bfl.ai.evil.example/a.png",
        "https://evilbfl.ai/a.png",
        "https://stranger.blob.core.windows.net/a.png",
        "https://bfl.evil.blob.core.windows.net/a.png",
        "https://user:secret@delivery-eu1.bfl.ai/a.png",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
    ],
)
async def test_other_addresses_are_not_followed(client: BflClient, upstream: Upstream, url: str) -> None:
    with pytest.raises(DownloadError) as caught:
        [piece async for piece in client.download(url)]
    assert caught.value.gone
    assert upstream.seen == []


@pytest.mark.parametrize(("status", "gone"), [(403, True), (404, True), (410, True), (500, False)])
async def test_an_expired_picture_is_gone(
    client: BflClient, upstream: Upstream, status: int, gone: bool
) -> None:
    upstream.on(f"GET {SAMPLE}", httpx.Response(status, text="<Error>AuthenticationFailed</Error>"))
    with pytest.raises(DownloadError) as caught:
        [piece async for piece in client.download(SAMPLE)]
    assert caught.value.gone is gone
