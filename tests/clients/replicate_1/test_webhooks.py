"""Webhooks that were really received, checked with the client's own validation."""

import json
from pathlib import Path

import httpx
import pytest
from replicate.client import Client
from replicate.webhook import InvalidSignatureError, InvalidTimestampError, Webhooks

from tests.clients.replicate_1.conftest import NewModel
from tests.clients.servers import Letterbox

MODEL = "black-forest-labs/flux-dev"


def test_the_signature_of_a_webhook_is_valid(client: Client, letterbox: Letterbox) -> None:
    prediction = client.predictions.create(
        version=MODEL,
        input={"prompt": "ein Käfer"},
        webhook=letterbox.url,
        webhook_events_filter=["completed"],
    )
    secret = client.webhooks.default.secret()

    heard = letterbox.next()

    body, headers = heard.body.decode(), dict(heard.headers)
    Webhooks.validate(headers=headers, body=body, secret=secret, tolerance=300)
    request = httpx.Request("POST", letterbox.url, headers=headers, content=heard.body)
    Webhooks.validate(request, secret=secret, tolerance=300)
    assert json.loads(body)["id"] == prediction.id
    prediction.reload()
    assert json.loads(body)["output"] == prediction.output
    with pytest.raises(InvalidSignatureError):
        Webhooks.validate(headers=headers, body=body + " ", secret=secret)
    with pytest.raises(InvalidTimestampError):
        Webhooks.validate(
            headers={**headers, "webhook-timestamp": "1700000000"}, body=body, secret=secret, tolerance=300
        )


def test_a_training_is_told_about_as_well(
    client: Client, letterbox: Letterbox, new_model: NewModel, training_pictures: Path
) -> None:
    trainer = client.models.get("ostris/flux-dev-lora-trainer")
    assert trainer.latest_version is not None
    training = client.trainings.create(
        model=trainer,
        version=trainer.latest_version,
        input={"input_images": training_pictures, "trigger_word": "TOYDOG", "steps": 10},
        destination=new_model(),
        webhook=letterbox.url,
        webhook_events_filter=["start", "completed"],
    )

    heard = [letterbox.next(), letterbox.next()]

    for webhook in heard:
        Webhooks.validate(
            headers=dict(webhook.headers), body=webhook.body.decode(), secret=client.webhooks.default.secret()
        )
    assert [json.loads(webhook.body)["id"] for webhook in heard] == [training.id] * 2
    assert "succeeded" in [json.loads(webhook.body)["status"] for webhook in heard]


async def test_the_async_half_gets_the_same_secret(client: Client, aclient: Client) -> None:
    secret = await aclient.webhooks.default.async_secret()

    assert secret == client.webhooks.default.secret()
    assert secret.key.startswith("whsec_")
