"""The service itself: is it there, is it well, where is its documentation."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from app.dependencies import IsProgram, Jobs, ProviderNote, ReadinessDep
from app.problem_details import problems
from app.routers.answers import answer
from app.schemas.local_models import StartOut
from app.schemas.service import HealthOut

router = APIRouter(tags=["service"])

_FOR_ANYBODY: dict[str, Any] = {"security": []}


@router.head("/ping", include_in_schema=False)
@router.head("/ping/", include_in_schema=False)
@router.get("/ping/", include_in_schema=False)
@router.get("/ping", summary="Is it there?", response_class=PlainTextResponse, openapi_extra=_FOR_ANYBODY)
async def ping() -> Response:
    """Answers `pong` as long as the process is alive."""
    return PlainTextResponse("pong")


@router.head("/health", include_in_schema=False)
@router.head("/health/", include_in_schema=False)
@router.get("/health/", include_in_schema=False)
@router.get(
    "/health",
    summary="Is it well?",
    response_model=HealthOut,
    responses={503: {"model": HealthOut, "description": "A part that is needed does not work."}},
    openapi_extra=_FOR_ANYBODY,
)
async def health(readiness: ReadinessDep, provider: ProviderNote) -> Response:
    """Whether the service can do its work, part by part."""
    works = await readiness.look()
    well = all(works.values())
    words = {name: "ok" if fine else "not writable; the log says why" for name, fine in works.items()}
    return answer(
        HealthOut(status="ok" if well else "unavailable", provider=provider, **words), 200 if well else 503
    )


@router.get(
    "/",
    summary="What is here?",
    response_model=StartOut,
    responses={
        307: {"description": "Browsers are sent to the documentation."},
        **problems(401, 403, 502, 503),
    },
)
async def start_page(request: Request, jobs: Jobs, is_program: IsProgram) -> Response:
    """The models on this machine, loaded and available, for programs."""
    documentation = f"{request.scope.get('root_path', '')}/docs"
    if not is_program:
        return RedirectResponse(documentation)
    return answer(StartOut.of(await jobs.models(), documentation=documentation))
