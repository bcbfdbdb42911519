"""`/models`: what can be used now."""

from fastapi import APIRouter
from starlette.responses import Response

from app.dependencies import GUARDED, Jobs
from app.problem_details import problems
from app.routers.answers import answer
from app.schemas.service import ModelOut, ModelsOut

router = APIRouter(tags=["models"], dependencies=GUARDED)


@router.get("/models/", include_in_schema=False)
@router.get("/models", response_model=ModelsOut, responses=problems(401, 403, 502, 503))
async def list_models(jobs: Jobs) -> Response:
    """The models that can be used now, your own fine-tunes among them."""
    return answer(ModelsOut(models=[ModelOut.of(model) for model in await jobs.models()]))
