"""Who may use the service: callers with an API key, or, where there is none, callers on this machine."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlsplit

from pydantic import SecretStr

from app.callers import EVERY_SCOPE, Caller, Scope, with_included
from app.errors import AccessDeniedError, DocsLoginNeededError, UnauthenticatedError
from app.services.api_keys import KnownKeys

logger = logging.getLogger(__name__)

# A proxy on this machine looks like a local caller; these headers say that it speaks for somebody else.
_FORWARDED = ("x-forwarded-for", "x-real-ip", "forwarded")
_NO_KEYS: Mapping[str, SecretStr] = MappingProxyType({})
_ANYBODY = Caller(key_name=None, scopes=EVERY_SCOPE)


@dataclass(frozen=True, slots=True)
class DocsLogin:
    """What opens the documentation in a browser."""

    username: str
    password: SecretStr


class Access:
    """Lets callers in or raises, by API key, or by where they are if there is no key.

    `api_keys` are the keys of the settings by name, which may do everything; `known_keys` are those that were
    made here. `allow_open` serves everybody while there is no key. `origins` are the web origins, as in
    `https://app.example`, whose pages may send requests from a browser on this machine. `public_images` lets
    everybody fetch pictures. `docs_login` is wanted of whoever reads the documentation.
    """

    def __init__(
        self,
        *,
        api_keys: Mapping[str, SecretStr] = _NO_KEYS,
        known_keys: KnownKeys | None = None,
        allow_open: bool = False,
        origins: Iterable[str] = (),
        public_images: bool = False,
        docs_login: DocsLogin | None = None,
    ) -> None:
        self._given = [
            (_digest(key.get_secret_value().encode()), Caller(key_name=name, scopes=EVERY_SCOPE))
            for name, key in api_keys.items()
        ]
        self._known = known_keys
        self._allow_open = allow_open
        self._origins = frozenset(origins)
        self._public_images = public_images
        self._docs_login = (
            _digest(f"{docs_login.username}:{docs_login.password.get_secret_value()}".encode())
            if docs_login
            else None
        )

    @property
    def needs_key(self) -> bool:
        """Whether callers have to show an API key."""
        return bool(self._given) or (self._known is not None and self._known.in_use)

    @property
    def images_are_private(self) -> bool:
        """Whether pictures may not be kept where others can reach them, as in a shared cache."""
        return self.needs_key and not self._public_images

    async def check(self, client: str | None, headers: Mapping[str, str], scope: Scope) -> Caller:
        """The caller, if it may do what `scope` stands for.

        `client` is the peer's address, None for a Unix socket; `headers` are looked up by lower-case name.
        Raises `UnauthenticatedError` for a missing or wrong key, `ScopeMissingError` for one that may do
        other things only, `AccessDeniedError` for the wrong place.
        """
        if self._known is not None:
            await self._known.keep_up()
        if not self.needs_key:
            self._check_place(client, headers)
            return _ANYBODY
        caller = await self._caller(client, headers)
        caller.must_hold(scope)
        return caller

    async def check_place(self, client: str | None, headers: Mapping[str, str]) -> None:
        """Raise `AccessDeniedError` unless pages without secrets may be shown to this caller."""
        if self._known is not None:
            await self._known.keep_up()
        if not self.needs_key:
            self._check_place(client, headers)

    async def check_for_images(self, client: str | None, headers: Mapping[str, str]) -> None:
        """Raise, as `check` does, unless this caller may fetch pictures."""
        if not self._public_images:
            await self.check(client, headers, Scope.READ)

    async def check_for_docs(self, client: str | None, headers: Mapping[str, str]) -> None:
        """Raise unless this caller may read the documentation.

        Raises `DocsLoginNeededError` where there is a login and it was not shown, otherwise as `check_place`.
        """
        if self._docs_login is None:
            await self.check_place(client, headers)
            return
        shown = _basic_credentials(headers)
        if shown is None:
            raise DocsLoginNeededError("The documentation needs a user name and a password.")
        if not hmac.compare_digest(_digest(shown), self._docs_login):
            logger.warning("A wrong user name or password for the documentation came from %s.", client)
            raise DocsLoginNeededError("The user name or the password is not the right one.")

    def _check_place(self, client: str | None, headers: Mapping[str, str]) -> None:
        if self._allow_open:
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

    async def _caller(self, client: str | None, headers: Mapping[str, str]) -> Caller:
        revoked = None
        presented = list(_presented_keys(headers))
        for key in presented:
            digest = _digest(key)
            # All are compared, so that the time tells nothing about the keys.
            matching = [caller for right, caller in self._given if hmac.compare_digest(digest, right)]
            if matching:
                return matching[0]
            made_here = await self._known.find(key) if self._known is not None else None
            if made_here is not None and made_here.revoked_at is None:
                return Caller(key_name=made_here.name, scopes=with_included(made_here.scopes))
            revoked = revoked or made_here
        if not presented:
            raise UnauthenticatedError(
                "Send the API key as 'Authorization: Bearer <key>' or 'X-API-Key: <key>'."
            )
        if revoked is not None:
            logger.warning(
                "The revoked API key %r (id %s) was shown by %s.", revoked.name, revoked.id, client
            )
            raise UnauthenticatedError(f"The API key {revoked.name!r} was revoked.")
        logger.warning("A wrong API key was shown by %s.", client)
        raise UnauthenticatedError("The API key is not the right one.")


def _presented_keys(headers: Mapping[str, str]) -> Iterator[bytes]:
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        yield _as_sent(credentials.strip())
    if (key := headers.get("x-api-key")) is not None:
        yield _as_sent(key.strip())


def _basic_credentials(headers: Mapping[str, str]) -> bytes | None:
    """`username:password` as UTF-8, from HTTP Basic (RFC 7617)."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(_as_sent(credentials.strip()), validate=True)
    except binascii.Error:
        return None


def _as_sent(text: str) -> bytes:
    """The bytes of a header, which was read as latin-1."""
    return text.encode("latin-1", "replace")


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
