"""`/training-status/{training_id}`: where a fine-tune stands."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.dependencies import GUARDED, Jobs, NeedsKey
from app.problem_details import problems
from app.routers.answers import answer
from app.schemas.training import TrainingStatusOut

router = APIRouter(tags=["fine-tuning"], dependencies=GUARDED)


@router.get("/training-status/{training_id}/", include_in_schema=False)
@router.get(
    "/training-status/{training_id}",
    response_model=TrainingStatusOut,
    responses=problems(401, 403, 404, 422, 502, 503),
)
async def training_status(request: Request, training_id: str, jobs: Jobs, needs_key: NeedsKey) -> Response:
    """Where a training stands, by the id that `/fine-tune/` gave or by the provider's own."""
    job = await jobs.training(training_id)
    return answer(TrainingStatusOut.of(job, base_url=str(request.base_url), needs_key=needs_key))
