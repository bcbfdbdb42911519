"""Looks at the URL of a training set before it is passed on: does it lead to a zip?"""

import asyncio
from datetime import timedelta
from typing import cast

import httpx

from app.errors import FieldError, InvalidRequestError
from app.services.safe_fetch.public_urls import (
    PublicUrls,
    RefusedUrlError,
    Resolver,
    TransportFactory,
    parsed,
    shown,
)

_DEADLINE = timedelta(seconds=15)
_MAX_REDIRECTS = 5
_MAX_BODY_BYTES = 64 * 1024
_ZIP_START = b"PK\x03\x04"
_EMPTY_ZIP_START = b"PK\x05\x06"
_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Range": f"bytes=0-{len(_ZIP_START) - 1}",
    "User-Agent": "fluxgate",
}
_EXAMPLE = "https://host/set.zip"
_LINK_ADVICE = "File-sharing sites such as tmpfiles.org need their direct link, with /dl/ in the path."


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
        try:
            async with asyncio.timeout(self._deadline.total_seconds()):
                await self._follow(parsed(url, example=_EXAMPLE))
        except RefusedUrlError as exc:
            raise _refused(str(exc)) from exc
        except TimeoutError as exc:
            raise _refused(
                f"{shown(url)} gave no answer within {self._deadline.total_seconds():g} seconds."
            ) from exc

    async def _follow(self, url: httpx.URL) -> None:
        """Ask `url`, and whatever it redirects to, until an answer settles the matter."""
        for _ in range(_MAX_REDIRECTS + 1):
            target = await self._ask(url)
            if target is None:
                return
            url = target
        raise RefusedUrlError(
            f"{shown(url)} comes after more than {_MAX_REDIRECTS} redirects. Give the final address."
        )

    async def _ask(self, url: httpx.URL) -> httpx.URL | None:
        """One request. The target of a redirect, or None for a zip."""

        async def read(response: httpx.Response) -> httpx.URL | None:
            return await _judged(response, url)

        return await self._urls.ask("GET", url, headers=_HEADERS, read=read)


async def _judged(response: httpx.Response, url: httpx.URL) -> httpx.URL | None:
    """Where the response sends us, or None when it is the beginning of a zip."""
    if response.has_redirect_location:
        return _redirected(url, response.headers["Location"])
    if response.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        raise RefusedUrlError(
            f"{shown(url)} answers with status {response.status_code}. "
            "Give a URL that can be read without signing in."
        )
    start = await _start_of_body(response)
    if start.startswith(_ZIP_START):
        return None
    if start.startswith(_EMPTY_ZIP_START):
        raise RefusedUrlError(f"{shown(url)} is an empty zip. Give a zip of pictures.")
    if not start:
        raise RefusedUrlError(f"{shown(url)} is an empty file. Give the URL of a zip of pictures.")
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml") or start.lstrip()[:1] == b"<":
        raise RefusedUrlError(f"{shown(url)} is a web page, not a zip. {_LINK_ADVICE}")
    raise RefusedUrlError(f"{shown(url)} is not a zip: it does not begin with the bytes 'PK'.")


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
