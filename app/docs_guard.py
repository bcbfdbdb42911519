"""A guard for `/docs`, `/redoc` and `/openapi.json`, which the framework adds without our dependencies."""

from typing import cast

from fastapi import FastAPI
from starlette.requests import HTTPConnection
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.services.access import Access


def guard_docs(app: FastAPI) -> None:
    """Put a guard before every page that is there so far: call this before routers are included."""
    for route in app.routes:
        if isinstance(route, Route):
            route.app = _DocsGuard(route.app)


class _DocsGuard:
    """Passes those on who may read the documentation; the others are turned away by `Access`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        access = cast(Access, connection.state.access)
        peer = connection.client
        await access.check_for_docs(peer.host if peer else None, connection.headers)
        await self._app(scope, receive, send)
