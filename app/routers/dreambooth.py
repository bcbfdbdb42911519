"""`/train_model/`, `/run_model/` and what looks at them: the routes of the DreamBooth API."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.dependencies import (
    GUARDED_GENERATE,
    GUARDED_READ,
    GUARDED_TRAIN,
    DatasetsDep,
    IdempotencyKey,
    InTurn,
    Jobs,
    ReplicateWordsDep,
    SyncWait,
    WebhookReceiversDep,
    in_turn,
    upload_limit,
)
from app.errors import (
    FieldError,
    InvalidRequestError,
    JobNotFoundError,
    PayloadTooLargeError,
)
from app.models import JobStatus
from app.problem_details import problems
from app.request_bodies import BodyWithFiles, body_of, body_with_files_of, documented_body
from app.routers.answers import MODERATED, NO_SUCH_MODEL, NO_SUCH_TRAINER, answer
from app.routers.training_status import training_status
from app.schemas.dreambooth import RunModelIn, TrainModelIn
from app.schemas.replicate_shapes import PredictionOut, TrainingOut
from app.schemas.training import TrainingStatusOut

router = APIRouter(tags=["DreamBooth"])

_FILE = "file"
TrainModel = Annotated[
    BodyWithFiles[TrainModelIn], Depends(body_with_files_of(TrainModelIn, _FILE, limit=upload_limit))
]
RunModel = Annotated[InTurn[RunModelIn], Depends(in_turn(body_of(RunModelIn)))]
PredictionUrl = Annotated[
    str,
    Query(
        min_length=1,
        max_length=500,
        description="A prediction's id, or its address at the provider or here, as in its `urls.get`.",
    ),
]


@router.post("/train_model", include_in_schema=False, dependencies=GUARDED_TRAIN)
@router.post(
    "/train_model/",
    summary="Train with the old fields",
    response_model=TrainingOut,
    responses={
        202: {"model": TrainingOut, "description": "Recorded; the provider has not taken it yet."},
        **problems(
            *(401, 403, 415, 502, 503),
            NO_SUCH_TRAINER,
            PayloadTooLargeError("The training pictures have more than 100 MB, the most that is taken."),
            InvalidRequestError([FieldError("instance_prompt", "missing, but required.")]),
        ),
    },
    openapi_extra=documented_body(TrainModelIn, file_field=_FILE),
    dependencies=GUARDED_TRAIN,
)
async def train_model(
    request: Request,
    body: TrainModel,
    jobs: Jobs,
    datasets: DatasetsDep,
    receivers: WebhookReceiversDep,
    key: IdempotencyKey,
    wait: SyncWait,
) -> Response:
    """The training, in Replicate's shape; the old fields are put into the words of today's trainers."""
    wanted = body.fields
    if not body.files:
        message = f"missing, but required: a zip of pictures, sent as multipart/form-data under {_FILE!r}."
        raise InvalidRequestError([FieldError(_FILE, message)])
    if wanted.webhook_url is not None:
        await receivers.check(wanted.webhook_url)
    stored = await datasets.take_in(body.files)
    job = await jobs.train(wanted.to_request(stored.sha256), idempotency_key=key, wait=wait)
    training = TrainingOut.of(
        job,
        base_url=str(request.base_url),
        warnings=(*wanted.warnings(job), *stored.warnings),
        ignored=stored.ignored,
    )
    return answer(training, 202 if job.status is JobStatus.QUEUED else 200, {"Location": training.urls.get})


@router.post("/run_model", include_in_schema=False, dependencies=GUARDED_GENERATE)
@router.post(
    "/run_model/",
    summary="Run a model",
    response_model=PredictionOut,
    responses={
        202: {"model": PredictionOut, "description": "Not finished yet; `Location` is its address."},
        **problems(
            *(401, 403, 413, 415, 502, 503),
            MODERATED,
            NO_SUCH_MODEL,
            InvalidRequestError([FieldError("prompt", "missing, but required.")]),
        ),
    },
    openapi_extra=documented_body(RunModelIn),
    dependencies=GUARDED_GENERATE,
)
async def run_model(
    request: Request,
    asked: RunModel,
    jobs: Jobs,
    words: ReplicateWordsDep,
    receivers: WebhookReceiversDep,
    key: IdempotencyKey,
    wait: SyncWait,
) -> Response:
    """The prediction, in Replicate's shape; its `output` are permanent addresses of this service."""
    body = asked.body
    with asked.turn as turn:
        if body.webhook_url is not None:
            await receivers.check(body.webhook_url)
        model = await words.model(body.version) if body.version is not None else None
        job = await jobs.generate(body.to_request(model), idempotency_key=key, wait=wait, under_way=turn.over)
    prediction = PredictionOut.of(job, base_url=str(request.base_url))
    return answer(prediction, 200 if job.status.is_final else 202, {"Location": prediction.urls.get})


@router.get("/get_prediction", include_in_schema=False, dependencies=GUARDED_READ)
@router.get(
    "/get_prediction/",
    summary="Find a prediction",
    response_model=PredictionOut,
    responses=problems(
        *(401, 403, 503),
        JobNotFoundError("4f1c"),
        InvalidRequestError([FieldError("url", "'http://127.0.0.1/' is no prediction's address.")]),
    ),
    dependencies=GUARDED_READ,
)
async def get_prediction(
    request: Request, url: PredictionUrl, jobs: Jobs, words: ReplicateWordsDep
) -> Response:
    """No address is ever called; only the id in it is used."""
    own_url = str(request.base_url)
    job = await jobs.prediction(words.prediction_id(url, own_url=own_url))
    return answer(PredictionOut.of(job, base_url=own_url))


router.add_api_route(
    "/get_training_status/{training_id}", training_status, include_in_schema=False, dependencies=GUARDED_READ
)
router.add_api_route(
    "/get_training_status/{training_id}/",
    training_status,
    summary="Look at a training's status",
    description="The same as `/training-status`.",
    response_model=TrainingStatusOut,
    responses=problems(401, 403, 422, 502, 503, JobNotFoundError("4f1c")),
    dependencies=GUARDED_READ,
)
