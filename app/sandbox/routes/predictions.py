"""`/predictions`, and the two other places where predictions are created."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.sandbox.catalogue import Model, Version
from app.sandbox.faults import LOST_ANSWER_SECONDS, Fault
from app.sandbox.input_schema import JSONObject
from app.sandbox.paging import Cursor, page
from app.sandbox.planning import plan_prediction
from app.sandbox.preferences import cancel_after_seconds, wait_seconds
from app.sandbox.problems import ProblemError, edge_page, no_such_version, not_found
from app.sandbox.rendering import Form
from app.sandbox.run_store import fresh_id, fresh_token
from app.sandbox.runs import Asked, Run, RunKind, Status, standing
from app.sandbox.sandbox import Sandbox, sandbox_of
from app.sandbox.validation import WebhookRules, check_input, check_members, json_object, refuse

_MODEL = re.compile(r"[^/:]+/[^/:]+")
_VERSION = re.compile(r"(?:(?P<model>[^/:]+/[^/:]+):)?(?P<id>[0-9a-f]{64})")
_OPTIONAL: Mapping[str, type] = {**WebhookRules.MEMBERS, "stream": bool}


async def create(request: Request) -> Response:
    """POST /predictions"""
    sandbox = sandbox_of(request)
    body = await _body(request, {"version": str, "input": dict})
    version, shown = await _named_version(sandbox, str(body["version"]))
    return await _create(request, body, version, shown=shown)


async def create_with_model(request: Request) -> Response:
    """POST /models/{owner}/{name}/predictions"""
    sandbox = sandbox_of(request)
    model = await sandbox.models.get(request.path_params["owner"], request.path_params["name"])
    if not model.official or model.version is None:
        raise not_found()
    body = await _body(request, {"input": dict})
    return await _create(request, body, model.version, shown="hidden")


async def create_with_deployment(request: Request) -> Response:
    """POST /deployments/{owner}/{name}/predictions"""
    sandbox = sandbox_of(request)
    deployment = await sandbox.deployments.get(request.path_params["owner"], request.path_params["name"])
    body = await _body(request, {"input": dict})
    version = await sandbox.models.version(deployment.version)
    if version is None:
        raise no_such_version()
    name = f"{deployment.owner}/{deployment.name}"
    return await _create(request, body, version, shown=version.id, deployment=name)


async def get(request: Request) -> Response:
    """GET /predictions/{id}"""
    sandbox = sandbox_of(request)
    run = await sandbox.runner.get(request.path_params["id"], RunKind.PREDICTION)
    return JSONResponse(sandbox.renderer.show(run, sandbox.clock.now()))


async def cancel(request: Request) -> Response:
    """POST /predictions/{id}/cancel"""
    sandbox = sandbox_of(request)
    run = await sandbox.runner.cancel(request.path_params["id"], RunKind.PREDICTION)
    sandbox.postman.wake()
    return JSONResponse(sandbox.renderer.show(run, sandbox.clock.now()))


async def listing(request: Request) -> Response:
    """GET /predictions"""
    sandbox = sandbox_of(request)
    created_after, created_before = (_moment(request, name) for name in ("created_after", "created_before"))
    source = request.query_params.get("source")
    if source not in (None, "web"):
        raise ProblemError(400, f"source must be web, not {source!r}.", title="Bad request")

    async def fetch(limit: int, cursor: Cursor) -> list[tuple[int, Run]]:
        if source == "web":
            return []  # nothing is made on a website here
        return await sandbox.runner.newest(
            RunKind.PREDICTION,
            limit,
            before=cursor.before,
            after=cursor.after,
            created_after=created_after,
            created_before=created_before,
        )

    now = sandbox.clock.now()
    found = await page(
        request,
        f"{sandbox.addresses.api_url}/predictions",
        fetch,
        lambda run: sandbox.renderer.show(run, now, Form.LISTED),
    )
    return JSONResponse(found)


async def _body(request: Request, required: Mapping[str, type]) -> JSONObject:
    sandbox = sandbox_of(request)
    await sandbox.intake.received()
    sandbox.throttle.admit()
    body = await json_object(request)
    refuse(check_members(body, required=required, optional=_OPTIONAL) + sandbox.webhook_rules.check(body))
    return body


async def _named_version(sandbox: Sandbox, text: str) -> tuple[Version, str]:
    """The version that `version` names, and how predictions made with it show it."""
    await sandbox.runner.settle_all()  # a training may have made it just now
    if _MODEL.fullmatch(text):
        # Only official models can be run by their name alone.
        model = await _model(sandbox, text)
        if not model.official or model.version is None:
            raise no_such_version()
        return model.version, "hidden"
    found = _VERSION.fullmatch(text)
    version = None if found is None else await sandbox.models.version(found["id"])
    if found is None or version is None or version.template.trains:
        raise no_such_version()
    if found["model"] not in (None, version.model):
        raise no_such_version()
    model = await _model(sandbox, version.model)
    return version, "hidden" if model.official else version.id


async def _model(sandbox: Sandbox, full_name: str) -> Model:
    try:
        return await sandbox.models.get(*full_name.split("/"))
    except ProblemError as exc:
        raise no_such_version() from exc


async def _create(
    request: Request, body: JSONObject, version: Version, *, shown: str, deployment: str | None = None
) -> Response:
    sandbox = sandbox_of(request)
    given = dict(body["input"]) if isinstance(body["input"], dict) else {}
    refuse(await check_input(version.template, given))
    wait = wait_seconds(request.headers.get("prefer"))
    cancel_after = cancel_after_seconds(request.headers.get("cancel-after"))
    due = await sandbox.intake.admit((version.id,), given, {"prompt": given["prompt"]})
    webhook, events = sandbox.webhook_rules.wanted(body)
    styled = version.id if version.style is not None else None
    plan = plan_prediction(version.template, given, sandbox.pace, due, style_version=styled)
    run = Run(
        id=fresh_id(),
        token=fresh_token(),
        kind=RunKind.PREDICTION,
        model=version.model,
        created=sandbox.clock.now(),
        asked=Asked(
            version=shown,
            input=given,
            deployment=deployment,
            webhook=webhook,
            events=events,
            cancel_after=cancel_after,
        ),
        plan=plan,
        settled=plan.pictures is None or plan.pictures.shape_from is None,
    )
    await sandbox.accept(run)
    if Fault.BAD_GATEWAY_AFTER in due:
        raise edge_page(502, "502 Bad Gateway")
    if Fault.LOST_ANSWER in due:
        await sandbox.pause(request, LOST_ANSWER_SECONDS)
    if wait is None:
        return JSONResponse(sandbox.renderer.show(run, sandbox.clock.now(), Form.CREATED), 201)
    return await _waited(request, run, wait)


async def _waited(request: Request, run: Run, seconds: int) -> Response:
    """The answer to a create that waits: with the outputs, with a failure, or with neither so far."""
    sandbox = sandbox_of(request)
    run = await sandbox.runner.wait(run, seconds, lambda pause: sandbox.pause(request, pause))
    now = sandbox.clock.now()
    status = standing(run, now).status
    headers = {"preference-applied": f"wait={seconds}"}
    if not status.final:
        headers["location"] = sandbox.addresses.run(run)
        return JSONResponse(sandbox.renderer.show(run, now), 202, headers)
    shown = sandbox.renderer.show(run, now, Form.READY if status is Status.SUCCEEDED else Form.FULL)
    pictures = run.plan.pictures
    if pictures is not None and pictures.as_data and status is Status.SUCCEEDED:
        data = await sandbox.downloads.as_data(run)
        shown["output"] = data[0] if pictures.single else data
    return JSONResponse(shown, 201, headers)


def _moment(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        detail = f"{name} must be an ISO 8601 date and time, not {text!r}."
        raise ProblemError(400, detail, title="Bad request") from exc
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


ROUTES = [
    Route("/predictions", listing, methods=["GET"]),
    Route("/predictions", create, methods=["POST"]),
    Route("/predictions/{id}", get, methods=["GET"]),
    Route("/predictions/{id}/cancel", cancel, methods=["POST"]),
    Route("/models/{owner}/{name}/predictions", create_with_model, methods=["POST"]),
    Route("/deployments/{owner}/{name}/predictions", create_with_deployment, methods=["POST"]),
]
