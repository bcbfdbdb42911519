"""`/trainings`, and where they are created."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.sandbox.faults import LOST_ANSWER_SECONDS, Fault
from app.sandbox.paging import Cursor, page
from app.sandbox.problems import ProblemError, edge_page
from app.sandbox.rendering import Form
from app.sandbox.run_store import fresh_id, fresh_token
from app.sandbox.runs import Asked, Run, RunKind
from app.sandbox.sandbox import Sandbox, sandbox_of
from app.sandbox.training_plan import plan_training
from app.sandbox.validation import WebhookRules, check_input, check_members, json_object, refuse

_REQUIRED: Mapping[str, type] = {"destination": str, "input": dict}


async def create(request: Request) -> Response:
    """POST /models/{owner}/{name}/versions/{version}/trainings"""
    sandbox = sandbox_of(request)
    await sandbox.intake.received()
    sandbox.throttle.admit()
    path = request.path_params
    version = await sandbox.models.version_of(path["owner"], path["name"], path["version"])
    body = await json_object(request)
    wrong = check_members(body, required=_REQUIRED, optional=WebhookRules.MEMBERS)
    refuse(wrong + sandbox.webhook_rules.check(body))
    if not version.template.trains:
        detail = f"{version.model} cannot be trained; its versions have no TrainingInput."
        raise ProblemError(422, detail, title="Invalid version or not permitted")
    given = dict(body["input"]) if isinstance(body["input"], dict) else {}
    refuse(await check_input(version.template, given))
    destination = str(body["destination"])
    await _check_destination(sandbox, destination)
    addresses = {field.name for field in version.template.fields if field.uri}
    texts = {name: value for name, value in given.items() if name not in addresses}
    due = await sandbox.intake.admit((version.id, destination), given, texts)
    webhook, events = sandbox.webhook_rules.wanted(body)
    run_id = fresh_id()
    run = Run(
        id=run_id,
        token=fresh_token(),
        kind=RunKind.TRAINING,
        model=version.model,
        created=sandbox.clock.now(),
        asked=Asked(
            version=version.id,
            input=given,
            destination=destination,
            webhook=webhook,
            events=events,
        ),
        plan=plan_training(version.template, given, run_id, sandbox.pace, due),
        settled=Fault.ABORTED in due,
    )
    await sandbox.accept(run)
    if Fault.BAD_GATEWAY_AFTER in due:
        raise edge_page(502, "502 Bad Gateway")
    if Fault.LOST_ANSWER in due:
        await sandbox.pause(request, LOST_ANSWER_SECONDS)
    return JSONResponse(sandbox.renderer.show(run, sandbox.clock.now(), Form.CREATED), 201)


async def get(request: Request) -> Response:
    """GET /trainings/{id}"""
    sandbox = sandbox_of(request)
    run = await sandbox.runner.get(request.path_params["id"], RunKind.TRAINING)
    return JSONResponse(sandbox.renderer.show(run, sandbox.clock.now()))


async def cancel(request: Request) -> Response:
    """POST /trainings/{id}/cancel"""
    sandbox = sandbox_of(request)
    run = await sandbox.runner.cancel(request.path_params["id"], RunKind.TRAINING)
    sandbox.postman.wake()
    return JSONResponse(sandbox.renderer.show(run, sandbox.clock.now()))


async def listing(request: Request) -> Response:
    """GET /trainings"""
    sandbox = sandbox_of(request)

    async def fetch(limit: int, cursor: Cursor) -> list[tuple[int, Run]]:
        return await sandbox.runner.newest(RunKind.TRAINING, limit, before=cursor.before, after=cursor.after)

    now = sandbox.clock.now()
    found = await page(
        request,
        f"{sandbox.addresses.api_url}/trainings",
        fetch,
        lambda run: sandbox.renderer.show(run, now, Form.LISTED),
    )
    return JSONResponse(found)


async def _check_destination(sandbox: Sandbox, destination: str) -> None:
    owner, _, name = destination.partition("/")
    missing = ProblemError(404, "The specified training destination does not exist")
    if owner != sandbox.account:
        raise missing
    try:
        await sandbox.models.get(owner, name)
    except ProblemError as exc:
        raise missing from exc


ROUTES = [
    Route("/trainings", listing, methods=["GET"]),
    Route("/trainings/{id}", get, methods=["GET"]),
    Route("/trainings/{id}/cancel", cancel, methods=["POST"]),
    Route("/models/{owner}/{name}/versions/{version}/trainings", create, methods=["POST"]),
]
