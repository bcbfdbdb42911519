"""Lets browsers on other origins call, where the settings say so."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send


class CrossOrigin:
    """CORS for the origins in the lifespan's state (`origins`); settings are not known any earlier."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._guarded: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origins = scope.get("state", {}).get("origins") if scope["type"] == "http" else None
        if not origins:
            await self._app(scope, receive, send)
            return
        if self._guarded is None:
            self._guarded = CORSMiddleware(
                self._app,
                allow_origins=origins,
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=["Location", "X-Request-ID", "Retry-After", "ETag"],
            )
        await self._guarded(scope, receive, send)
