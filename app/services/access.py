"""Who may use the service: callers with the API key, or, where there is none, callers on this machine."""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from pydantic import SecretStr

from app.errors import AccessDeniedError, UnauthenticatedError

# A proxy on this machine looks like a local caller; these headers say that it speaks for somebody else.
_FORWARDED = ("x-forwarded-for", "x-real-ip", "forwarded")


class Access:
    """Lets callers in or raises, by API key, or by where they are if no key is set.

    `allow_open` serves everybody when there is no key. `origins` are the web origins, as in
    `https://app.example`, whose pages may send requests from a browser on this machine.
    """

    def __init__(
        self, *, api_keys: Iterable[SecretStr] = (), allow_open: bool = False, origins: Iterable[str] = ()
    ) -> None:
        self._digests = [_digest(key.get_secret_value().encode()) for key in api_keys]
        self._allow_open = allow_open
        self._origins = frozenset(origins)

    @property
    def needs_key(self) -> bool:
        """Whether callers have to show an API key."""
        return bool(self._digests)

    def check(self, client: str | None, headers: Mapping[str, str]) -> None:
        """Raise unless this caller may use the service.

        `client` is the peer's address, None for a Unix socket; `headers` are looked up by lower-case name.
        Raises `UnauthenticatedError` for a missing or wrong key, `AccessDeniedError` for the wrong place.
        """
        if self._digests:
            self._check_key(headers)
        else:
            self.check_place(client, headers)

    def check_place(self, client: str | None, headers: Mapping[str, str]) -> None:
        """Raise `AccessDeniedError` unless pages without secrets may be shown to this caller."""
        if self._digests or self._allow_open:
            return
        if not _is_local(client):
            raise _not_served(f"a request from {client}")
        for name in _FORWARDED:
            value = headers.get(name)
            if value is not None and not all(_is_local(part.strip()) for part in value.split(",")):
                raise _not_served("a request that a proxy passed on from elsewhere")
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins and not _is_local_origin(origin):
            raise _not_served("a web page from elsewhere (CORS_ORIGINS can allow it)")

    def _check_key(self, headers: Mapping[str, str]) -> None:
        presented = []
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            presented.append(credentials.strip())
        if (key := headers.get("x-api-key")) is not None:
            presented.append(key.strip())
        if not presented:
            raise UnauthenticatedError(
                "Send the API key as 'Authorization: Bearer <key>' or 'X-API-Key: <key>'."
            )
        # Header text is latin-1; this gives back the bytes that were sent.
        shown = [_digest(key.encode("latin-1", "replace")) for key in presented]
        # Every pair is compared, so that the time tells nothing about the keys.
        if not any([hmac.compare_digest(one, right) for one in shown for right in self._digests]):
            raise UnauthenticatedError("The API key is not the right one.")


def _digest(key: bytes) -> bytes:
    """Digests have one length, so that comparing them does not give away the key's."""
    return hashlib.sha256(key).digest()


def _is_local(host: str | None) -> bool:
    """Whether an address is this machine's own; a Unix socket has none."""
    if host is None or host == "127.0.0.1":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback


def _is_local_origin(origin: str) -> bool:
    try:
        host = urlsplit(origin).hostname
    except ValueError:
        return False
    return host is not None and (host == "localhost" or host.endswith(".localhost") or _is_local(host))


def _not_served(what: str) -> AccessDeniedError:
    return AccessDeniedError(
        f"Without an API key only programs on this machine are served, and this is {what}. "
        "Set API_KEY, and send it with each request, or set ALLOW_OPEN=true to serve everybody."
    )
