"""Signatures of webhooks, both ways, as https://www.standardwebhooks.com has them.

A secret is `whsec_` and the key in base64. The key signs `id.timestamp.body` with HMAC-SHA256; the header
`webhook-signature` holds one or more signatures, as `v1,<base64>`, with spaces between them.
"""

import base64
import binascii
import hmac
import re
import secrets as random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from standardwebhooks import Webhook

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"

TOLERANCE = timedelta(minutes=5)
"""How far the sender's clock may be from ours; what is older may have been recorded and sent again."""

_PREFIX = "whsec_"
_KEY_BYTES = 24
_UNIX_SECONDS = re.compile(r"[1-9][0-9]{0,11}")


class SignatureError(Exception):
    """A webhook is not from whom it should be, or too old; the message is a sentence without secrets."""


def new_secret() -> str:
    """A secret that nobody else has."""
    return _PREFIX + base64.b64encode(random.token_bytes(_KEY_BYTES)).decode()


def is_secret(text: str) -> bool:
    """Whether `text` is a signing secret, `whsec_` and a key in base64; the prefix may be missing."""
    try:
        return bool(_key(text))
    except ValueError:
        return False


def sign(secrets: Sequence[str], *, message_id: str, at: datetime, body: str) -> dict[str, str]:
    """The headers that go with `body`, with a signature for each secret; `ValueError` for a bad secret."""
    return {
        ID_HEADER: message_id,
        TIMESTAMP_HEADER: str(int(at.timestamp())),
        SIGNATURE_HEADER: " ".join(_signature(_key(secret), message_id, at, body) for secret in secrets),
    }


def verify(secrets: Sequence[str], *, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The id of a webhook that was signed with one of `secrets`; the names of `headers` are in lower case.

    Raises `SignatureError`, and `ValueError` for a bad secret. The body is to be verified as it came, before
    anything reads it.
    """
    message_id, timestamp, signatures = (_header(headers, name) for name in _HEADERS)
    if not _UNIX_SECONDS.fullmatch(timestamp):
        raise SignatureError(f"The header {TIMESTAMP_HEADER!r} is not a time in Unix seconds.")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        raise SignatureError(
            f"The webhook was signed more than {TOLERANCE.seconds // 60} minutes from now, "
            "by this service's clock."
        )
    at = datetime.fromtimestamp(int(timestamp), UTC)
    try:
        text = body.decode()
    except UnicodeDecodeError as exc:
        raise SignatureError("The body is not UTF-8 text.") from exc
    expected = [_signature(_key(secret), message_id, at, text) for secret in secrets]
    given = [signature.encode() for signature in signatures.split(" ")]
    # Every pair is compared, so that the time taken tells nothing about which one came close.
    matches = [hmac.compare_digest(ours.encode(), theirs) for ours in expected for theirs in given]
    if not any(matches):
        raise SignatureError(f"No signature in the header {SIGNATURE_HEADER!r} belongs to this body.")
    return message_id


_HEADERS = (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise SignatureError(f"The header {name!r} is missing.")
    return value


def _key(secret: str) -> bytes:
    text = secret.removeprefix(_PREFIX)
    try:
        # Written without its padding by some.
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ValueError("A signing secret is whsec_ and a key in base64.") from exc
    if not key:
        raise ValueError("A signing secret is whsec_ and a key in base64; the key is missing.")
    return key


def _signature(key: bytes, message_id: str, at: datetime, body: str) -> str:
    # The library takes the digits of `at` for UTC, whatever its zone.
    return Webhook(key).sign(message_id, at.astimezone(UTC), body)
