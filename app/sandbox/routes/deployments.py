"""`/deployments`."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.sandbox.clock import wire_time
from app.sandbox.deployments import Deployment
from app.sandbox.hardware import SKUS
from app.sandbox.input_schema import JSONObject
from app.sandbox.paging import fetch_from, page
from app.sandbox.problems import InvalidField, no_such_version
from app.sandbox.sandbox import Sandbox, sandbox_of
from app.sandbox.validation import check_members, check_name, json_object, one_of, refuse

_RELEASE: Mapping[str, type] = {"version": str, "hardware": str, "min_instances": int, "max_instances": int}
_LIMITS = {"min_instances": 5, "max_instances": 20}


async def listing(request: Request) -> Response:
    """GET /deployments"""
    sandbox = sandbox_of(request)
    found = await sandbox.deployments.newest()
    address = f"{sandbox.addresses.api_url}/deployments"
    return JSONResponse(
        await page(request, address, fetch_from(found), lambda deployment: _show(sandbox, deployment))
    )


async def create(request: Request) -> Response:
    """POST /deployments"""
    sandbox = sandbox_of(request)
    body = await json_object(request)
    wrong = check_members(body, required={"name": str, "model": str, **_RELEASE}, optional={})
    refuse(wrong + _release_problems(body) + check_name("name", body.get("name")))
    model, version = str(body["model"]), str(body["version"])
    await _check_version(sandbox, model, version)
    found = await sandbox.deployments.create(
        name=str(body["name"]),
        model=model,
        version=version,
        hardware=str(body["hardware"]),
        min_instances=int(str(body["min_instances"])),
        max_instances=int(str(body["max_instances"])),
    )
    return JSONResponse(_show(sandbox, found), 201)


async def get(request: Request) -> Response:
    """GET /deployments/{owner}/{name}"""
    return JSONResponse(_show(sandbox_of(request), await _deployment(request)))


async def change(request: Request) -> Response:
    """PATCH /deployments/{owner}/{name}"""
    sandbox = sandbox_of(request)
    deployment = await _deployment(request)
    body = await json_object(request)
    refuse(check_members(body, required={}, optional=_RELEASE) + _release_problems(body))
    version, hardware = body.get("version"), body.get("hardware")
    if isinstance(version, str):
        await _check_version(sandbox, deployment.model, version)
    changed = await sandbox.deployments.release(
        deployment,
        version=version if isinstance(version, str) else None,
        hardware=hardware if isinstance(hardware, str) else None,
        min_instances=_number(body, "min_instances"),
        max_instances=_number(body, "max_instances"),
    )
    return JSONResponse(_show(sandbox, changed))


async def delete(request: Request) -> Response:
    """DELETE /deployments/{owner}/{name}"""
    path = request.path_params
    await sandbox_of(request).deployments.delete(path["owner"], path["name"])
    return Response(status_code=204)


def _show(sandbox: Sandbox, deployment: Deployment) -> JSONObject:
    return {
        "owner": deployment.owner,
        "name": deployment.name,
        "current_release": {
            "number": deployment.number,
            "model": deployment.model,
            "version": deployment.version,
            "created_at": wire_time(deployment.released, f"{deployment.name}{deployment.number}"),
            "created_by": {
                "type": "organization",
                "username": sandbox.account,
                "name": sandbox.account.title(),
                "avatar_url": None,
                "github_url": None,
            },
            "configuration": {
                "hardware": deployment.hardware,
                "min_instances": deployment.min_instances,
                "max_instances": deployment.max_instances,
            },
        },
    }


def _number(body: JSONObject, name: str) -> int | None:
    value = body.get(name)
    return value if isinstance(value, int) else None


def _release_problems(body: JSONObject) -> list[InvalidField]:
    wrong = one_of("hardware", body["hardware"], SKUS) if "hardware" in body else []
    for name, limit in _LIMITS.items():
        value = _number(body, name)
        if value is not None and value > limit:
            wrong.append(InvalidField("number_lte", name, f"Must be less than or equal to {limit}"))
        if value is not None and value < 0:
            wrong.append(InvalidField("number_gte", name, "Must be greater than or equal to 0"))
    return wrong


async def _check_version(sandbox: Sandbox, model: str, version_id: str) -> None:
    version = await sandbox.models.version(version_id)
    if version is None or version.model != model or version.template.trains:
        raise no_such_version()


async def _deployment(request: Request) -> Deployment:
    path = request.path_params
    return await sandbox_of(request).deployments.get(path["owner"], path["name"])


ROUTES = [
    Route("/deployments", listing, methods=["GET"]),
    Route("/deployments", create, methods=["POST"]),
    Route("/deployments/{owner}/{name}", get, methods=["GET"]),
    Route("/deployments/{owner}/{name}", change, methods=["PATCH"]),
    Route("/deployments/{owner}/{name}", delete, methods=["DELETE"]),
]
