"""Webhooks: which, when, signed how, and again how often."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook
from starlette.applications import Starlette

from app.sandbox import Pace
from app.sandbox.postman import signature
from app.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Connect, Make, Predict, Train
from tests.sandbox.leaping_clock import LeapingClock

HOOK = "https://example.com/hook?job=1"
PATH = "models/black-forest-labs/flux-schnell/predictions"


@pytest.fixture
def app(make: Make, outside: httpx.AsyncClient) -> Starlette:
    """A sandbox whose webhooks are heard."""
    return make(http=outside)


@pytest.fixture
def events(heard: list[httpx.Request]) -> Callable[[], list[tuple[str, bool]]]:
    """The status in each webhook, and whether it had an output."""

    def read() -> list[tuple[str, bool]]:
        bodies = [json.loads(request.content) for request in heard]
        return [(body["status"], body["output"] is not None) for body in bodies]

    return read


async def test_without_a_filter_output_and_end_are_told(
    sandbox: Sandbox,
    predict: Predict,
    clock: LeapingClock,
    events: Callable[[], Any],
    heard: list[httpx.Request],
) -> None:
    await predict(webhook=HOOK)
    assert await sandbox.postman.send_due() == 0
    clock.advance(2)
    assert await sandbox.postman.send_due() == 2
    assert sorted(events()) == [("processing", True), ("succeeded", True)]
    assert str(heard[0].url) == HOOK


async def test_all_events_are_told_when_asked_for(
    api: httpx.AsyncClient, sandbox: Sandbox, clock: LeapingClock, events: Callable[[], Any]
) -> None:
    asked = {"webhook": HOOK, "webhook_events_filter": ["start", "output", "logs", "completed"]}
    await api.post(PATH, json={"input": {"prompt": "a", "num_outputs": 2}, **asked})
    for _ in range(30):
        clock.advance(0.1)
        await sandbox.postman.send_due()
    seen = events()
    # It starts after 0.5 s and ends after 2.5 s: logs at 0.5, 1.0, 1.5 and 2.0 s, never more often.
    assert seen.count(("processing", False)) == 1 + 4
    assert seen[-2:] == [("processing", True), ("succeeded", True)]


async def test_the_body_is_what_a_get_gives(
    api: httpx.AsyncClient,
    sandbox: Sandbox,
    predict: Predict,
    clock: LeapingClock,
    heard: list[httpx.Request],
) -> None:
    created = await predict(webhook=HOOK)
    clock.advance(2)
    await sandbox.postman.send_due()
    assert json.loads(heard[-1].content) == (await api.get(f"predictions/{created['id']}")).json()


async def test_webhooks_are_signed(
    api: httpx.AsyncClient,
    sandbox: Sandbox,
    predict: Predict,
    clock: LeapingClock,
    heard: list[httpx.Request],
) -> None:
    await predict(webhook=HOOK)
    clock.advance(2)
    await sandbox.postman.send_due()
    key = (await api.get("webhooks/default/secret")).json()["key"]
    now = int(clock.now().timestamp())
    for request in heard:
        assert request.headers["webhook-timestamp"] == str(now)
        # Its own check of the time would compare with the real one.
        signed = Webhook(key).sign(request.headers["webhook-id"], clock.now(), request.content.decode())
        assert request.headers["webhook-signature"] == signed
    assert len({request.headers["webhook-id"] for request in heard}) == 2


def test_the_signature_is_that_of_a_known_example() -> None:
    key, body = "whsec_cmVwbGljYXRlLWVtdWxhdG9yLXRlc3Qh", b'{"id":"abc123","status":"succeeded"}'
    signed = signature(key, "msg_emulator_0001", "1767225600", body)
    assert signed == "v1,Qf1J4QpqLRDDLmghOtviy8o8YJBxfO0Utmywh32Q1bQ="


@pytest.mark.parametrize("failure", [500, 404, 0])
async def test_only_the_end_is_told_again_and_for_a_minute_at_most(
    sandbox: Sandbox,
    predict: Predict,
    clock: LeapingClock,
    heard: list[httpx.Request],
    answers: list[int],
    failure: int,
) -> None:
    await predict(webhook=HOOK)
    answers.extend([failure] * 100)
    times = []
    for second in range(200):
        clock.advance(1)
        times += [second] * await sandbox.postman.send_due()
    assert [later - times[0] for later in times] == [0, 0, 2, 6, 14, 30, 60]
    again = [json.loads(request.content)["status"] for request in heard].count("succeeded")
    assert again == 6
    assert len({request.headers["webhook-id"] for request in heard}) == 2


async def test_a_webhook_that_arrives_is_not_repeated(
    sandbox: Sandbox, predict: Predict, clock: LeapingClock, heard: list[httpx.Request], answers: list[int]
) -> None:
    await predict(webhook=HOOK)
    answers.extend([500, 500, 500])
    for _ in range(100):
        clock.advance(1)
        await sandbox.postman.send_due()
    assert len(heard) == 2 + 2


async def test_a_canceled_run_is_told_at_once(
    api: httpx.AsyncClient, sandbox: Sandbox, predict: Predict, events: Callable[[], Any]
) -> None:
    created = await predict(webhook=HOOK, prompt="sandbox:slow-start")
    await api.post(f"predictions/{created['id']}/cancel")
    await sandbox.postman.send_due()
    assert events() == [("canceled", False)]


async def test_a_training_that_fails_is_told_without_anybody_looking(
    sandbox: Sandbox, train: Train, clock: LeapingClock, events: Callable[[], Any]
) -> None:
    await train(input_images="data:application/zip;base64,aGVsbG8=", webhook=HOOK)
    clock.advance(60)
    await sandbox.postman.send_due()
    assert events() == [("failed", False)]


async def test_a_training_that_succeeds_is_told_when_it_ends(
    sandbox: Sandbox, train: Train, clock: LeapingClock, events: Callable[[], Any]
) -> None:
    await train(webhook=HOOK)
    clock.advance(2)
    assert await sandbox.postman.send_due() == 0
    clock.advance(60)
    assert await sandbox.postman.send_due() == 2
    assert sorted(events()) == [("processing", True), ("succeeded", True)]


async def test_what_is_due_is_sent_once_by_two_processes(
    make: Make,
    sandbox: Sandbox,
    outside: httpx.AsyncClient,
    predict: Predict,
    clock: LeapingClock,
    heard: list[httpx.Request],
) -> None:
    other: Sandbox = make(http=outside).state.sandbox
    for _ in range(10):
        await predict(webhook=HOOK)
    clock.advance(2)
    sent = await asyncio.gather(sandbox.postman.send_due(), other.postman.send_due())
    assert sum(sent) == len(heard) == 20


async def test_webhooks_left_over_are_sent_after_a_restart(
    make: Make, sandbox: Sandbox, outside: httpx.AsyncClient, predict: Predict, clock: LeapingClock
) -> None:
    await predict(webhook=HOOK)
    await sandbox.aclose()
    clock.advance(2)
    again: Sandbox = make(http=outside).state.sandbox
    assert await again.postman.send_due() == 2


async def test_they_are_sent_by_themselves_while_the_lifespan_lasts(make: Make, connect: Connect) -> None:
    received: asyncio.Queue[str] = asyncio.Queue()

    def receive(request: httpx.Request) -> httpx.Response:
        received.put_nowait(json.loads(request.content)["status"])
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(receive)) as http:
        app = make(http=http, pace=Pace().scaled(0))
        async with app.router.lifespan_context(app), asyncio.timeout(5):
            await connect(app).post(PATH, json={"input": {"prompt": "a"}, "webhook": HOOK})
            assert {await received.get(), await received.get()} == {"processing", "succeeded"}


async def test_where_to_and_what_is_checked(make: Make, connect: Connect, api: httpx.AsyncClient) -> None:
    strict = connect(make(allow_http_webhooks=False))
    plain = {"input": {"prompt": "a"}, "webhook": "http://127.0.0.1/hook"}
    assert (await api.post(PATH, json=plain)).status_code == 201
    refused = await strict.post(PATH, json=plain)
    assert refused.json()["detail"] == "- webhook: Not a valid HTTPS URL\n"
    wrongs: list[dict[str, Any]] = [
        {"webhook": "nowhere"},
        {"webhook_events_filter": ["end"]},
        {"webhook_events_filter": [[]]},
    ]
    for wrong in wrongs:
        assert (await api.post(PATH, json={"input": {"prompt": "a"}, **wrong})).status_code == 422
