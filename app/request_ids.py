"""One id per request: the caller's own or a new one, in every answer and at hand for every log line."""

import random
import re
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the request being served; tasks started for it see it too."""

# What a header can carry safely into logs and back out again.
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_HEADER = b"x-request-id"


class RequestIds:
    """ASGI middleware that gives each request its id, as `state.request_id` and `X-Request-ID`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given(scope["headers"]) or f"{random.getrandbits(96):024x}"
        # A new dict: some servers hand the same one to every request.
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        REQUEST_ID.set(request_id)
        header = (_HEADER, request_id.encode("ascii"))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        await self._app(scope, receive, send_with_id)


def _given(headers: list[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == _HEADER:
            return value.decode("ascii") if _SANE.fullmatch(value) else None
    return None
