"""Receivers hear of the end of every job, whenever the service dies, under one id however often."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from standardwebhooks import Webhook

from tests.endtoend.machine import Machine
from tests.receiver import Receiver

pytestmark = pytest.mark.endtoend

ALLOWED = {"ALLOW_PRIVATE_WEBHOOKS": "true"}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Who gets the webhooks; it outlives every service."""
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.aclose()


async def test_a_kill_between_the_end_of_a_job_and_its_delivery_loses_no_event(
    machine: Machine, receiver: Receiver
) -> None:
    await machine.start_sandbox(pace=0.1)
    receiver.silent = True
    first = await machine.start_service(**ALLOWED)
    made = await first.client.post("/generate-image/", data={"prompt": "a cat", "webhook_url": receiver.url})
    before = await receiver.next()
    await first.server.kill()
    receiver.silent = False

    second = await machine.start_service(**ALLOWED)
    after = await receiver.next()

    assert made.json()["status"] == "succeeded"
    assert after.headers["webhook-id"] == before.headers["webhook-id"]
    assert after.body == before.body
    answer = await second.client.post("/webhook-secrets", data={"webhook_url": receiver.url})
    event = Webhook(answer.json()["secret"]).verify(after.body, dict(after.headers))
    assert [event["data"]] == await second.all_succeeded(1)


async def test_an_end_that_comes_after_a_kill_is_told(machine: Machine, receiver: Receiver) -> None:
    await machine.start_sandbox(pace=1)
    first = await machine.start_service(**ALLOWED)
    await first.client.post(
        "/generate-image/",
        data={"prompt": "a cat", "webhook_url": receiver.url, "webhook_events": "start,completed"},
        headers={"Prefer": "respond-async"},
    )
    begun = json.loads((await receiver.next()).body)
    await first.server.kill()

    second = await machine.start_service(**ALLOWED)
    types = [begun["type"]]
    while types[-1] != "job.completed":
        types.append(json.loads((await receiver.next()).body)["type"])

    assert types[0] == "job.start"
    await second.all_succeeded(1)


async def test_of_several_processes_one_delivers(machine: Machine, receiver: Receiver) -> None:
    await machine.start_sandbox(pace=0)
    service = await machine.start_service("--workers", "3", **ALLOWED)
    form = {"prompt": "a cat", "webhook_url": receiver.url}
    made = await asyncio.gather(*(service.client.post("/generate-image/", data=form) for _ in range(30)))

    ids = {f"evt_{answer.json()['job_id']}_completed" for answer in made}
    came = [(await receiver.next()).headers["webhook-id"] for _ in ids]

    assert len(came) == len(set(came))
    assert set(came) == ids
