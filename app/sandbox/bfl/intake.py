"""Requests on their way in: who sent them, what they order, and what is to go wrong with it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from app.sandbox.bfl.orders import Order
from app.sandbox.bfl.refusals import (
    RefusalError,
    invalid,
    invalid_body,
    no_credits,
    not_authenticated,
    too_many_tasks,
)
from app.sandbox.bfl.task_store import MOST_ACTIVE
from app.sandbox.database import count
from app.sandbox.faults import Fault, words_in
from app.sandbox.problems import edge_page
from app.sandbox.sandbox import sandbox_of
from app.sandbox.validation import strict_json

WRONG_KEY = "bfl_invalid"
"""The beginning of keys that are refused, for tests."""

Endpoint = Callable[[Request], Awaitable[Response]]
Checked = TypeVar("Checked", bound=BaseModel)
Ordered = TypeVar("Ordered", bound=Order)


def with_key(endpoint: Endpoint) -> Endpoint:
    """The same for callers with a key only."""

    async def guarded(request: Request) -> Response:
        key = request.headers.get("x-key", "").strip()
        if not key or key.startswith(WRONG_KEY):
            raise not_authenticated()
        return await endpoint(request)

    return guarded


async def read_order(request: Request, schema: type[Ordered]) -> Ordered:
    """The order in a request's body, which is counted whatever becomes of it; 422 for what is none."""
    sandbox = sandbox_of(request)
    await sandbox.database.write(lambda connection: count(connection, "bfl_creates_received"))
    order = await asyncio.to_thread(check, schema, await json_body(request))
    url = order.webhook_url
    if url is not None and url.scheme != "https" and not sandbox.webhook_rules.allow_http:
        raise invalid(("body", "webhook_url"), "url_scheme", "URL scheme should be 'https'", str(url))
    return order


async def json_body(request: Request) -> object:
    """The request's body; a text when it does not say that it is JSON, which no schema takes."""
    content = await request.body()
    if not content:
        raise invalid(("body",), "missing", "Field required", None)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return content.decode(errors="replace")
    try:
        return await asyncio.to_thread(strict_json, content)
    except (ValueError, RecursionError) as exc:
        position, reason = (exc.pos, exc.msg) if isinstance(exc, json.JSONDecodeError) else (0, str(exc))
        raise invalid(("body", position), "json_invalid", "JSON decode error", {}, reason) from exc


def check(schema: type[Checked], body: object) -> Checked:
    """The body as that schema has it; 422 when it does not fit.  Blocks for as long as large bodies take."""
    try:
        # So that whatever is no object is refused in FastAPI's words.
        return schema.model_validate(body, from_attributes=True)
    except ValidationError as exc:
        raise invalid_body(exc) from exc


async def admit(request: Request, target: str, order: Order, texts: Mapping[str, object]) -> frozenset[Fault]:
    """The faults in `texts` that are due this time, if they leave anything to be created."""
    wanted, unknown = words_in(texts)
    for word in unknown:
        raise invalid(("body", word.field), "value_error", word.description, texts[word.field])
    due = await sandbox_of(request).intake.due(wanted, ("bfl", target), order.model_dump(mode="json"))
    if Fault.NO_CREDIT in due:
        raise no_credits()
    if Fault.THROTTLED in due:
        raise too_many_tasks(MOST_ACTIVE)
    if Fault.SERVER_ERROR in due:
        raise RefusalError(500, "Internal Server Error")
    if Fault.BAD_GATEWAY in due:
        raise edge_page(502, "502 Bad Gateway")
    if Fault.HTML in due:
        raise edge_page(200, "Checking your browser before accessing api.bfl.ai")
    return due
