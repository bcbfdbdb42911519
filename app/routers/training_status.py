"""`/training-status/{training_id}`: where a fine-tune stands."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.dependencies import GUARDED_READ, Jobs, NeedsKey, TrainingCostsDep
from app.errors import JobNotFoundError
from app.problem_details import problems
from app.routers.answers import answer
from app.schemas.training import TrainingStatusOut

router = APIRouter(tags=["fine-tuning"], dependencies=GUARDED_READ)

TrainingId = Annotated[
    str, Path(description="The `training_id` that `/fine-tune/` gave, or the provider's own id.")
]


@router.get("/training-status/{training_id}/", include_in_schema=False)
@router.get(
    "/training-status/{training_id}",
    summary="Look at a training",
    response_model=TrainingStatusOut,
    responses=problems(401, 403, 422, 502, 503, JobNotFoundError("4f1c")),
)
async def training_status(
    request: Request, training_id: TrainingId, jobs: Jobs, costs: TrainingCostsDep, needs_key: NeedsKey
) -> Response:
    """How far it is, what it costs, and once it has succeeded, the model that it made and how to use it."""
    job = await jobs.training(training_id)
    base_url = str(request.base_url)
    return answer(TrainingStatusOut.of(job, costs.of(job), base_url=base_url, needs_key=needs_key))
