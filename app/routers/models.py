"""`/models`: what can be used now."""

from fastapi import APIRouter
from starlette.responses import Response

from app.dependencies import GUARDED_READ, Jobs
from app.problem_details import problems
from app.routers.answers import answer
from app.schemas.service import ModelOut, ModelsOut

router = APIRouter(tags=["models"], dependencies=GUARDED_READ)


@router.get("/models/", include_in_schema=False)
@router.get(
    "/models", summary="List models", response_model=ModelsOut, responses=problems(401, 403, 502, 503)
)
async def list_models(jobs: Jobs) -> Response:
    """What can be given as `model`: the usual ones, and your own fine-tunes."""
    return answer(ModelsOut(models=[ModelOut.of(model) for model in await jobs.models()]))
