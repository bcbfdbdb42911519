"""Requests to URLs that callers give, without being led to where callers may not go.

A host name is resolved once, every address is checked, and the connection goes to a checked address by
number; the name is used only for `Host` and for TLS. So an answer that changes between check and
connection (DNS rebinding) changes nothing. Redirects are never followed here.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from ipaddress import ip_address
from typing import TypeAlias, TypeVar

import httpx

from app.services.safe_fetch.public_addresses import Address, literal_address, why_refused

T = TypeVar("T")
Resolver: TypeAlias = Callable[[str], Awaitable[Sequence[Address]]]
TransportFactory: TypeAlias = Callable[[], httpx.AsyncBaseTransport]

_TIMEOUT = httpx.Timeout(10, connect=5)
_MAX_ADDRESSES = 4


class RefusedUrlError(Exception):
    """A URL may not be asked, or gives no answer; the message is a sentence without the URL's secrets."""


class PublicUrls:
    """Resolves, checks and asks URLs.

    `allow_private` lets private and loopback addresses through. Every request gets a transport of its own
    from `transport_factory` and no client: nothing follows redirects, keeps cookies, takes proxies from the
    environment, or reuses a connection made under another name.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolver: Resolver | None = None,
        transport_factory: TransportFactory | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._resolve = resolver or resolve
        self._transport_factory = transport_factory or _transport

    async def addresses(self, url: httpx.URL) -> Sequence[Address]:
        """The addresses of the URL's host, all of them checked. Raises `RefusedUrlError`."""
        host = host_of(url)
        literal = literal_address(host)
        if literal is not None:
            addresses: Sequence[Address] = (literal,)
        else:
            try:
                addresses = await self._resolve(host)
            except (OSError, UnicodeError) as exc:
                raise RefusedUrlError(f"The host {host!r} of {shown(url)} is not known.") from exc
            if not addresses:
                raise RefusedUrlError(f"The host {host!r} of {shown(url)} has no address.")
        for address in addresses:
            if reason := why_refused(address, allow_private=self._allow_private):
                # What a name stands for inside our network is nothing to tell the caller.
                means = f"means {literal}, which is" if literal is not None else "leads to"
                raise RefusedUrlError(
                    f"The host {host!r} of {shown(url)} {means} {reason}. Allowed are public addresses only."
                )
        return addresses

    async def ask(
        self,
        method: str,
        url: httpx.URL,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        read: Callable[[httpx.Response], Awaitable[T]],
    ) -> T:
        """What `read` makes of the response of the first address that can be connected to.

        Raises `RefusedUrlError`. How long it may take as a whole is up to the caller.
        """
        failure: httpx.TransportError | None = None
        for address in (await self.addresses(url))[:_MAX_ADDRESSES]:
            transport = await asyncio.to_thread(self._transport_factory)
            async with transport:
                try:
                    response = await transport.handle_async_request(
                        _request_to(address, method, url, headers, body)
                    )
                    try:
                        return await read(response)
                    finally:
                        await response.aclose()
                except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
                    failure = exc
                except httpx.TransportError as exc:
                    failure = exc
                    break
        raise RefusedUrlError(f"{shown(url)} cannot be reached: {_reason(failure)}.") from failure


async def resolve(host: str) -> Sequence[Address]:
    """All addresses of `host`, in the system's order of preference. Raises `OSError` if there are none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


def parsed(text: str, *, example: str) -> httpx.URL:
    """The URL, if it has a form that may be asked, like `example`. Raises `RefusedUrlError`."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as exc:
        raise RefusedUrlError(f"{shown(text)} is not a valid URL. Give one like {example}.") from exc
    if url.scheme not in ("http", "https"):
        raise RefusedUrlError(f"{shown(text)} begins with {url.scheme!r}. Allowed are http and https.")
    if url.userinfo:
        raise RefusedUrlError(
            f"{shown(text)} holds a user name or a password. Give a URL that needs neither."
        )
    # httpx leaves percent signs in host names and large ports as they are; neither leads anywhere.
    if not host_of(url) or "%" in host_of(url) or not 0 < _port(url) < 65536:
        raise RefusedUrlError(f"{shown(text)} names no valid host and port. Give one like {example}.")
    return url


def host_of(url: httpx.URL) -> str:
    """The host in ASCII, as resolvers take it, without brackets."""
    return url.raw_host.decode("ascii")


def shown(url: httpx.URL | str) -> str:
    """The URL as it stands in a sentence, without the parts that may hold a secret."""
    text = re.sub(r"//[^/]*@", "//...@", str(url)).partition("?")[0].partition("#")[0]
    return repr(text if len(text) <= 200 else f"{text[:200]}...")


def _port(url: httpx.URL) -> int:
    return 443 if url.port is None else url.port


def _request_to(
    address: Address, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes | None
) -> httpx.Request:
    """The request for `url`, addressed to `address` by number."""
    return httpx.Request(
        method,
        url.copy_with(host=str(address), fragment=None),
        headers={**headers, "Host": url.netloc.decode("ascii")},
        content=body,
        extensions={"sni_hostname": host_of(url).rstrip("."), "timeout": _TIMEOUT.as_dict()},
    )


def _transport() -> httpx.AsyncBaseTransport:
    return httpx.AsyncHTTPTransport(verify=_certificates())


@cache
def _certificates() -> ssl.SSLContext:
    """Whom to trust; reading the certificates takes longer than a request."""
    return httpx.create_ssl_context(trust_env=False)


def _reason(failure: BaseException | None) -> str:
    """Why a connection failed, in words and without the machine's own."""
    cause = failure
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not valid ({cause.verify_message.rstrip('.')})"
        cause = cause.__cause__ or cause.__context__
    if isinstance(failure, httpx.TimeoutException):
        return "it does not answer in time"
    if isinstance(failure, httpx.ConnectError):
        return "no connection can be made"
    return "it breaks off the connection or answers with something that is not HTTP"
