"""`/predictions` and `/trainings`: jobs in Replicate's shape, for callers that know that."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.dependencies import GUARDED_GENERATE, GUARDED_READ, GUARDED_TRAIN, Jobs
from app.errors import JobNotFoundError
from app.problem_details import problems
from app.routers.answers import answer
from app.schemas.replicate_shapes import PREDICTIONS, TRAININGS, PredictionOut, TrainingOut

router = APIRouter(tags=["in Replicate's shape"])

PredictionId = Annotated[str, Path(description="The `id` of a prediction, this service's or the provider's.")]
TrainingId = Annotated[str, Path(description="The `id` of a training, this service's or the provider's.")]

_NO_SUCH_RUN = JobNotFoundError("4f1c")


@router.get(f"{PREDICTIONS}/{{prediction_id}}/", include_in_schema=False, dependencies=GUARDED_READ)
@router.get(
    f"{PREDICTIONS}/{{prediction_id}}",
    summary="Look at a prediction",
    response_model=PredictionOut,
    responses=problems(401, 403, 422, 503, _NO_SUCH_RUN),
    dependencies=GUARDED_READ,
)
async def get_prediction(request: Request, prediction_id: PredictionId, jobs: Jobs) -> Response:
    """A generation; its `output` are permanent addresses of this service."""
    job = await jobs.prediction(prediction_id)
    return answer(PredictionOut.of(job, base_url=str(request.base_url)))


@router.post(
    f"{PREDICTIONS}/{{prediction_id}}/cancel/", include_in_schema=False, dependencies=GUARDED_GENERATE
)
@router.post(
    f"{PREDICTIONS}/{{prediction_id}}/cancel",
    summary="Cancel a prediction",
    response_model=PredictionOut,
    responses=problems(401, 403, 422, 502, 503, _NO_SUCH_RUN),
    dependencies=GUARDED_GENERATE,
)
async def cancel_prediction(request: Request, prediction_id: PredictionId, jobs: Jobs) -> Response:
    """Stop it at the provider. One that has ended stays as it is."""
    job = await jobs.cancel((await jobs.prediction(prediction_id)).id)
    return answer(PredictionOut.of(job, base_url=str(request.base_url)))


@router.get(f"{TRAININGS}/{{training_id}}/", include_in_schema=False, dependencies=GUARDED_READ)
@router.get(
    f"{TRAININGS}/{{training_id}}",
    summary="Look at a training run",
    response_model=TrainingOut,
    responses=problems(401, 403, 422, 502, 503, _NO_SUCH_RUN),
    dependencies=GUARDED_READ,
)
async def get_training(request: Request, training_id: TrainingId, jobs: Jobs) -> Response:
    """As `/image/train` and `/train_model/` answer; `/training-status` tells more."""
    job = await jobs.training(training_id)
    return answer(TrainingOut.of(job, base_url=str(request.base_url)))


@router.post(f"{TRAININGS}/{{training_id}}/cancel/", include_in_schema=False, dependencies=GUARDED_TRAIN)
@router.post(
    f"{TRAININGS}/{{training_id}}/cancel",
    summary="Cancel a training",
    response_model=TrainingOut,
    responses=problems(401, 403, 422, 502, 503, _NO_SUCH_RUN),
    dependencies=GUARDED_TRAIN,
)
async def cancel_training(request: Request, training_id: TrainingId, jobs: Jobs) -> Response:
    """Stop it at the provider. One that has ended stays as it is."""
    job = await jobs.cancel((await jobs.training(training_id)).id)
    return answer(TrainingOut.of(job, base_url=str(request.base_url)))
