"""`/models`, their versions, `/search` and `/collections`."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.sandbox.catalogue import Model, Version, openapi_schema
from app.sandbox.clock import wire_time
from app.sandbox.hardware import SKUS
from app.sandbox.input_schema import JSONObject
from app.sandbox.paging import fetch_from, page
from app.sandbox.problems import InvalidField, not_found
from app.sandbox.sandbox import sandbox_of
from app.sandbox.validation import check_members, check_name, json_object, one_of, refuse

_SORTINGS = ("model_created_at", "latest_version_created_at")
_CHANGEABLE: Mapping[str, type] = dict.fromkeys(
    ("description", "readme", "github_url", "paper_url", "license_url", "weights_url"), str
)
_REQUIRED: Mapping[str, type] = dict.fromkeys(("owner", "name", "visibility", "hardware"), str)
_OPTIONAL: Mapping[str, type] = dict.fromkeys(
    ("description", "github_url", "paper_url", "license_url", "cover_image_url"), str
)
_COLLECTIONS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "official": ("Official models", "Models that are always on and have a stable interface.", ()),
    "text-to-image": (
        "Generate images",
        "Models that make images from text.",
        ("flux-schnell", "flux-dev", "flux-1.1-pro", "flux-kontext-pro"),
    ),
    "flux-fine-tuning": ("Train FLUX", "Trainers of FLUX.", ("flux-dev-lora-trainer", "fast-flux-trainer")),
}


def show_version(version: Version) -> JSONObject:
    """A version as JSON."""
    return {
        "id": version.id,
        "created_at": wire_time(version.created, version.id),
        "cog_version": "0.14.4",
        "openapi_schema": openapi_schema(version.template),
    }


def show_model(model: Model, runs: int) -> JSONObject:
    """A model as JSON."""
    return {
        "url": f"https://replicate.com/{model.full_name}",
        "owner": model.owner,
        "name": model.name,
        "description": model.about.get("description"),
        "visibility": "public" if model.public else "private",
        "github_url": model.about.get("github_url"),
        "paper_url": model.about.get("paper_url"),
        "license_url": model.about.get("license_url"),
        "run_count": runs,
        "is_official": model.official,
        "cover_image_url": model.about.get("cover_image_url"),
        "default_example": None,
        "latest_version": None if model.version is None else show_version(model.version),
    }


async def listing(request: Request) -> Response:
    """GET /models"""
    query = request.query_params
    sort_by = query.get("sort_by", "latest_version_created_at")
    direction = query.get("sort_direction", "desc")
    refuse(one_of("sort_by", sort_by, _SORTINGS) + one_of("sort_direction", direction, ("asc", "desc")))
    models = await _public(request)
    if sort_by == "latest_version_created_at":
        models.sort(key=lambda model: model.version.created if model.version else model.created, reverse=True)
    return await _models_page(request, models if direction == "desc" else models[::-1])


async def search(request: Request) -> Response:
    """QUERY /models"""
    # Version 2 of the official client puts the words into quotation marks.
    text = (await request.body()).decode(errors="replace").replace('"', " ")
    return await _models_page(request, _matching(await _public(request), text))


async def search_everything(request: Request) -> Response:
    """GET /search"""
    text, limit = request.query_params.get("query"), request.query_params.get("limit", "20")
    if text is None:
        refuse([InvalidField("required", "query", "query is required")])
    if not limit.isdecimal() or not 1 <= int(limit) <= 50:
        refuse([InvalidField("number_lte", "limit", "Must be a number from 1 to 50")])
    models = _matching(await _public(request), text or "")[: int(limit)]
    counts = await sandbox_of(request).models.run_counts()
    shown = [
        {"metadata": {"tags": [], "score": 1.0}, "model": show_model(model, counts.get(model.full_name, 0))}
        for model in models
    ]
    found = [_collection(slug) for slug in _COLLECTIONS if (text or "").lower() in slug]
    return JSONResponse({"query": text, "models": shown, "collections": found, "pages": []})


async def create(request: Request) -> Response:
    """POST /models"""
    sandbox = sandbox_of(request)
    body = await json_object(request)
    wrong = check_members(body, required=_REQUIRED, optional=_OPTIONAL)
    if "visibility" in body:
        wrong += one_of("visibility", body["visibility"], ("public", "private"))
    if "hardware" in body:
        wrong += one_of("hardware", body["hardware"], SKUS)
    refuse(wrong + check_name("name", body.get("name")))
    about = {name: str(value) for name, value in body.items() if name not in ("owner", "name")}
    model = Model(str(body["owner"]), str(body["name"]), sandbox.clock.now(), about)
    return JSONResponse(show_model(await sandbox.models.create(model), 0), 201)


async def get(request: Request) -> Response:
    """GET /models/{owner}/{name}"""
    return JSONResponse(await _shown(request, await _model(request)))


async def change(request: Request) -> Response:
    """PATCH /models/{owner}/{name}"""
    body = await json_object(request)
    refuse(check_members(body, required={}, optional=_CHANGEABLE))
    model = await _model(request)
    changes = {name: str(value) for name, value in body.items()}
    changed = await sandbox_of(request).models.change(model.owner, model.name, changes)
    return JSONResponse(await _shown(request, changed))


async def delete(request: Request) -> Response:
    """DELETE /models/{owner}/{name}"""
    model = await _model(request)
    await sandbox_of(request).models.delete(model.owner, model.name)
    return Response(status_code=204)


async def readme(request: Request) -> Response:
    """GET /models/{owner}/{name}/readme"""
    return PlainTextResponse((await _model(request)).about.get("readme", ""))


async def examples(request: Request) -> Response:
    """GET /models/{owner}/{name}/examples"""
    model = await _model(request)
    address = f"{sandbox_of(request).addresses.api_url}/models/{model.full_name}/examples"
    nothing: list[JSONObject] = []
    return JSONResponse(await page(request, address, fetch_from(nothing), lambda example: example))


async def versions(request: Request) -> Response:
    """GET /models/{owner}/{name}/versions"""
    sandbox, model = sandbox_of(request), await _model(request)
    found = await sandbox.models.versions(model.owner, model.name)
    address = f"{sandbox.addresses.api_url}/models/{model.full_name}/versions"
    return JSONResponse(await page(request, address, fetch_from(found), show_version))


async def version(request: Request) -> Response:
    """GET /models/{owner}/{name}/versions/{version}"""
    model = await _model(request)
    found = await sandbox_of(request).models.version_of(
        model.owner, model.name, request.path_params["version"]
    )
    return JSONResponse(show_version(found))


async def delete_version(request: Request) -> Response:
    """DELETE /models/{owner}/{name}/versions/{version}"""
    model = await _model(request)
    await sandbox_of(request).models.delete_version(model.owner, model.name, request.path_params["version"])
    return Response(status_code=202)


async def collections(request: Request) -> Response:
    """GET /collections"""
    address = f"{sandbox_of(request).addresses.api_url}/collections"
    return JSONResponse(await page(request, address, fetch_from(list(_COLLECTIONS)), _collection))


async def collection(request: Request) -> Response:
    """GET /collections/{slug}"""
    slug = request.path_params["slug"]
    if slug not in _COLLECTIONS:
        raise not_found()
    names = _COLLECTIONS[slug][2]
    models = [
        await _shown(request, model)
        for model in await _public(request)
        if (model.official if slug == "official" else model.built_in and model.name in names)
    ]
    return JSONResponse({**_collection(slug), "full_description": None, "models": models})


def _collection(slug: str) -> JSONObject:
    name, description, _ = _COLLECTIONS[slug]
    return {"slug": slug, "name": name, "description": description}


def _matching(models: list[Model], text: str) -> list[Model]:
    words = text.lower().split()
    return [
        model
        for model in models
        if all(word in f"{model.full_name} {model.about.get('description', '')}".lower() for word in words)
    ]


async def _public(request: Request) -> list[Model]:
    sandbox = sandbox_of(request)
    await sandbox.runner.settle_all()
    return await sandbox.models.public()


async def _model(request: Request) -> Model:
    sandbox = sandbox_of(request)
    await sandbox.runner.settle_all()
    return await sandbox.models.get(request.path_params["owner"], request.path_params["name"])


async def _shown(request: Request, model: Model) -> JSONObject:
    counts = await sandbox_of(request).models.run_counts()
    return show_model(model, counts.get(model.full_name, 0))


async def _models_page(request: Request, models: list[Model]) -> Response:
    sandbox = sandbox_of(request)
    counts = await sandbox.models.run_counts()
    found = await page(
        request,
        f"{sandbox.addresses.api_url}/models",
        fetch_from(models),
        lambda model: show_model(model, counts.get(model.full_name, 0)),
    )
    return JSONResponse(found)


_MODEL = "/models/{owner}/{name}"

ROUTES = [
    Route("/models", listing, methods=["GET"]),
    Route("/models", create, methods=["POST"]),
    Route("/models", search, methods=["QUERY"]),
    Route(_MODEL, get, methods=["GET"]),
    Route(_MODEL, change, methods=["PATCH"]),
    Route(_MODEL, delete, methods=["DELETE"]),
    Route(f"{_MODEL}/readme", readme, methods=["GET"]),
    Route(f"{_MODEL}/examples", examples, methods=["GET"]),
    Route(f"{_MODEL}/versions", versions, methods=["GET"]),
    Route(f"{_MODEL}/versions/{{version}}", version, methods=["GET"]),
    Route(f"{_MODEL}/versions/{{version}}", delete_version, methods=["DELETE"]),
    Route("/search", search_everything, methods=["GET"]),
    Route("/collections", collections, methods=["GET"]),
    Route("/collections/{slug}", collection, methods=["GET"]),
]
