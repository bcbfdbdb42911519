"""Pictures in an order, as BFL takes them: plain base64, or an address where the endpoint follows one."""

import base64
import binascii
import re
from collections.abc import Mapping
from urllib.parse import unquote

from app.errors import FieldError, InvalidRequestError
from app.models import JsonValue
from app.services.bfl_client.endpoints import Endpoint

_PICTURE = re.compile(rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|RIFF....WEBP|GIF8[79]a", re.DOTALL)
_SPACE = re.compile(r"\s+", re.ASCII)


def with_plain_pictures(given: Mapping[str, JsonValue], endpoint: Endpoint) -> dict[str, JsonValue]:
    """The input with its pictures in BFL's form. Takes a while for large ones.

    Raises `InvalidRequestError` for what is neither base64, nor a `data:` address, nor an address that the
    endpoint may follow.
    """
    plain = dict(given)
    errors = []
    for name in endpoint.pictures:
        if name not in plain:
            continue
        try:
            plain[name] = _plain(plain[name], endpoint)
        except ValueError as exc:
            errors.append(FieldError(name, f"{exc} {_taken(endpoint)}"))
    if errors:
        raise InvalidRequestError(errors)
    return plain


def _plain(value: JsonValue, endpoint: Endpoint) -> JsonValue:
    if isinstance(value, list):
        return [_plain(each, endpoint) for each in value]
    text = str(value)
    if text.lower().startswith(("http://", "https://")):
        if not endpoint.takes_links:
            raise ValueError(f"{text[:60]!r} is an address, which the model does not follow.")
        return text
    if text[:5].lower() == "data:":
        header, _, text = text.partition(",")
        if not header.lower().endswith(";base64"):
            raise ValueError(f"{header[:60]!r} is not followed by base64.")
        text = unquote(text) if "%" in text else text
    text = _SPACE.sub("", text)
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded:
        raise ValueError(f"{text[:60]!r} is not base64.")
    if not _PICTURE.match(decoded):
        raise ValueError(f"{text[:60]!r} is the base64 of no PNG, JPEG, WebP or GIF.")
    return text


def _taken(endpoint: Endpoint) -> str:
    links = ", or its http(s) address" if endpoint.takes_links else ""
    return f"bfl/{endpoint.path} takes a picture in base64, also as a data: address{links}."
