"""What each request leaves behind: a line in the log, and numbers for `/metrics`."""

import logging
from time import perf_counter
from typing import Protocol

from opentelemetry import trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.request_ids import REQUEST_ID

ACCESS_LOGGER = "app.access"

NO_ROUTE = "-"
"""Stands for every address that leads nowhere: what callers make up must not become a label."""

NO_ANSWER = 499
"""What nginx logs, too, for a caller who left before there was an answer."""

_FAILED = 500
_PROBES = frozenset({"/ping", "/health", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

logger = logging.getLogger(ACCESS_LOGGER)


class RequestNumbers(Protocol):
    """Keeps count of requests."""

    def request_served(self, method: str, route: str, status: int, seconds: float, size: int) -> None:
        """One more; `size` is how many bytes of body were sent."""
        ...


class ObservedRequests:
    """ASGI middleware that counts, times and logs; it belongs inside the one that gives out ids."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, size = NO_ANSWER, 0

        async def watched_send(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            elif message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        # FastAPI begins a span for every request, if at all.
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attribute("fluxgate.request_id", REQUEST_ID.get())
        began = perf_counter()
        try:
            await self._app(scope, receive, watched_send)
        except Exception:
            # Answered outside all middleware.
            status = _FAILED
            raise
        finally:
            _record(scope, status, perf_counter() - began, size)


def _record(scope: Scope, status: int, seconds: float, size: int) -> None:
    method = scope["method"]
    if method not in _METHODS:
        method = "OTHER"
    route = getattr(scope.get("route"), "path_format", NO_ROUTE)
    numbers: RequestNumbers | None = scope["state"].get("metrics")
    if numbers is not None:
        numbers.request_served(method, route, status, seconds, size)
    level = logging.DEBUG if route in _PROBES and status < _FAILED else logging.INFO
    if not logger.isEnabledFor(level):
        return
    milliseconds = round(seconds * 1000, 1)
    # Made by hand: looking for the calling line would cost more than all the rest.
    record = logging.LogRecord(
        ACCESS_LOGGER, level, "", 0, "%s %s %s %s ms", (method, route, status, milliseconds), None
    )
    record.facts = {"method": method, "route": route, "status": status, "milliseconds": milliseconds}
    logger.handle(record)
