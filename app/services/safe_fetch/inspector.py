"""Looks at URLs that callers give, without being led to where callers may not go.

A host name is resolved once, every address is checked, and the connection goes to a checked address by
number; the name is used only for `Host` and for TLS. So an answer that changes between check and
connection (DNS rebinding) changes nothing. Redirects start over.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from ipaddress import ip_address
from typing import TypeAlias, cast

import httpx

from app.errors import FieldError, InvalidRequestError
from app.services.safe_fetch.public_addresses import Address, literal_address, why_refused

Resolver: TypeAlias = Callable[[str], Awaitable[Sequence[Address]]]

_DEADLINE = timedelta(seconds=15)
_TIMEOUT = httpx.Timeout(10, connect=5)
_MAX_REDIRECTS = 5
_MAX_ADDRESSES = 4
_MAX_BODY_BYTES = 64 * 1024
_ZIP_START = b"PK\x03\x04"
_EMPTY_ZIP_START = b"PK\x05\x06"
_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Range": f"bytes=0-{len(_ZIP_START) - 1}",
    "User-Agent": "fluxgate",
}
_LINK_ADVICE = "File-sharing sites such as tmpfiles.org need their direct link, with /dl/ in the path."


class UrlInspector:
    """Finds out whether a training set's URL is public, can be reached, and leads to a zip.

    `allow_private` lets private and loopback addresses through, for use on one machine. Every request
    gets a transport of its own from `transport_factory` and no client: nothing follows redirects, keeps
    cookies, takes proxies from the environment, or reuses a connection made under another name.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolver: Resolver | None = None,
        transport_factory: Callable[[], httpx.AsyncBaseTransport] = httpx.AsyncHTTPTransport,
        deadline: timedelta = _DEADLINE,
    ) -> None:
        self._allow_private = allow_private
        self._resolve = resolver or resolve
        self._transport_factory = transport_factory
        self._deadline = deadline

    async def check_zip(self, url: str) -> None:
        """Raise `InvalidRequestError` for the field `training_images_url` unless `url` leads to a zip."""
        try:
            async with asyncio.timeout(self._deadline.total_seconds()):
                await self._follow(_parsed(url))
        except TimeoutError as exc:
            raise _refused(
                f"{_shown(url)} gave no answer within {self._deadline.total_seconds():g} seconds."
            ) from exc

    async def _follow(self, url: httpx.URL) -> None:
        """Ask `url`, and whatever it redirects to, until an answer settles the matter."""
        for _ in range(_MAX_REDIRECTS + 1):
            target = await self._ask(url)
            if target is None:
                return
            url = target
        raise _refused(
            f"{_shown(url)} comes after more than {_MAX_REDIRECTS} redirects. Give the final address."
        )

    async def _ask(self, url: httpx.URL) -> httpx.URL | None:
        """One request, to the first address that answers. The target of a redirect, or None for a zip."""
        addresses = await self._checked_addresses(url)
        failure: httpx.TransportError | None = None
        for address in addresses[:_MAX_ADDRESSES]:
            transport = await asyncio.to_thread(self._transport_factory)
            async with transport:
                try:
                    response = await transport.handle_async_request(_request_to(address, url))
                    try:
                        return await _judged(response, url)
                    finally:
                        await response.aclose()
                except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
                    failure = exc
                except httpx.TransportError as exc:
                    failure = exc
                    break
        raise _refused(f"{_shown(url)} cannot be reached: {_reason(failure)}.") from failure

    async def _checked_addresses(self, url: httpx.URL) -> Sequence[Address]:
        """The addresses of the URL's host, all of them checked."""
        host = _host(url)
        literal = literal_address(host)
        if literal is not None:
            addresses: Sequence[Address] = (literal,)
        else:
            try:
                addresses = await self._resolve(host)
            except (OSError, UnicodeError) as exc:
                raise _refused(f"The host {host!r} of {_shown(url)} is not known.") from exc
            if not addresses:
                raise _refused(f"The host {host!r} of {_shown(url)} has no address.")
        for address in addresses:
            if reason := why_refused(address, allow_private=self._allow_private):
                # What a name stands for inside our network is nothing to tell the caller.
                means = f"means {literal}, which is" if literal is not None else "leads to"
                raise _refused(
                    f"The host {host!r} of {_shown(url)} {means} {reason}. Allowed are public addresses only."
                )
        return addresses


async def resolve(host: str) -> Sequence[Address]:
    """All addresses of `host`, in the system's order of preference. Raises `OSError` if there are none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


def _parsed(text: str) -> httpx.URL:
    """The URL, if it has a form that may be asked."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as exc:
        raise _refused(f"{_shown(text)} is not a valid URL. Give one like https://host/set.zip.") from exc
    if url.scheme not in ("http", "https"):
        raise _refused(f"{_shown(text)} begins with {url.scheme!r}. Allowed are http and https.")
    if url.userinfo:
        raise _refused(f"{_shown(text)} holds a user name or a password. Give a URL that needs neither.")
    # httpx leaves percent signs in host names and large ports as they are; neither leads anywhere.
    if not _host(url) or "%" in _host(url) or not 0 < _port(url) < 65536:
        raise _refused(f"{_shown(text)} names no valid host and port. Give one like https://host/set.zip.")
    return url


def _host(url: httpx.URL) -> str:
    """The host in ASCII, as resolvers take it, without brackets."""
    return url.raw_host.decode("ascii")


def _port(url: httpx.URL) -> int:
    return 443 if url.port is None else url.port


def _request_to(address: Address, url: httpx.URL) -> httpx.Request:
    """The request for `url`, addressed to `address` by number."""
    return httpx.Request(
        "GET",
        url.copy_with(host=str(address), fragment=None),
        headers={**_HEADERS, "Host": url.netloc.decode("ascii")},
        extensions={"sni_hostname": _host(url).rstrip("."), "timeout": _TIMEOUT.as_dict()},
    )


async def _judged(response: httpx.Response, url: httpx.URL) -> httpx.URL | None:
    """Where the response sends us, or None when it is the beginning of a zip."""
    if response.has_redirect_location:
        return _redirected(url, response.headers["Location"])
    if response.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        raise _refused(
            f"{_shown(url)} answers with status {response.status_code}. "
            "Give a URL that can be read without signing in."
        )
    start = await _start_of_body(response)
    if start.startswith(_ZIP_START):
        return None
    if start.startswith(_EMPTY_ZIP_START):
        raise _refused(f"{_shown(url)} is an empty zip. Give a zip of pictures.")
    if not start:
        raise _refused(f"{_shown(url)} is an empty file. Give the URL of a zip of pictures.")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml") or start.lstrip()[:1] == b"<":
        raise _refused(f"{_shown(url)} is a web page, not a zip. {_LINK_ADVICE}")
    raise _refused(f"{_shown(url)} is not a zip: it does not begin with the bytes 'PK'.")


def _redirected(url: httpx.URL, location: str) -> httpx.URL:
    try:
        target = url.join(location)
    except (httpx.InvalidURL, ValueError) as exc:
        raise _refused(f"{_shown(url)} redirects to {_shown(location)}, which is not a valid URL.") from exc
    return _parsed(str(target))


async def _start_of_body(response: httpx.Response) -> bytes:
    """The first bytes of the body as they were sent; servers that know no ranges are cut off early."""
    start = b""
    # An async transport always gives an async stream; httpx's types leave both open.
    async for chunk in cast(httpx.AsyncByteStream, response.stream):
        start += chunk[:_MAX_BODY_BYTES]
        if len(start) >= len(_ZIP_START):
            break
    return start


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


def _shown(url: httpx.URL | str) -> str:
    """The URL as it stands in a sentence, without the parts that may hold a secret."""
    text = re.sub(r"//[^/]*@", "//...@", str(url)).partition("?")[0].partition("#")[0]
    return repr(text if len(text) <= 200 else f"{text[:200]}...")


def _refused(message: str) -> InvalidRequestError:
    return InvalidRequestError([FieldError("training_images_url", message)])
