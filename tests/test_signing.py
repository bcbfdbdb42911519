"""Webhooks are signed and verified as Standard Webhooks has it."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from app.signing import SignatureError, is_secret, new_secret, sign, verify

SECRET = "whsec_cmVwbGljYXRlLWVtdWxhdG9yLXRlc3Qh"  # noqa: S105 - published with the test vector
BODY = '{"id":"abc123","status":"succeeded"}'
AT = datetime.fromtimestamp(1767225600, UTC)
SIGNED = {
    "webhook-id": "msg_emulator_0001",
    "webhook-timestamp": "1767225600",
    "webhook-signature": "v1,Qf1J4QpqLRDDLmghOtviy8o8YJBxfO0Utmywh32Q1bQ=",
}


def test_a_known_body_gets_its_known_signature() -> None:
    assert sign([SECRET], message_id="msg_emulator_0001", at=AT, body=BODY) == SIGNED


def test_what_was_signed_is_verified_and_gives_its_id() -> None:
    assert verify([SECRET], headers=SIGNED, body=BODY.encode(), now=AT) == "msg_emulator_0001"


def test_a_fraction_of_a_second_is_not_signed() -> None:
    at = AT + timedelta(microseconds=999_999)

    assert sign([SECRET], message_id="msg_emulator_0001", at=at, body=BODY) == SIGNED


def test_the_library_that_receivers_use_verifies_what_we_sign() -> None:
    secret, body = new_secret(), '{"name": "Zoë"}'

    headers = sign([secret], message_id="msg_1", at=datetime.now(UTC), body=body)

    assert Webhook(secret).verify(body, headers) == {"name": "Zoë"}


def test_each_of_several_secrets_signs_and_each_verifies() -> None:
    old, new = new_secret(), new_secret()

    headers = sign([new, old], message_id="msg_1", at=AT, body=BODY)

    assert len(headers["webhook-signature"].split(" ")) == 2
    for known in ([old], [new], [new_secret(), old]):
        assert verify(known, headers=headers, body=BODY.encode(), now=AT) == "msg_1"


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_clock_five_minutes_off_is_tolerated(seconds: int) -> None:
    now = AT + timedelta(seconds=seconds)

    assert verify([SECRET], headers=SIGNED, body=BODY.encode(), now=now)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_webhook_from_another_time_is_refused(seconds: int) -> None:
    now = AT + timedelta(seconds=seconds)

    with pytest.raises(SignatureError, match="more than 5 minutes"):
        verify([SECRET], headers=SIGNED, body=BODY.encode(), now=now)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_emulator_0002"},
        {"webhook-timestamp": "1767225601"},
        {"webhook-timestamp": "01767225600"},
        {"webhook-timestamp": "1767225600.0"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "999999999999"},
        {"webhook-timestamp": "-5"},
        {"webhook-timestamp": "nan"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": "v1a,Qf1J4QpqLRDDLmghOtviy8o8YJBxfO0Utmywh32Q1bQ="},
        {"webhook-signature": "Qf1J4QpqLRDDLmghOtviy8o8YJBxfO0Utmywh32Q1bQ="},
        {"webhook-signature": "v1,,"},
        {"webhook-signature": "é"},
        {"webhook-signature": ""},
        {"webhook-id": ""},
        {"webhook-timestamp": ""},
    ],
)
def test_a_header_that_was_changed_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(SignatureError):
        verify([SECRET], headers=SIGNED | changed, body=BODY.encode(), now=AT)


@pytest.mark.parametrize("body", [b"", b"{}", BODY.encode() + b" ", b"\xff"])
def test_a_body_that_was_changed_is_refused(body: bytes) -> None:
    with pytest.raises(SignatureError):
        verify([SECRET], headers=SIGNED, body=body, now=AT)


@pytest.mark.parametrize("missing", list(SIGNED))
def test_a_missing_header_is_named(missing: str) -> None:
    headers = {name: value for name, value in SIGNED.items() if name != missing}

    with pytest.raises(SignatureError, match=missing):
        verify([SECRET], headers=headers, body=BODY.encode(), now=AT)


def test_a_good_signature_among_others_is_enough() -> None:
    header = f"v1a,c29tZXRoaW5nIGVsc2U= v1,AAAA {SIGNED['webhook-signature']}"

    assert verify([SECRET], headers=SIGNED | {"webhook-signature": header}, body=BODY.encode(), now=AT)


def test_without_a_secret_nothing_is_verified() -> None:
    with pytest.raises(SignatureError):
        verify([], headers=SIGNED, body=BODY.encode(), now=AT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SECRET, True),
        (SECRET.removeprefix("whsec_"), True),
        ("whsec_YQ", True),
        ("whsec_", False),
        ("", False),
        ("whsec_a", False),
        ("whsec_not base64", False),
        ("whsec_é", False),
    ],
)
def test_a_secret_is_told_from_other_text(text: str, expected: bool) -> None:
    assert is_secret(text) is expected
    if not expected:
        with pytest.raises(ValueError, match="whsec_"):
            verify([text], headers=SIGNED, body=BODY.encode(), now=AT)


def test_no_two_secrets_are_alike() -> None:
    assert is_secret(new_secret())
    assert new_secret() != new_secret()


@pytest.mark.parametrize("number", [0, 1])
def test_what_the_documentation_says_verifies_what_we_sign(number: int) -> None:
    page = (Path(__file__).parents[1] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    said: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[number], said)  # noqa: S102 - our own page
    secrets = [new_secret(), new_secret()]
    headers = sign(secrets, message_id="msg_1", at=datetime.now(UTC), body=BODY)
    old = sign(secrets, message_id="msg_1", at=datetime.now(UTC) - timedelta(minutes=6), body=BODY)

    for secret in secrets:
        assert said["event_of"](secret, headers, BODY.encode()) == {"id": "abc123", "status": "succeeded"}
    for wrong in ((new_secret(), headers, BODY), (secrets[0], headers, "{}"), (secrets[0], old, BODY)):
        with pytest.raises((ValueError, WebhookVerificationError)):
            said["event_of"](wrong[0], wrong[1], wrong[2].encode())
