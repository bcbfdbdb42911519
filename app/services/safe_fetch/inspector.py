"""Fetches training pictures from URLs that callers gave, or looks whether there is a zip."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias, cast

import httpx

from app.errors import FieldError, InvalidRequestError, PayloadTooLargeError
from app.services.safe_fetch.public_urls import (
    PublicUrls,
    RefusedUrlError,
    Resolver,
    TransportFactory,
    parsed,
    shown,
)

_DEADLINE = timedelta(seconds=15)
_FETCH_DEADLINE = timedelta(minutes=10)
_MAX_REDIRECTS = 5
_MAX_BODY_BYTES = 64 * 1024
_ZIP_START = b"PK\x03\x04"
_START_BYTES = 8
_EMPTY_ZIP_START = b"PK\x05\x06"
_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Range": f"bytes=0-{len(_ZIP_START) - 1}",
    "User-Agent": "fluxgate",
}
_FETCH_HEADERS = {name: value for name, value in _HEADERS.items() if name != "Range"}
_STARTS_OF_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")
_EXAMPLE = "https://host/set.zip"
_LINK_ADVICE = "File-sharing sites such as tmpfiles.org need their direct link, with /dl/ in the path."


_Read: TypeAlias = Callable[[httpx.Response, httpx.URL], Awaitable[httpx.URL | None]]
"""Where a response sends us, or None when it was what was wanted."""


class UrlInspector:
    """Finds out whether a training set's URL is public, can be reached, and leads to a zip.

    `allow_private` lets private and loopback addresses through, for use on one machine.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolver: Resolver | None = None,
        transport_factory: TransportFactory | None = None,
        deadline: timedelta = _DEADLINE,
    ) -> None:
        self._urls = PublicUrls(
            allow_private=allow_private, resolver=resolver, transport_factory=transport_factory
        )
        self._deadline = deadline

    async def check_zip(self, url: str) -> None:
        """Raise `InvalidRequestError` for the field `training_images_url` unless `url` leads to a zip."""
        await self._read(url, _judged, headers=_HEADERS, deadline=self._deadline)

    async def fetch(self, url: str, target: Path, limit_bytes: int) -> str:
        """Write the zip or picture at `url` to `target`, piece by piece; returns what to call it.

        Raises `InvalidRequestError` as `check_zip` does, and `PayloadTooLargeError` for more than
        `limit_bytes`. What came until then is left at `target`.
        """

        async def read(response: httpx.Response, asked: httpx.URL) -> httpx.URL | None:
            return await _saved(response, asked, target, limit_bytes)

        found = await self._read(url, read, headers=_FETCH_HEADERS, deadline=_FETCH_DEADLINE)
        return found.path.rstrip("/").rpartition("/")[2] or "pictures"

    async def _read(
        self, url: str, read: _Read, *, headers: dict[str, str], deadline: timedelta
    ) -> httpx.URL:
        try:
            async with asyncio.timeout(deadline.total_seconds()):
                return await self._follow(parsed(url, example=_EXAMPLE), read, headers)
        except RefusedUrlError as exc:
            raise _refused(str(exc)) from exc
        except TimeoutError as exc:
            raise _refused(
                f"{shown(url)} gave no answer within {deadline.total_seconds():g} seconds."
            ) from exc

    async def _follow(self, url: httpx.URL, read: _Read, headers: dict[str, str]) -> httpx.URL:
        """Ask `url`, and what it redirects to, until an answer settles the matter; where that came from."""
        for _ in range(_MAX_REDIRECTS + 1):
            target = await self._ask(url, read, headers)
            if target is None:
                return url
            url = target
        raise RefusedUrlError(
            f"{shown(url)} comes after more than {_MAX_REDIRECTS} redirects. Give the final address."
        )

    async def _ask(self, url: httpx.URL, read: _Read, headers: dict[str, str]) -> httpx.URL | None:
        """One request. The target of a redirect, or None where there is none to follow."""

        async def read_from(response: httpx.Response) -> httpx.URL | None:
            return await read(response, url)

        return await self._urls.ask("GET", url, headers=headers, read=read_from)


async def _judged(response: httpx.Response, url: httpx.URL) -> httpx.URL | None:
    """Where the response sends us, or None when it is the beginning of a zip."""
    if response.has_redirect_location:
        return _redirected(url, response.headers["Location"])
    _check_status(response, url)
    start = await _start_of_body(response)
    if not start.startswith(_ZIP_START):
        raise _is_no_zip(response, url, start)
    return None


async def _saved(
    response: httpx.Response, url: httpx.URL, target: Path, limit_bytes: int
) -> httpx.URL | None:
    """Where the response sends us, or None when it was a zip or a picture and lies at `target`."""
    if response.has_redirect_location:
        return _redirected(url, response.headers["Location"])
    _check_status(response, url)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise RefusedUrlError(f"{shown(url)} is sent in another encoding than was asked for.")
    announced = response.headers.get("Content-Length", "")
    size, start = 0, b""
    if announced.isdecimal() and int(announced) > limit_bytes:
        raise _too_large(url, limit_bytes)
    file = await asyncio.to_thread(target.open, "wb")
    try:
        async for chunk in cast(httpx.AsyncByteStream, response.stream):
            size += len(chunk)
            if size > limit_bytes:
                raise _too_large(url, limit_bytes)
            if len(start) < _START_BYTES:
                start += chunk[:_START_BYTES]
                if len(start) >= _START_BYTES:
                    _check_start(response, url, start)
            await asyncio.to_thread(file.write, chunk)
    finally:
        await asyncio.to_thread(file.close)
    _check_start(response, url, start)
    if announced.isdecimal() and size != int(announced):
        raise RefusedUrlError(f"{shown(url)} breaks off after {size:,} bytes.")
    return None


def _check_status(response: httpx.Response, url: httpx.URL) -> None:
    if response.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        raise RefusedUrlError(
            f"{shown(url)} answers with status {response.status_code}. "
            "Give a URL that can be read without signing in."
        )


def _check_start(response: httpx.Response, url: httpx.URL, start: bytes) -> None:
    if not start.startswith((_ZIP_START, *_STARTS_OF_PICTURES)):
        raise _is_no_zip(response, url, start)


def _too_large(url: httpx.URL, limit_bytes: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(
        f"{shown(url)} has more than the {limit_bytes:,} bytes that are left of what this service takes."
    )


def _is_no_zip(response: httpx.Response, url: httpx.URL, start: bytes) -> RefusedUrlError:
    """Why what begins like this is of no use."""
    if start.startswith(_EMPTY_ZIP_START):
        return RefusedUrlError(f"{shown(url)} is an empty zip. Give a zip of pictures.")
    if not start:
        return RefusedUrlError(f"{shown(url)} is an empty file. Give the URL of a zip of pictures.")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml") or start.lstrip()[:1] == b"<":
        return RefusedUrlError(f"{shown(url)} is a web page, not a zip. {_LINK_ADVICE}")
    return RefusedUrlError(f"{shown(url)} is not a zip: it does not begin with the bytes 'PK'.")


def _redirected(url: httpx.URL, location: str) -> httpx.URL:
    try:
        target = url.join(location)
    except (httpx.InvalidURL, ValueError) as exc:
        raise RefusedUrlError(
            f"{shown(url)} redirects to {shown(location)}, which is not a valid URL."
        ) from exc
    return parsed(str(target), example=_EXAMPLE)


async def _start_of_body(response: httpx.Response) -> bytes:
    """The first bytes of the body as they were sent; servers that know no ranges are cut off early."""
    start = b""
    # An async transport always gives an async stream; httpx's types leave both open.
    async for chunk in cast(httpx.AsyncByteStream, response.stream):
        start += chunk[:_MAX_BODY_BYTES]
        if len(start) >= len(_ZIP_START):
            break
    return start


def _refused(message: str) -> InvalidRequestError:
    return InvalidRequestError([FieldError("training_images_url", message)])
