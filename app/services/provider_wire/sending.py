"""One request over a transport, past the client, which would look for cookies, redirects and credentials."""

import asyncio

import httpx

from app.services.provider_wire.faults import TransportFault
from app.services.provider_wire.time_limits import CallLimit


async def send_once(
    transport: httpx.AsyncBaseTransport, request: httpx.Request, limit: CallLimit
) -> httpx.Response:
    """The whole answer, whatever its status; raises `TransportFault` where none came within `limit`."""
    request.extensions["timeout"] = limit.timeout.as_dict()
    try:
        async with asyncio.timeout(limit.total_seconds):
            response = await transport.handle_async_request(request)
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
            return response
    except Exception as exc:
        # Whatever it was, even a mistake of ours: the request may have left.
        raise TransportFault(exc) from exc
