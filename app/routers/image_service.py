"""`/image`: a picture as its bytes, and a training on a zip that lies on the server."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from app.dependencies import (
    GUARDED_GENERATE,
    GUARDED_TRAIN,
    DatasetsDep,
    IdempotencyKey,
    Images,
    InTurn,
    Jobs,
    ServerZipsDep,
    SyncWait,
    WebhookReceiversDep,
    in_turn,
)
from app.errors import FieldError, InvalidRequestError
from app.models import JobStatus
from app.problem_details import problems
from app.request_bodies import BODY_LIMIT_WITH_PICTURES, body_of, documented_body
from app.routers.answers import MODERATED, NO_SUCH_MODEL, NO_SUCH_TRAINER, accepted, answer
from app.schemas.image_service import ImageTrainIn, OneImageIn
from app.schemas.jobs import JobOut, image_url
from app.schemas.replicate_shapes import TrainingOut

router = APIRouter(tags=["image service"])

OneImage = Annotated[
    InTurn[OneImageIn], Depends(in_turn(body_of(OneImageIn, limit=BODY_LIMIT_WITH_PICTURES)))
]
ImageTrain = Annotated[ImageTrainIn, Depends(body_of(ImageTrainIn))]

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_PICTURE = {kind: _BINARY for kind in ("image/webp", "image/png", "image/jpeg")}


@router.post("/image/generate/", include_in_schema=False, dependencies=GUARDED_GENERATE)
@router.post(
    "/image/generate",
    summary="Generate one picture",
    response_class=Response,
    responses={
        200: {"description": "The picture; `Content-Location` is its address.", "content": _PICTURE},
        202: {"model": JobOut, "description": "Not finished yet; `Location` is the job's address."},
        **problems(
            *(401, 403, 413, 415, 502, 503),
            MODERATED,
            NO_SUCH_MODEL,
            InvalidRequestError([FieldError("prompt", "missing, but required.")]),
        ),
    },
    openapi_extra=documented_body(OneImageIn),
    dependencies=GUARDED_GENERATE,
)
async def generate_one_image(
    request: Request,
    asked: OneImage,
    jobs: Jobs,
    images: Images,
    receivers: WebhookReceiversDep,
    key: IdempotencyKey,
    wait: SyncWait,
) -> Response:
    """The picture itself, which also stays under its permanent address."""
    body = asked.body
    with asked.turn as turn:
        if body.webhook_url is not None:
            await receivers.check(body.webhook_url)
        job = await jobs.generate(body.to_request(), idempotency_key=key, wait=wait, under_way=turn.over)
    if job.status is not JobStatus.SUCCEEDED or wait is None:
        return accepted(request, job, queue_place=await jobs.place(job))
    stored = await images.open(job.images[0].name, width=None)
    headers = {
        "Content-Length": str(stored.size_bytes),
        "Content-Location": image_url(job.images[0]),
        "Link": f'</jobs/{job.id}>; rel="describedby"',
        "Cache-Control": "no-store",
    }
    if stored.content is not None:
        return Response(stored.content, headers=headers, media_type=stored.media_type)
    stream = images.stream(stored, 0, stored.size_bytes)
    return StreamingResponse(stream, headers=headers, media_type=stored.media_type)


@router.post("/image/train/", include_in_schema=False, dependencies=GUARDED_TRAIN)
@router.post(
    "/image/train",
    summary="Train on a server zip",
    response_model=TrainingOut,
    responses={
        202: {"model": TrainingOut, "description": "Recorded; the provider has not taken it yet."},
        **problems(
            *(401, 403, 413, 415, 502, 503),
            NO_SUCH_TRAINER,
            InvalidRequestError(
                [
                    FieldError(
                        "file_name",
                        "'cats.zip' is not there; zips in training_images/ or beside the app are taken.",
                    )
                ]
            ),
        ),
    },
    openapi_extra=documented_body(ImageTrainIn),
    dependencies=GUARDED_TRAIN,
)
async def train_on_server_zip(
    request: Request,
    body: ImageTrain,
    jobs: Jobs,
    zips: ServerZipsDep,
    datasets: DatasetsDep,
    receivers: WebhookReceiversDep,
    key: IdempotencyKey,
    wait: SyncWait,
) -> Response:
    """The training, in Replicate's shape. The model is made if it is not there."""
    if body.webhook_url is not None:
        await receivers.check(body.webhook_url)
    async with zips.open(body.file_name) as upload:
        stored = await datasets.take_in([upload])
    job = await jobs.train(body.to_request(stored.sha256), idempotency_key=key, wait=wait)
    training = TrainingOut.of(
        job, base_url=str(request.base_url), warnings=stored.warnings, ignored=stored.ignored
    )
    return answer(training, 202 if job.status is JobStatus.QUEUED else 200, {"Location": training.urls.get})
