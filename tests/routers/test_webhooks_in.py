"""The sandbox tells the service how runs go on, by webhooks that it signs; nothing else reaches the jobs."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette

from app.clock import Clock
from app.config import Settings
from app.sandbox import Pace, SandboxTransport, create_sandbox
from app.signing import new_secret, sign
from tests.conftest import Serve
from tests.manual_clock import ManualClock

PICTURES = Path(__file__).parents[2] / "examples" / "training_pictures.zip"
URL = "http://fluxgate"


class WayIn(httpx.AsyncBaseTransport):
    """Leads the sandbox's webhooks to a service that is started after it, and keeps them."""

    def __init__(self) -> None:
        self.service: httpx.AsyncClient | None = None
        self.sent: list[httpx.Request] = []
        self.answers: list[int] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass it on."""
        assert self.service is not None
        await request.aread()
        self.sent.append(request)
        answer = await self.service.post(
            str(request.url), content=request.content, headers=dict(request.headers)
        )
        self.answers.append(answer.status_code)
        return httpx.Response(answer.status_code)


class Blind(httpx.AsyncBaseTransport):
    """The way to the provider, on which no look at a run is answered: only webhooks tell of it."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Refuse looks at runs, and pass everything else on."""
        if request.method == "GET" and request.url.path.startswith(("/v1/predictions", "/v1/trainings")):
            return httpx.Response(403, json={"detail": "Nobody may look."})
        return await self._inner.handle_async_request(request)


@pytest.fixture
def way_in() -> WayIn:
    """How webhooks come in."""
    return WayIn()


@pytest.fixture
async def sandbox(tmp_path: Path, clock: Clock, way_in: WayIn) -> AsyncIterator[Starlette]:
    """A provider whose webhooks are sent when a test says so."""
    async with httpx.AsyncClient(transport=way_in) as http:
        sandbox = create_sandbox(
            directory=tmp_path / "provider",
            clock=clock,
            api_url="https://api.replicate.com/v1",
            pace=Pace(),
            http=http,
        )
        yield sandbox
        await sandbox.state.sandbox.aclose()


@pytest.fixture
async def told(
    serve: Serve, settings: Settings, sandbox: Starlette, way_in: WayIn
) -> AsyncIterator[httpx.AsyncClient]:
    """A service, with a key, that hears of its runs by webhook alone."""
    changed = settings.model_copy(update={"webhook_url": URL, "api_key": SecretStr("open sesame")})
    async with serve(changed, transport=Blind(SandboxTransport(sandbox))) as client:
        way_in.service = client
        yield client


KEY = {"Authorization": "Bearer open sesame"}
AT_ONCE = {**KEY, "Prefer": "respond-async"}


async def post_all(sandbox: Starlette, clock: ManualClock, seconds: float) -> None:
    """Let time pass at the provider, with its webhooks as they fall due."""
    for _ in range(int(seconds)):
        clock.advance(1)
        await sandbox.state.sandbox.postman.send_due()


async def started(client: httpx.AsyncClient) -> str:
    """The id of a generation that the provider has."""
    job = (await client.post("/generate-image/", data={"prompt": "a cat"}, headers=AT_ONCE)).json()
    await sent(client, job["id"])
    return str(job["id"])


async def sent(client: httpx.AsyncClient, job_id: str) -> None:
    """Return once the provider has that job."""
    async with asyncio.timeout(20):
        while (await client.get(f"/jobs/{job_id}", headers=KEY)).json()["provider_id"] is None:
            pass


async def test_a_generation_ends_by_webhook(
    told: httpx.AsyncClient, sandbox: Starlette, clock: ManualClock, way_in: WayIn
) -> None:
    job_id = await started(told)

    await post_all(sandbox, clock, 10)

    job = (await told.get(f"/jobs/{job_id}", headers=KEY)).json()
    assert (job["status"], len(job["images"])) == ("succeeded", 1)
    assert {str(request.url) for request in way_in.sent} == {f"{URL}/webhook/{job_id}"}
    assert way_in.answers == [204, 204]


async def test_a_training_is_followed_by_webhook(
    told: httpx.AsyncClient, sandbox: Starlette, clock: ManualClock, way_in: WayIn
) -> None:
    files = {"training_images": ("pictures.zip", PICTURES.read_bytes(), "application/zip")}
    begun = await told.post("/fine-tune/", data={"trigger_word": "TOK"}, files=files, headers=AT_ONCE)

    await sent(told, begun.json()["job_id"])

    percents = []
    for _ in range(60):
        await post_all(sandbox, clock, 1)
        status = (await told.get(begun.json()["status_url"], headers=KEY)).json()
        percents.append(status["percent"] or 0)
        if status["status"] == "succeeded":
            break

    assert status["status"] == "succeeded"
    assert status["version"]
    assert percents == sorted(percents)
    assert len(set(percents)) > 3
    assert set(way_in.answers) == {204}


async def test_a_webhook_that_is_sent_again_is_refused(
    told: httpx.AsyncClient, sandbox: Starlette, clock: ManualClock, way_in: WayIn
) -> None:
    job_id = await started(told)
    await post_all(sandbox, clock, 10)
    before = (await told.get(f"/jobs/{job_id}", headers=KEY)).json()
    [*_, last] = way_in.sent

    again = await told.post(str(last.url), content=last.content, headers=dict(last.headers))

    assert (again.status_code, again.json()["code"]) == (409, "webhook_repeated")
    assert (await told.get(f"/jobs/{job_id}", headers=KEY)).json() == before


async def test_a_webhook_that_is_not_the_providers_is_refused_and_changes_nothing(
    told: httpx.AsyncClient, clock: ManualClock
) -> None:
    job_id = await started(told)
    before = (await told.get(f"/jobs/{job_id}", headers=KEY)).json()
    body = json.dumps({"id": before["provider_id"], "status": "failed", "error": "no"})
    signed = sign([new_secret()], message_id="msg_1", at=clock.now(), body=body)

    for headers in ({}, KEY, signed, {**signed, **KEY}):
        for path in (f"/webhook/{job_id}", "/webhook/"):
            answer = await told.post(path, content=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "webhook_not_verified")
            assert answer.headers["www-authenticate"] == "Standard-Webhooks"

    after = (await told.get(f"/jobs/{job_id}", headers=KEY)).json()
    assert (after["status"], after["failure"]) == (before["status"], None)


async def test_with_a_secret_in_the_settings_webhooks_are_verified_by_that(
    serve: Serve, settings: Settings, sandbox: Starlette, clock: ManualClock
) -> None:
    secret = new_secret()
    changed = settings.model_copy(update={"replicate_webhook_secret": SecretStr(secret)})
    async with serve(changed, transport=SandboxTransport(sandbox)) as client:
        job_id = await started(client)
        run = (await client.get(f"/jobs/{job_id}")).json()["provider_id"]
        body = json.dumps({"id": run, "status": "canceled"})
        headers = sign([secret], message_id="msg_1", at=clock.now(), body=body)

        answer = await client.post("/webhook/", content=body, headers=headers)

        assert answer.status_code == 204
        assert (await client.get(f"/jobs/{job_id}")).json()["status"] == "canceled"


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"id": 7}', b'{"id": "../x", "status": "failed"}'])
async def test_a_signed_webhook_that_makes_no_sense_is_refused(
    serve: Serve, settings: Settings, clock: ManualClock, body: bytes
) -> None:
    secret = new_secret()
    changed = settings.model_copy(update={"replicate_webhook_secret": SecretStr(secret)})
    headers = sign([secret], message_id="msg_1", at=clock.now(), body=body.decode())
    async with serve(changed) as client:
        answer = await client.post("/webhook/", content=body, headers=headers)

    assert answer.status_code in (404, 422)
    assert answer.json()["detail"].endswith(".")


async def test_without_an_address_of_its_own_the_service_asks_for_no_webhooks(
    serve: Serve, sandbox: Starlette, clock: ManualClock, way_in: WayIn
) -> None:
    async with serve(transport=SandboxTransport(sandbox)) as client:
        await started(client)
        await post_all(sandbox, clock, 10)

    assert way_in.sent == []
