"""`/account`, `/hardware` and `/webhooks`: facts about the account and its surroundings."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.sandbox.hardware import SKUS
from app.sandbox.sandbox import sandbox_of


async def account(request: Request) -> Response:
    """GET /account"""
    name = sandbox_of(request).account
    return JSONResponse(
        {
            "type": "organization",
            "username": name,
            "name": name.title(),
            "avatar_url": None,
            "github_url": None,
        }
    )


async def hardware(request: Request) -> Response:
    """GET /hardware"""
    return JSONResponse([{"sku": sku, "name": name} for sku, name in SKUS.items()])


async def webhook_secret(request: Request) -> Response:
    """GET /webhooks/default/secret"""
    return JSONResponse({"key": await sandbox_of(request).postman.secret()})


ROUTES = [
    Route("/account", account, methods=["GET"]),
    Route("/hardware", hardware, methods=["GET"]),
    Route("/webhooks/default/secret", webhook_secret, methods=["GET"]),
]
