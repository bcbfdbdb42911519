"""The key goes to BFL and to nobody else."""

import logging

import httpx
import pytest

from app.errors import DownloadError, ProviderError
from app.models import JobKind, Run
from app.services.bfl_client import BflClient
from tests.services.bfl_client.conftest import Build
from tests.services.bfl_client.scripted import ACCEPTED, ASK_THERE, CREATE, KEY, ORDER, RUN, SAMPLE, task
from tests.services.replicate_client.scripted import Upstream


async def test_every_request_to_bfl_carries_the_key_in_its_header_alone(
    client: BflClient, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    upstream.on(CREATE, httpx.Response(200, json=ACCEPTED))
    upstream.on(ASK_THERE, httpx.Response(500), httpx.Response(200, json=task("Pending")))
    await client.create(ORDER, wait=None, secrets={})
    await client.fetch(RUN)
    assert [request.headers["x-key"] for request in upstream.seen] == [KEY] * 3
    assert all(KEY not in f"{request.url}{request.content!r}" for request in upstream.seen)
    assert KEY not in caplog.text


async def test_a_redirect_is_not_followed(client: BflClient, upstream: Upstream) -> None:
    elsewhere = httpx.Response(302, headers={"Location": "https://evil.example/"})
    upstream.on(CREATE, elsewhere).on(ASK_THERE, elsewhere)
    for attempt in (client.create(ORDER, wait=None, secrets={}), client.fetch(RUN)):
        with pytest.raises(ProviderError):
            await attempt
    assert upstream.calls() == [CREATE, ASK_THERE]


async def test_a_strangers_polling_address_is_never_asked(client: BflClient, upstream: Upstream) -> None:
    stranger = "https://evil.example/v1/get_result?id=1"
    upstream.on(CREATE, httpx.Response(200, json={**ACCEPTED, "polling_url": stranger}))
    report = await client.create(ORDER, wait=None, secrets={})
    for url in (report.url, stranger):
        with pytest.raises(ProviderError):
            await client.fetch(Run(JobKind.GENERATION, report.upstream_id, url))
    assert {request.url.host for request in upstream.seen} == {"api.bfl.ai"}


async def test_another_base_is_told_the_key_and_bfls_clusters_are(build: Build, upstream: Upstream) -> None:
    upstream.on("POST http://127.0.0.1:9000/v1/flux-dev", httpx.Response(200, json=ACCEPTED))
    own = "http://127.0.0.1:9000/v1/get_result?id=1"
    upstream.on(f"GET {own}", httpx.Response(200, json=task("Pending")))
    upstream.on(ASK_THERE, httpx.Response(200, json=task("Pending")))
    client = build(base_url="http://127.0.0.1:9000")
    await client.create(ORDER, wait=None, secrets={})
    await client.fetch(RUN)
    await client.fetch(Run(JobKind.GENERATION, "1", own))
    assert [request.headers["x-key"] for request in upstream.seen] == [KEY] * 3


@pytest.mark.parametrize("url", [SAMPLE, "https://api.bfl.ai/outputs/a.png"])
async def test_a_download_goes_without_the_key(client: BflClient, upstream: Upstream, url: str) -> None:
    upstream.on(f"GET {url}", httpx.Response(200, content=b"picture"))
    assert [piece async for piece in client.download(url)] == [b"picture"]
    assert "x-key" not in upstream.seen[0].headers
    upstream.on(f"GET {url}", httpx.Response(302, headers={"Location": "https://evil.example/"}))
    with pytest.raises(DownloadError):
        [piece async for piece in client.download(url)]
    assert {request.url.host for request in upstream.seen} == {httpx.URL(url).host}
