"""Sends webhooks to URLs that callers gave."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import httpx

from app.services.safe_fetch.public_urls import (
    PublicUrls,
    RefusedUrlError,
    Resolver,
    TransportFactory,
    parsed,
    shown,
)

_DEADLINE = timedelta(seconds=15)
_CHECK_DEADLINE = timedelta(seconds=5)
_EXAMPLE = "https://host/webhooks"
_HEADERS = {"Accept": "*/*", "Content-Type": "application/json", "User-Agent": "fluxgate"}


class Poster:
    """Posts JSON to public URLs; `allow_private` lets private and loopback addresses through."""

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

    async def check(self, url: str) -> None:
        """Raise `RefusedUrlError` unless a webhook may be sent to `url` as its name is resolved now."""
        try:
            async with asyncio.timeout(_CHECK_DEADLINE.total_seconds()):
                await self._urls.addresses(parsed(url, example=_EXAMPLE))
        except TimeoutError as exc:
            raise RefusedUrlError(f"The host of {shown(url)} could not be looked up in time.") from exc

    async def post(self, url: str, body: str, headers: Mapping[str, str]) -> int:
        """The status that `url` answers with; nothing else of the answer is read, redirects least of all.

        The name is resolved and checked anew. Raises `RefusedUrlError` if there is no answer.
        """
        try:
            async with asyncio.timeout(self._deadline.total_seconds()):
                return await self._urls.ask(
                    "POST",
                    parsed(url, example=_EXAMPLE),
                    headers={**_HEADERS, **headers},
                    body=body.encode(),
                    read=_status,
                )
        except TimeoutError as exc:
            raise RefusedUrlError(
                f"{shown(url)} gave no answer within {self._deadline.total_seconds():g} seconds."
            ) from exc


async def _status(response: httpx.Response) -> int:
    return response.status_code


def receiver_of(url: str) -> str:
    """Who receives at `url`: the URL without its query and fragment. Raises `RefusedUrlError`."""
    receiver = parsed(url, example=_EXAMPLE).copy_with(query=None, fragment=None)
    # An empty path is asked for as "/".
    return f"{str(receiver).rstrip('/')}/" if receiver.path == "/" else str(receiver)
