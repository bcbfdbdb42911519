"""Black Forest Labs' webhooks: what they say, how they are signed, and again how often."""

import asyncio
import hashlib
import hmac
import json

import httpx
import pytest
from starlette.applications import Starlette

from app.sandbox import Pace, SandboxTransport
from app.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Make, Order
from tests.sandbox.leaping_clock import LeapingClock

HOOK = "https://example.com/hook?job=1"


@pytest.fixture
def app(make: Make, outside: httpx.AsyncClient) -> Starlette:
    """A sandbox whose webhooks are heard."""
    return make(http=outside)


async def test_the_end_of_a_task_is_told_once(
    bfl: httpx.AsyncClient, sandbox: Sandbox, order: Order, clock: LeapingClock, heard: list[httpx.Request]
) -> None:
    created = await order(prompt="a cat", webhook_url=HOOK)
    assert await sandbox.bfl.postman.send_due() == 0
    clock.advance(1.5)
    assert [await sandbox.bfl.postman.send_due() for _ in range(2)] == [1, 0]
    polled = (await bfl.get(f"https://api.eu2.bfl.ai/v1/get_result?id={created['id']}")).json()
    assert str(heard[0].url) == HOOK
    assert json.loads(heard[0].content) == {
        "task_id": created["id"],
        "status": "SUCCESS",
        "result": polled["result"],
        "error": None,
        "progress": 1.0,
    }


@pytest.mark.parametrize(
    ("fault", "error"),
    [("flagged", "Request Moderated"), ("moderated", "Content Moderated"), ("failed", "Error")],
)
async def test_a_bad_end_is_told_with_its_name(
    sandbox: Sandbox,
    order: Order,
    clock: LeapingClock,
    heard: list[httpx.Request],
    fault: str,
    error: str,
) -> None:
    await order(prompt=f"sandbox:{fault}", webhook_url=HOOK)
    clock.advance(2)
    await sandbox.bfl.postman.send_due()
    body = json.loads(heard[0].content)
    assert (body["status"], body["result"], body["error"]) == ("FAILED", None, error)


async def test_nobody_hears_of_a_lost_task(sandbox: Sandbox, order: Order, clock: LeapingClock) -> None:
    await order(prompt="sandbox:lost-task", webhook_url=HOOK)
    clock.advance(60)
    assert await sandbox.bfl.postman.send_due() == 0


async def test_a_webhook_is_signed_when_there_is_a_secret(
    sandbox: Sandbox, order: Order, clock: LeapingClock, heard: list[httpx.Request]
) -> None:
    await order(webhook_url=HOOK, webhook_secret="a secret")  # noqa: S106 -- made up
    await order(webhook_url=HOOK)
    clock.advance(2)
    await sandbox.bfl.postman.send_due()
    signed, plain = sorted(heard, key=lambda request: "x-bfl-signature" not in request.headers)
    digest = hmac.new(b"a secret", signed.content, hashlib.sha256).hexdigest()
    assert signed.headers["x-bfl-signature"] == f"sha256={digest}"
    assert "x-bfl-signature" not in plain.headers


@pytest.mark.parametrize("failure", [500, 404, 302, 0])
async def test_it_is_sent_again_three_times_and_then_dropped(
    sandbox: Sandbox, order: Order, clock: LeapingClock, answers: list[int], failure: int
) -> None:
    await order(webhook_url=HOOK)
    answers.extend([failure] * 10)
    times = []
    for second in range(100):
        clock.advance(1)
        times += [second] * await sandbox.bfl.postman.send_due()
    assert [later - times[0] for later in times] == [0, 1, 6, 36]


async def test_what_is_due_is_sent_once_by_two_processes(
    make: Make,
    sandbox: Sandbox,
    outside: httpx.AsyncClient,
    order: Order,
    clock: LeapingClock,
    heard: list[httpx.Request],
) -> None:
    other: Sandbox = make(http=outside).state.sandbox
    for _ in range(10):
        await order(webhook_url=HOOK)
    clock.advance(2)
    await asyncio.gather(sandbox.bfl.postman.send_due(), other.bfl.postman.send_due())
    assert len(heard) == 10


async def test_they_are_sent_by_themselves_while_the_lifespan_lasts(make: Make) -> None:
    received: asyncio.Queue[str] = asyncio.Queue()

    def receive(request: httpx.Request) -> httpx.Response:
        received.put_nowait(json.loads(request.content)["status"])
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(receive)) as http:
        app = make(http=http, pace=Pace().scaled(0))
        client = httpx.AsyncClient(transport=SandboxTransport(app), headers={"x-key": "k"})
        async with app.router.lifespan_context(app), asyncio.timeout(5), client:
            await client.post("https://api.bfl.ai/v1/flux-dev", json={"webhook_url": HOOK})
            assert await received.get() == "SUCCESS"


async def test_http_is_refused_when_the_sandbox_is_told_so(make: Make) -> None:
    app = make(allow_http_webhooks=False)
    async with httpx.AsyncClient(transport=SandboxTransport(app), headers={"x-key": "k"}) as client:
        given = {"webhook_url": "http://127.0.0.1/hook"}
        response = await client.post("https://api.bfl.ai/v1/flux-dev", json=given)
    (wrong,) = response.json()["detail"]
    assert (wrong["loc"], wrong["type"]) == (["body", "webhook_url"], "url_scheme")
