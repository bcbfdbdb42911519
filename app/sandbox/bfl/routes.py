"""BFL's routes: orders, results, credits, fine-tunes, and the store of what was made."""

from functools import partial
from urllib.parse import parse_qs

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app.sandbox.bfl import results
from app.sandbox.bfl.addresses import API_PATH, BflAddresses
from app.sandbox.bfl.catalogue import ENDPOINTS, Endpoint
from app.sandbox.bfl.finetuning import FinetuneOrder
from app.sandbox.bfl.intake import admit, check, json_body, read_order, with_key
from app.sandbox.bfl.refusals import invalid, signature_not_valid
from app.sandbox.bfl.tasks import Sample, Status, Task
from app.sandbox.database import count
from app.sandbox.faults import LOST_ANSWER_SECONDS, Fault
from app.sandbox.input_schema import JSONObject
from app.sandbox.partial_content import HalfResponse, ranged
from app.sandbox.problems import edge_page
from app.sandbox.sandbox import sandbox_of


async def generate(request: Request, endpoint: Endpoint) -> Response:
    """POST /v1/{endpoint}"""
    bfl = sandbox_of(request).bfl
    order = await read_order(request, endpoint.schema)
    texts = order.model_dump(include={"prompt"})
    due = await admit(request, endpoint.name, order, texts)
    task = await bfl.generate(endpoint, order, due, request.url.hostname)
    return await _answered(request, task, results.accepted(task, endpoint.cost, bfl.addresses))


async def finetune(request: Request) -> Response:
    """POST /v1/finetune"""
    order = await read_order(request, FinetuneOrder)
    texts = order.model_dump(include={"trigger_word", "finetune_comment"})
    due = await admit(request, "finetune", order, texts)
    task = await sandbox_of(request).bfl.train(order, due, request.url.hostname)
    # Clients disagree about the name of its id.
    return await _answered(request, task, {"id": task.id, "finetune_id": task.id, "status": Status.PENDING})


async def get_result(request: Request) -> Response:
    """GET /v1/get_result?id="""
    sandbox = sandbox_of(request)
    task_id = _query(request, "id")
    task = await sandbox.bfl.look(task_id, request.url.hostname)
    if task is None:
        return JSONResponse(results.missing(task_id), 404)
    shown = results.show(task, sandbox.clock.now(), sandbox.bfl.addresses)
    broken = shown["status"] == Status.ERROR and Fault.FAILED_UNAVAILABLE in task.plan.faults
    return JSONResponse(shown, 503 if broken else 200)


async def account_credits(request: Request) -> Response:
    """GET /v1/credits"""
    return JSONResponse({"credits": await sandbox_of(request).bfl.credits()})


async def my_finetunes(request: Request) -> Response:
    """GET /v1/my_finetunes"""
    found = await sandbox_of(request).bfl.finetunes()
    return JSONResponse({"finetunes": [finetune.id for finetune in found]})


async def finetune_details(request: Request) -> Response:
    """GET /v1/finetune_details?finetune_id="""
    found = await sandbox_of(request).bfl.finetune(_query(request, "finetune_id"))
    return JSONResponse({"finetune_details": found.details})


async def delete_finetune(request: Request) -> Response:
    """POST /v1/delete_finetune"""
    sandbox = sandbox_of(request)
    named = check(_NamedFinetune, await json_body(request))
    await sandbox.bfl.delete_finetune(named.finetune_id)
    return JSONResponse(
        {
            "status": "success",
            "message": "Finetune deleted",
            "deleted_finetune_id": named.finetune_id,
            "timestamp": sandbox.clock.now().isoformat(),
        }
    )


async def sample(request: Request) -> Response:
    """GET /results/{id}/{name}: the picture, for whoever has its signed address."""
    sandbox = sandbox_of(request)
    task, made = await _signed(request)
    if "x-key" in request.headers:
        await sandbox.database.write(lambda connection: count(connection, "bfl_keys_leaked"))
    response = ranged(request, await sandbox.bfl.draw(made), f"image/{made.output_format}", {})
    if request.method == "GET":
        await sandbox.database.write(lambda connection: count(connection, "bfl_downloads"))
        times = await sandbox.database.write(lambda connection: count(connection, f"bfl-sample:{task.id}"))
        if times == 1 and Fault.TRUNCATED in task.plan.faults:
            return HalfResponse(response)
    return response


class _NamedFinetune(BaseModel):
    finetune_id: str


async def _answered(request: Request, task: Task, shown: JSONObject) -> Response:
    """The answer to a create that was accepted, unless it gets lost."""
    if Fault.BAD_GATEWAY_AFTER in task.plan.faults:
        raise edge_page(502, "502 Bad Gateway")
    if Fault.LOST_ANSWER in task.plan.faults:
        await sandbox_of(request).pause(request, LOST_ANSWER_SECONDS)
    return JSONResponse(shown)


async def _signed(request: Request) -> tuple[Task, Sample]:
    """The task at an address as it was handed out, and what it made; 403 for any other."""
    bfl, now = sandbox_of(request).bfl, sandbox_of(request).clock.now()
    task = await bfl.task(request.path_params["id"])
    if task is None or task.plan.sample is None or task.plan.course.outcome is not Status.READY:
        raise signature_not_valid()
    expires = results.expiry(task)
    path, _, query = bfl.addresses.sample(task, task.plan.sample, expires).partition("?")
    same = path.endswith(f"/{request.path_params['name']}") and parse_qs(query) == parse_qs(request.url.query)
    if not same or not task.ends <= now < expires:
        raise signature_not_valid()
    return task, task.plan.sample


def _query(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if value is None:
        raise invalid(("query", name), "missing", "Field required", None)
    return value


def api_routes() -> list[BaseRoute]:
    """The API, whose paths are none of Replicate's."""
    orders = [
        (name, "POST", with_key(partial(generate, endpoint=endpoint))) for name, endpoint in ENDPOINTS.items()
    ]
    others = [
        ("get_result", "GET", get_result),
        ("credits", "GET", with_key(account_credits)),
        ("finetune", "POST", with_key(finetune)),
        ("my_finetunes", "GET", with_key(my_finetunes)),
        ("finetune_details", "GET", with_key(finetune_details)),
        ("delete_finetune", "POST", with_key(delete_finetune)),
    ]
    return [
        Route(f"{API_PATH}/{name}", endpoint, methods=[method]) for name, method, endpoint in orders + others
    ]


def delivery_routes(addresses: BflAddresses) -> list[BaseRoute]:
    """The store of results, which wants no key."""
    return [Route(f"{addresses.delivery_path}/results/{{id}}/{{name}}", sample, methods=["GET"])]
