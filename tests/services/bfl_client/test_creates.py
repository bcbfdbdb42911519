"""The one call that costs money: what is sent, what it is answered, and that it is never sent twice."""

from typing import Any

import aiohttp
import httpx
import pytest

from app.errors import ProviderAnswerLostError, ProviderUnavailableError
from app.models import FailureCode, JobKind, JobStatus, Order
from app.services.bfl_client import BflClient
from app.services.provider import Report
from tests.services.bfl_client.conftest import Build
from tests.services.bfl_client.scripted import (
    ACCEPTED,
    BASE,
    CLUSTER,
    CREATE,
    KEY,
    ORDER,
    POLLING_URL,
    TASK_ID,
    task,
)
from tests.services.replicate_client.scripted import Upstream

FLUX_3 = Order("bfl", JobKind.GENERATION, "bfl/flux-3-image", None, {"prompt": "a cat"}, expected_outputs=1)
TUNED = Order("bfl", JobKind.GENERATION, "bfl/flux-pro-1.1-ultra-finetuned", "cats", {"finetune_id": "cats"})


async def create(client: BflClient, order: Order = ORDER, *, webhook: str | None = None) -> Report:
    return await client.create(order, wait=None, secrets={}, webhook=webhook)


async def test_an_order_is_json_below_the_models_own_path(client: BflClient, upstream: Upstream) -> None:
    upstream.on(CREATE, httpx.Response(200, json=ACCEPTED))
    report = await create(client)
    assert report == Report(JobStatus.STARTING, TASK_ID, url=POLLING_URL)
    request = upstream.seen[0]
    assert upstream.body() == {"prompt": "a cat", "guidance": 4}
    assert (request.headers["x-key"], request.headers["content-type"]) == (KEY, "application/json")
    assert request.extensions["timeout"] == {"connect": 5, "pool": 10, "read": 30, "write": 30}


@pytest.mark.parametrize("base_url", [f"{BASE}/v1", f"{BASE}/", f"{BASE}/v1/"])
async def test_the_base_may_end_in_its_version(build: Build, upstream: Upstream, base_url: str) -> None:
    upstream.on(CREATE, httpx.Response(200, json=ACCEPTED))
    await create(build(base_url=base_url))
    assert upstream.calls() == [CREATE]


async def test_a_base_may_have_a_path(build: Build, upstream: Upstream) -> None:
    upstream.on("POST http://proxy.example:8080/bfl/v1/flux-dev", httpx.Response(200, json={"id": "t"}))
    report = await create(build(base_url="http://proxy.example:8080/bfl/v1"))
    assert (report.upstream_id, report.url) == ("t", None)


async def test_with_a_webhook_there_is_no_polling_address(client: BflClient, upstream: Upstream) -> None:
    webhook = "https://app.example.com/webhook/1"
    answer = {"id": TASK_ID, "status": "Pending", "webhook_url": webhook, "cost": 3.0}
    upstream.on(CREATE, httpx.Response(200, json=answer))
    report = await create(client, webhook=webhook)
    assert report == Report(JobStatus.STARTING, TASK_ID)
    assert upstream.body()["webhook_url"] == webhook
    assert "webhook_secret" not in upstream.body()


async def test_flux_3_gets_nothing_that_it_may_not_know(client: BflClient, upstream: Upstream) -> None:
    upstream.on(f"POST {BASE}/v1/flux-3-image", httpx.Response(200, json=ACCEPTED))
    await create(client, FLUX_3, webhook="https://app.example.com/webhook/1")
    assert upstream.body() == {"prompt": "a cat"}


async def test_a_fine_tuned_model_is_run_where_the_fine_tunes_are(
    client: BflClient, upstream: Upstream
) -> None:
    upstream.on(f"POST {CLUSTER}/v1/flux-pro-1.1-ultra-finetuned", httpx.Response(200, json={"id": TASK_ID}))
    report = await create(client, TUNED)
    assert report.url == f"{CLUSTER}/v1/get_result?id={TASK_ID}"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.bfl.ai.evil.example/v1/get_result?id=1",
        "https://evilbfl.ai/v1/get_result?id=1",
        "https://api.bfl.ai@evil.example/v1/get_result?id=1",
        "https://user:pw@api.bfl.ai/v1/get_result?id=1",
        "https://api.eu2.bfl.ai:8443/v1/get_result?id=1",
        "http://api.eu2.bfl.ai/v1/get_result?id=1",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "https://[bad/",
        "",
        7,
    ],
)
async def test_a_strangers_polling_address_is_not_kept(
    client: BflClient, upstream: Upstream, url: object
) -> None:
    upstream.on(CREATE, httpx.Response(200, json={**ACCEPTED, "polling_url": url}))
    assert (await create(client)).url is None


async def test_a_task_that_fails_at_once_may_come_with_any_status(
    client: BflClient, upstream: Upstream
) -> None:
    upstream.on(CREATE, httpx.Response(503, json=task("Error", details={"error": "No GPU"})))
    report = await create(client)
    assert (report.status, report.upstream_id) == (JobStatus.FAILED, TASK_ID)
    assert report.failure is not None
    assert report.failure.code is FailureCode.PREDICTION_FAILED


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
        via_aiohttp(httpx.ConnectTimeout(""), aiohttp.ConnectionTimeoutError()),
        httpx.Response(429, json={"detail": "Rate limit exceeded"}),
    ],
    ids=repr,
)
async def test_what_surely_did_not_run_may_be_sent_again(
    client: BflClient, upstream: Upstream, fault: httpx.Response | Exception
) -> None:
    upstream.on(CREATE, fault)
    with pytest.raises(ProviderUnavailableError):
        await create(client)
    assert upstream.calls() == [CREATE]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, None), ({"Retry-After": "7"}, 7), ({"Retry-After": "86400"}, 300), ({"Retry-After": "soon"}, None)],
)
async def test_a_pause_that_is_asked_for_is_handed_on(
    client: BflClient, upstream: Upstream, headers: dict[str, str], seconds: float | None
) -> None:
    upstream.on(CREATE, httpx.Response(429, headers=headers, json={"detail": "Too many active tasks"}))
    with pytest.raises(ProviderUnavailableError) as caught:
        await create(client)
    pause = caught.value.retry_after
    assert (pause.total_seconds() if pause is not None else None) == seconds


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ReadTimeout("slow"),
        httpx.WriteError("broke"),
        httpx.RemoteProtocolError("garbage"),
        via_aiohttp(httpx.ConnectTimeout(""), aiohttp.ServerDisconnectedError()),
        RuntimeError("something odd in the transport"),
        httpx.Response(500, json={"detail": "Internal Server Error"}),
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.Response(503, headers={"Retry-After": "3"}, text="later"),
        httpx.Response(504, text="timeout"),
        httpx.Response(408, text="timeout"),
        httpx.Response(200, text="<html>Checking your browser</html>"),
        httpx.Response(200, text=""),
        httpx.Response(200, json=["not an object"]),
        httpx.Response(200, json={"polling_url": POLLING_URL}),
        httpx.Response(200, json={"id": 7}),
        httpx.Response(200, text='{"id": "abc", "pol'),
    ],
    ids=repr,
)
async def test_what_may_have_run_is_never_sent_again(
    client: BflClient, upstream: Upstream, fault: httpx.Response | Exception
) -> None:
    upstream.on(CREATE, fault)
    with pytest.raises(ProviderAnswerLostError):
        await create(client)
    assert upstream.calls() == [CREATE]


async def test_a_run_whose_answer_was_lost_cannot_be_found(client: BflClient, clock: Any) -> None:
    assert client.settled_after == ()
    assert await client.find(ORDER, since=clock.now(), exclude=()) is None
    assert await client.sweep(JobKind.GENERATION, since=clock.now()) == {}
