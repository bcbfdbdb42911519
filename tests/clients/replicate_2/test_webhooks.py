"""Webhooks that were really received; this client cannot check signatures, so they are computed here."""

import base64
import hashlib
import hmac
import json

from replicate import AsyncReplicate, Replicate

from tests.clients.servers import Letterbox

MODEL = "black-forest-labs/flux-dev"


async def test_a_webhook_is_signed_with_the_account_s_secret(
    client: Replicate, aclient: AsyncReplicate, letterbox: Letterbox
) -> None:
    created = client.predictions.create(
        version=MODEL,
        input={"prompt": "ein Käfer"},
        webhook=letterbox.url,
        webhook_events_filter=["completed"],
    )
    secret = client.webhooks.default.secret.get().key
    assert secret is not None

    heard = letterbox.next()

    headers = {name.lower(): value for name, value in heard.headers.items()}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + heard.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert f"v1,{signature}" in headers["webhook-signature"].split()
    found = client.predictions.get(prediction_id=created.id)
    assert json.loads(heard.body)["output"] == found.output
    assert (await aclient.webhooks.default.secret.get()).key == secret
