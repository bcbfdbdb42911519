"""The sandbox as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Host, Mount, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.sandbox.addresses import Addresses
from app.sandbox.bfl import refusals as bfl_refusals
from app.sandbox.bfl import routes as bfl_routes
from app.sandbox.bfl.addresses import DOMAINS, BflAddresses, is_bfl
from app.sandbox.clock import Clock, SystemClock
from app.sandbox.pace import Pace
from app.sandbox.problems import AnswerError, ProblemError, answer, not_found, unauthenticated
from app.sandbox.routes import account as account_routes
from app.sandbox.routes import control, deployments, files, models, predictions, trainings
from app.sandbox.sandbox import Sandbox, sandbox_of

API_URL = "https://api.replicate.com/v1"
OUTPUT_URL = "https://replicate.delivery"
BFL_URL = "https://api.bfl.ai"
BFL_CLUSTER_URL = "https://api.eu2.bfl.ai"
BFL_DELIVERY_URL = "https://delivery-eu1.bfl.ai"
WRONG_TOKEN = "r8_invalid"  # noqa: S105 -- the beginning of tokens that are refused, for tests
_SIGNED = "/download"
_PACE = Pace()


def create_sandbox(
    *,
    directory: Path,
    clock: Clock | None = None,
    api_url: str = API_URL,
    output_url: str = OUTPUT_URL,
    bfl_url: str = BFL_URL,
    bfl_cluster_url: str = BFL_CLUSTER_URL,
    bfl_delivery_url: str = BFL_DELIVERY_URL,
    pace: Pace = _PACE,
    account: str = "sandbox",
    output_ttl: timedelta = timedelta(hours=1),
    allow_http_webhooks: bool = True,
    creates_per_minute: int | None = None,
    http: httpx.AsyncClient | None = None,
) -> Starlette:
    """A small Replicate and a small Black Forest Labs that keep their state under `directory`.

    BFL's addresses come without `/v1`; what is sent to `bfl_url` is known at `bfl_cluster_url`.

    `http` fetches inputs and sends webhooks; the caller closes it.  Without `allow_http_webhooks` a webhook
    has to be https, as at Replicate.  With `creates_per_minute` more creates than that are refused with 429.
    Webhooks are sent while the lifespan lasts, or by `app.state.sandbox.postman.send_due()`.
    """
    addresses = Addresses(api_url.rstrip("/"), output_url.rstrip("/"))
    bfl_addresses = BflAddresses(
        bfl_url.rstrip("/"), bfl_cluster_url.rstrip("/"), bfl_delivery_url.rstrip("/")
    )
    sandbox = Sandbox(
        directory=directory,
        clock=SystemClock() if clock is None else clock,
        addresses=addresses,
        bfl_addresses=bfl_addresses,
        pace=pace,
        account=account,
        output_ttl=output_ttl,
        allow_http_webhooks=allow_http_webhooks,
        creates_per_minute=creates_per_minute,
        http=http,
    )
    app = Starlette(
        routes=[*_bfl_routes(bfl_addresses), *_routes(addresses)],
        exception_handlers={AnswerError: answer, HTTPException: _unknown},
        lifespan=_lifespan,
    )
    app.state.sandbox = sandbox
    return app


def _routes(addresses: Addresses) -> list[BaseRoute]:
    outputs = [Route("/xezq/{token}/{name}", _output, methods=["GET"])]
    api: list[Route] = [
        *account_routes.ROUTES,
        *models.ROUTES,
        *predictions.ROUTES,
        *trainings.ROUTES,
        *files.ROUTES,
        *deployments.ROUTES,
    ]
    host, path = addresses.output_host, addresses.output_path
    router = Router([Mount(path, routes=outputs)])
    return [
        *([] if host is None else [Host(host, router), Host(f"{{subdomain}}.{host}", router)]),
        *([Mount(path, routes=outputs)] if host is None else []),
        Route("/sandbox", control.counts, methods=["GET"]),
        Mount(addresses.api_path, routes=api, middleware=[Middleware(_Gate)]),
    ]


def _bfl_routes(addresses: BflAddresses) -> list[BaseRoute]:
    """BFL's routes: on its own hosts, or in front of Replicate's."""
    routes = [*bfl_routes.api_routes(), *bfl_routes.delivery_routes(addresses)]
    if not addresses.has_hosts:
        return routes
    router = Router(routes)
    return [Host(f"{{host}}.{domain}", router) for domain in DOMAINS]


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    sandbox: Sandbox = app.state.sandbox
    async with sandbox.running():
        yield


async def _output(request: Request) -> Response:
    return await sandbox_of(request).downloads.serve(request)


async def _unknown(request: Request, error: Exception) -> Response:
    """A path or a method that the API does not have."""
    if _speaks_bfl(request):
        return bfl_refusals.of_http(error).response
    if isinstance(error, HTTPException) and error.status_code != 404:
        return ProblemError(error.status_code, f'Method "{request.method}" not allowed.').response
    return not_found().response


class _Gate:
    """Lets requests with a token into the API, and tells everybody about the rate limits."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if not _has_token(request) and not request.url.path.endswith(_SIGNED):
            refusal = bfl_refusals.not_found() if _speaks_bfl(request) else unauthenticated()
            await refusal.response(scope, receive, send)
            return
        create = request.method == "POST" and request.url.path.endswith(("/predictions", "/trainings"))
        throttle = sandbox_of(request).throttle

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(throttle.headers(create=create))
            await send(message)

        await self._app(scope, receive, send_with_limits)


def _speaks_bfl(request: Request) -> bool:
    """Whether a request that is none of BFL's is meant for it nevertheless."""
    return is_bfl(request.url.hostname) or "x-key" in request.headers


def _has_token(request: Request) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    return scheme.lower() in ("bearer", "token") and bool(token) and not token.startswith(WRONG_TOKEN)
