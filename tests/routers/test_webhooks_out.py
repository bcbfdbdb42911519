"""Callers are told what becomes of their jobs, as they see it over HTTP."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from app.clock import SystemClock
from app.config import Settings
from tests.conftest import Serve
from tests.receiver import Receiver

PICTURES = Path(__file__).parents[2] / "examples" / "training_pictures.zip"
NOBODY = "0" * 32


@pytest.fixture
def clock() -> SystemClock:
    """The machine's time: receivers compare it with the time of signing."""
    return SystemClock()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Who gets the webhooks."""
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.aclose()


@pytest.fixture
async def client(serve: Serve, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that sends webhooks to this machine as well."""
    async with serve(settings.model_copy(update={"allow_private_webhooks": True})) as client:
        yield client


async def test_the_end_of_a_generation_comes_signed_and_looks_like_the_job(
    client: httpx.AsyncClient, receiver: Receiver
) -> None:
    form = {"prompt": "a cat", "webhook_url": f"{receiver.url}?token=abc"}
    made = (await client.post("/generate-image/", data=form)).json()

    came = await receiver.next()

    secret = (await client.post("/webhook-secrets", data={"webhook_url": receiver.url})).json()["secret"]
    event = Webhook(secret).verify(came.body, dict(came.headers))
    job = (await client.get(f"/jobs/{made['job_id']}")).json()
    assert came.path == "/hook?token=abc"
    assert came.headers["webhook-id"] == f"evt_{made['job_id']}_completed"
    assert (event["type"], event["data"]) == ("job.completed", job)
    assert job["generated_image_urls"] == made["generated_image_urls"]


async def test_a_training_tells_of_its_start_and_its_end(
    client: httpx.AsyncClient, receiver: Receiver
) -> None:
    started = await client.post(
        "/fine-tune/",
        data={
            "trigger_word": "TOK",
            "webhook_url": receiver.url,
            "webhook_events": "completed, start,progress",
        },
        files={"training_images": PICTURES.read_bytes()},
    )
    types: list[str] = []
    while "job.completed" not in types:
        types.append(json.loads((await receiver.next()).body)["type"])

    seen = (await client.get(f"/jobs/{started.json()['job_id']}/deliveries")).json()
    assert seen["webhook_events"] == ["start", "progress", "completed"]
    assert [event["type"] for event in seen["events"]] == types


async def test_every_attempt_is_shown_and_a_delivery_can_be_repeated(
    client: httpx.AsyncClient, receiver: Receiver
) -> None:
    receiver.status = 500
    body = {"prompt": "a cat", "webhook_url": f"{receiver.url}?token=abc", "webhook_events": ["completed"]}
    made = (await client.post("/generate-image/", json=body)).json()
    first = await receiver.next()
    path = f"/jobs/{made['job_id']}/deliveries"

    async def attempts() -> dict[str, Any]:
        while True:
            [event] = (await client.get(path)).json()["events"]
            if event["attempts"]:
                return dict(event)

    event = await attempts()
    assert (event["state"], event["id"]) == ("pending", first.headers["webhook-id"])
    assert event["next_attempt_at"] is not None
    [attempt] = event["attempts"]
    assert (attempt["attempt"], attempt["status_code"]) == (1, 500)
    assert attempt["error"] == "The receiver answered with status 500; 200 to 299 is expected."
    assert "token" not in (await client.get(path)).text

    receiver.status = 204
    again = await client.post(f"{path}/{event['id']}/redeliver")
    assert (again.status_code, again.json()["state"]) == (200, "pending")
    second = await receiver.next()
    assert second.headers["webhook-id"] == event["id"]
    assert second.body == first.body


async def test_a_job_without_a_webhook_has_no_deliveries(client: httpx.AsyncClient) -> None:
    made = (await client.post("/generate-image/", data={"prompt": "a cat"})).json()

    response = await client.get(f"/jobs/{made['job_id']}/deliveries/")

    assert response.json() == {
        "job_id": made["job_id"],
        "webhook_url": None,
        "webhook_events": [],
        "events": [],
    }


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:9/hook", "means 127.0.0.1, which is a loopback address"),
        ("http://localhost:9/hook", "leads to a loopback address"),
        ("http://10.0.0.7/hook", "a private address"),
        ("http://[::1]/hook", "a loopback address"),
        ("http://2130706433/hook", "a loopback address"),
        ("http://169.254.169.254/latest", "a cloud metadata address"),
        ("ftp://app.example/hook", "Allowed are http and https."),
        ("https://me:secret@app.example/hook", "holds a user name or a password"),
        ("https://app.example:0/hook", "names no valid host and port"),
    ],
)
async def test_an_address_that_is_not_public_is_refused_before_anything_is_paid_for(
    serve: Serve, url: str, why: str
) -> None:
    async with serve() as client:
        training = {"trigger_word": "TOK", "webhook_url": url}
        pictures = {"training_images": PICTURES.read_bytes()}
        for response in (
            await client.post("/generate-image/", data={"prompt": "a cat", "webhook_url": url}),
            await client.post("/fine-tune/", data=training, files=pictures),
        ):
            assert response.status_code == 422
            [error] = response.json()["errors"]
            assert error["field"] == "webhook_url"
            assert why in error["message"]
            assert "secret" not in response.text
        assert (await client.get("/jobs")).json()["jobs"] == []


async def test_metadata_addresses_are_refused_whatever_is_allowed(client: httpx.AsyncClient) -> None:
    form = {"prompt": "a cat", "webhook_url": "http://169.254.169.254/hook"}

    response = await client.post("/generate-image/", data=form)

    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"webhook_events": "end"}, "webhook_events: 'end' is not possible; allowed are start, progress"),
        ({"webhook_events": ["start", 5]}, 'webhook_events: ["start", 5] is not a list; allowed are start'),
        ({"webhook_events": []}, "webhook_events: empty; one or more of start, progress, completed"),
        ({"webhook_events": {"start": True}}, "is not a list"),
        ({"webhook_url": None, "webhook_events": "start"}, "'start' is for nobody: there is no webhook_url."),
        ({"webhook_url": f"https://app.example/{'x' * 512}"}, "webhook_url: 'https://app.example/xxx"),
        ({"webhook_url": 7}, "webhook_url: 7 is not text"),
    ],
)
async def test_events_and_addresses_that_make_no_sense_are_refused(
    client: httpx.AsyncClient, receiver: Receiver, fields: dict[str, Any], says: str
) -> None:
    body = {"prompt": "a cat", "webhook_url": receiver.url, **fields}

    response = await client.post("/generate-image/", json=body)

    assert response.status_code == 422
    assert says in response.json()["detail"]


async def test_a_repeated_request_under_a_key_is_told_of_once_and_another_receiver_needs_another_key(
    client: httpx.AsyncClient, receiver: Receiver
) -> None:
    key = {"Idempotency-Key": "k1"}
    form = {"prompt": "a cat", "webhook_url": receiver.url}
    first = await client.post("/generate-image/", data=form, headers=key)
    second = await client.post("/generate-image/", data=form, headers=key)
    other = await client.post(
        "/generate-image/", data={**form, "webhook_url": f"{receiver.url}/b"}, headers=key
    )

    assert first.json()["job_id"] == second.json()["job_id"]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    seen = (await client.get(f"/jobs/{first.json()['job_id']}/deliveries")).json()
    assert len(seen["events"]) == 1


async def test_the_secret_of_a_receiver_stays_until_it_is_changed(client: httpx.AsyncClient) -> None:
    form = {"webhook_url": "https://app.example/hook?job=1"}
    first = (await client.post("/webhook-secrets", data=form)).json()
    same = (await client.post("/webhook-secrets/", json={"webhook_url": "https://app.example/hook"})).json()
    new = (await client.post("/webhook-secrets/rotate", data=form)).json()

    assert same == first
    assert (first["webhook_url"], first["previous_secret"]) == ("https://app.example/hook", None)
    assert (new["previous_secret"], new["secret"] != first["secret"]) == (first["secret"], True)
    assert (await client.post("/webhook-secrets", data=form)).json() == new


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", f"/jobs/{NOBODY}/deliveries", "job_not_found"),
        ("POST", f"/jobs/{NOBODY}/deliveries/evt_1/redeliver", "job_not_found"),
        ("POST", "/jobs/{job_id}/deliveries/evt_1/redeliver", "event_not_found"),
        ("POST", "/jobs/{job_id}/deliveries/evt_1/redeliver/", "event_not_found"),
    ],
)
async def test_what_does_not_exist_is_said_to_be_missing(
    client: httpx.AsyncClient, method: str, path: str, code: str
) -> None:
    made = (await client.post("/generate-image/", data={"prompt": "a cat"})).json()

    response = await client.request(method, path.replace("{job_id}", made["job_id"]))

    assert (response.status_code, response.json()["code"]) == (404, code)


async def test_an_event_of_another_job_is_not_delivered_again(
    client: httpx.AsyncClient, receiver: Receiver
) -> None:
    form = {"prompt": "a cat", "webhook_url": receiver.url}
    made = [(await client.post("/generate-image/", data=form)).json()["job_id"] for _ in range(2)]

    response = await client.post(f"/jobs/{made[0]}/deliveries/evt_{made[1]}_completed/redeliver")

    assert (response.status_code, response.json()["code"]) == (404, "event_not_found")
