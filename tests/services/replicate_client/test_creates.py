"""The one call that costs money: what is sent, and what may be sent again."""

from datetime import timedelta

import aiohttp
import httpx
import pytest

from app.errors import (
    ProviderAnswerLostError,
    ProviderUnavailableError,
)
from app.models import JobStatus
from app.services.replicate_client import ReplicateClient
from tests.services.replicate_client.scripted import (
    CREATE,
    OFFICIAL,
    PINNED,
    RUN,
    TOKEN,
    TRAINER_VERSION,
    TRAINING,
    VERSION,
    Upstream,
)


async def test_an_official_model_is_run_by_its_name(client: ReplicateClient, upstream: Upstream) -> None:
    upstream.on(CREATE, httpx.Response(201, json=RUN))
    await client.create(OFFICIAL, wait=timedelta(seconds=20), secrets={})
    request = upstream.seen[0]
    assert upstream.body() == {"input": {"prompt": "a cat", "seed": 7}}
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["prefer"] == "wait=20"
    assert request.extensions["timeout"] == {"connect": 5, "pool": 10, "read": 30, "write": 30}


async def test_other_models_are_run_by_their_version(client: ReplicateClient, upstream: Upstream) -> None:
    upstream.on("POST /predictions", httpx.Response(201, json=RUN))
    await client.create(PINNED, wait=None, secrets={})
    assert upstream.body() == {"input": {"prompt": "a cat"}, "version": VERSION}
    assert "prefer" not in upstream.seen[0].headers


async def test_a_training_goes_to_its_trainer_with_the_secrets(
    client: ReplicateClient, upstream: Upstream
) -> None:
    path = f"POST /models/ostris/trainer/versions/{TRAINER_VERSION}/trainings"
    upstream.on(path, httpx.Response(201, json={"id": "t1", "status": "starting"}))
    report = await client.create(TRAINING, wait=timedelta(seconds=5), secrets={"hf_token": "hf_secret_value"})
    assert report.upstream_id == "t1"
    assert "prefer" not in upstream.seen[0].headers
    assert upstream.body() == {
        "destination": "zoe/cat",
        "input": {
            "steps": 10,
            "input_images": "https://example.com/a.zip",
            "hf_token": "hf_secret_value",
        },
    }


@pytest.mark.parametrize(
    ("wait", "prefer", "read_seconds"),
    [
        (timedelta(seconds=55, milliseconds=900), "wait=55", 65),
        (timedelta(milliseconds=200), "wait=1", 11),
        (timedelta(minutes=5), "wait=60", 70),
        (timedelta(0), None, 30),
    ],
)
async def test_the_wait_stays_within_what_replicate_takes(
    client: ReplicateClient, upstream: Upstream, wait: timedelta, prefer: str | None, read_seconds: float
) -> None:
    upstream.on(CREATE, httpx.Response(201, json=RUN))
    await client.create(OFFICIAL, wait=wait, secrets={})
    assert upstream.seen[0].headers.get("prefer") == prefer
    assert upstream.seen[0].extensions["timeout"]["read"] == read_seconds


def via_aiohttp(fault: httpx.TransportError, cause: Exception) -> httpx.TransportError:
    """A fault as the aiohttp transport raises it."""
    fault.__cause__ = cause
    return fault


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("slow"),
        httpx.PoolTimeout("full"),
        httpx.UnsupportedProtocol("what"),
        via_aiohttp(httpx.ConnectTimeout(""), aiohttp.ConnectionTimeoutError()),
        via_aiohttp(
            httpx.ConnectTimeout(""),
            aiohttp.ClientConnectorError(
                aiohttp.client_reqrep.ConnectionKey("h", 443, True, True, None, None, None),
                OSError(111, "no"),
            ),
        ),
        httpx.Response(503, headers={"Retry-After": "7"}, text="later"),
        httpx.Response(429, json={"detail": "Request was throttled."}),
    ],
    ids=repr,
)
async def test_what_surely_did_not_run_may_be_sent_again(
    client: ReplicateClient, upstream: Upstream, fault: httpx.Response | Exception
) -> None:
    upstream.on(CREATE, fault)
    with pytest.raises(ProviderUnavailableError):
        await client.create(OFFICIAL, wait=None, secrets={})
    assert upstream.calls() == [CREATE]


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ReadTimeout("slow"),
        httpx.WriteTimeout("slow"),
        httpx.ReadError("broke"),
        httpx.WriteError("broke"),
        httpx.RemoteProtocolError("garbage"),
        # httpx-aiohttp calls these a ConnectTimeout, though the request had been sent.
        via_aiohttp(httpx.ConnectTimeout(""), aiohttp.ServerDisconnectedError()),
        via_aiohttp(httpx.ConnectTimeout(""), aiohttp.ClientOSError(104, "reset by peer")),
        aiohttp.ClientPayloadError("half"),
        RuntimeError("something odd in the transport"),
        httpx.Response(500, text="oh"),
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.Response(503, text="unavailable"),
        httpx.Response(504, text="timeout"),
        httpx.Response(524, text="a timeout occurred"),
        httpx.Response(408, text="timeout"),
        httpx.Response(200, text="<html>Hello</html>"),
        httpx.Response(201, text=""),
        httpx.Response(201, json=["not an object"]),
        httpx.Response(201, json={"status": "starting"}),
        httpx.Response(201, text='{"id": "abc", "sta'),
    ],
    ids=repr,
)
async def test_what_may_have_run_is_never_sent_again(
    client: ReplicateClient, upstream: Upstream, fault: httpx.Response | Exception
) -> None:
    upstream.on(CREATE, fault)
    with pytest.raises(ProviderAnswerLostError):
        await client.create(OFFICIAL, wait=timedelta(seconds=5), secrets={})
    assert upstream.calls() == [CREATE]


async def test_a_finished_answer_is_a_success_at_once(client: ReplicateClient, upstream: Upstream) -> None:
    run = {**RUN, "status": "processing", "output": ["https://replicate.delivery/a/out-0.webp"]}
    upstream.on(CREATE, httpx.Response(201, json=run))
    report = await client.create(OFFICIAL, wait=timedelta(seconds=5), secrets={})
    assert report.status is JobStatus.SUCCEEDED
    assert report.outputs == ("https://replicate.delivery/a/out-0.webp",)


async def test_an_unfinished_answer_is_under_way(client: ReplicateClient, upstream: Upstream) -> None:
    upstream.on(CREATE, httpx.Response(202, json={**RUN, "status": "starting", "output": None}))
    report = await client.create(OFFICIAL, wait=timedelta(seconds=5), secrets={})
    assert report.status is JobStatus.STARTING
    assert report.outputs == ()
