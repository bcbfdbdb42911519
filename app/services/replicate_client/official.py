"""The official `replicate` package, used for what it does well: addresses, headers, sending.

Left aside is what costs: its repeated POSTs (Replicate has no idempotency keys, so a repeated create is
paid twice), its pydantic objects (630 us of CPU per create instead of 480 us), and for creates, of which
there is one for every generation, its way of building requests (another 200 us).
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import httpx
from pydantic_core import to_json

from app.models import JsonValue
from app.services.provider_wire.answers import Answer
from app.services.provider_wire.faults import TransportFault
from app.services.provider_wire.sending import Outgoing, send_once
from app.services.provider_wire.time_limits import CallLimit

if TYPE_CHECKING:
    from replicate import AsyncReplicate


_TAKEN = {"Accept-Encoding": "gzip, deflate"}


class OfficialApi:
    """Sends one request at a time to Replicate; every status is an answer."""

    def __init__(
        self, *, http: httpx.AsyncClient, transport: httpx.AsyncBaseTransport, token: str, base_url: str
    ) -> None:
        """`transport` is the one beneath `http`."""
        self._http = http
        self._transport = transport
        self._token = token
        self._base_url = base_url
        self._api: AsyncReplicate | None = None
        self._headers: dict[str, str] = {}
        self._loading = asyncio.Lock()

    async def send(
        self,
        method: str,
        path: str,
        *,
        limit: CallLimit,
        body: Mapping[str, JsonValue] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer, whatever its status; raises `TransportFault` where none came within `limit`."""
        api = self._api or await self._load()
        # Loaded by now; the package takes 0.4 s to import, which nobody should pay for `import app.main`.
        from replicate import APIConnectionError, APIStatusError

        try:
            async with asyncio.timeout(limit.total_seconds):
                if method == "GET":
                    return await api.get(
                        path,
                        cast_to=httpx.Response,
                        options={"params": query or {}, "headers": headers or {}, "timeout": limit.timeout},
                    )
                return await api.post(
                    path,
                    cast_to=httpx.Response,
                    body=body,
                    options={"headers": headers or {}, "timeout": limit.timeout},
                )
        except TimeoutError as exc:
            raise TransportFault(exc) from exc
        except APIStatusError as exc:
            return exc.response
        except APIConnectionError as exc:
            raise TransportFault(exc.__cause__ or exc) from exc.__cause__

    async def create(
        self, path: str, *, limit: CallLimit, body: Mapping[str, JsonValue], headers: Mapping[str, str]
    ) -> Answer:
        """The answer to a POST that is sent once, with the package's headers and past its machinery."""
        if self._api is None:
            await self._load()
        outgoing = Outgoing(
            "POST",
            f"{self._base_url.rstrip('/')}{path}",
            headers={**self._headers, **_TAKEN, **headers},
            content=to_json(body),
        )
        return await send_once(self._transport, outgoing, limit)

    async def _load(self) -> "AsyncReplicate":
        async with self._loading:
            if self._api is None:
                self._api = await asyncio.to_thread(self._build)
            return self._api

    def _build(self) -> "AsyncReplicate":
        from replicate import AsyncReplicate

        # At DEBUG the package logs whole request bodies, and a training's body holds other people's tokens.
        logger = logging.getLogger("replicate")
        logger.setLevel(max(logger.level, logging.INFO))
        api = AsyncReplicate(
            bearer_token=self._token, base_url=self._base_url, max_retries=0, http_client=self._http
        )
        self._headers = {name: value for name, value in api.default_headers.items() if isinstance(value, str)}
        return api
