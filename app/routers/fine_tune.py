"""`/fine-tune/`: a model trained on a person's own pictures."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.datastructures import UploadFile
from starlette.responses import Response

from app.dependencies import (
    GUARDED_TRAIN,
    IdempotencyKey,
    Jobs,
    SyncWait,
    TrainingSetsDep,
    UrlInspectorDep,
    WebhookReceiversDep,
    upload_limit,
)
from app.errors import FieldError, InvalidRequestError, ModelNotFoundError, PayloadTooLargeError
from app.models import JobStatus
from app.problem_details import problems
from app.request_bodies import BodyWithFiles, body_with_files_of, documented_body
from app.routers.answers import answer
from app.schemas.training import FineTuneIn, FineTuneOut

router = APIRouter(tags=["fine-tuning"], dependencies=GUARDED_TRAIN)

_FILES = "training_images"
Body = Annotated[
    BodyWithFiles[FineTuneIn], Depends(body_with_files_of(FineTuneIn, _FILES, limit=upload_limit))
]


@router.post("/fine-tune", include_in_schema=False)
@router.post(
    "/fine-tune/",
    summary="Fine-tune on pictures",
    response_model=FineTuneOut,
    responses={
        202: {"model": FineTuneOut, "description": "Recorded; the provider has not taken it yet."},
        **problems(
            *(401, 403, 415, 502, 503),
            ModelNotFoundError("Replicate has no model 'me/trainer' for this service."),
            PayloadTooLargeError("The training pictures have more than 100 MB, the most that is taken."),
            InvalidRequestError([FieldError("steps", "0 is too small; 1 to 100000 is allowed.")]),
        ),
    },
    openapi_extra=documented_body(FineTuneIn, file_field=_FILES),
)
async def fine_tune(
    body: Body,
    jobs: Jobs,
    training_sets: TrainingSetsDep,
    urls: UrlInspectorDep,
    receivers: WebhookReceiversDep,
    key: IdempotencyKey,
    wait: SyncWait,
) -> Response:
    """Train a model on a zip of pictures, uploaded or at an address; one of the two.

    The pictures are checked first, before anything is paid for.
    """
    wanted = body.fields
    _check_one_source(wanted.training_images_url, body.files)
    if wanted.webhook_url is not None:
        await receivers.check(wanted.webhook_url)
    stored = None
    if wanted.training_images_url is None:
        stored = await training_sets.take_in(body.files)
    else:
        await urls.check_zip(wanted.training_images_url)
    request = wanted.to_request(stored.sha256 if stored else None)
    job = await jobs.train(request, idempotency_key=key, wait=wait)
    started = FineTuneOut.of(
        job, warnings=stored.warnings if stored else (), ignored=stored.ignored if stored else ()
    )
    return answer(started, 202 if job.status is JobStatus.QUEUED else 200, {"Location": started.status_url})


def _check_one_source(url: str | None, files: Sequence[UploadFile]) -> None:
    if bool(url) == bool(files):
        found = "both were given" if url else "neither was given"
        message = f"{found}; give either the URL of a zip or an upload as {_FILES!r}."
        raise InvalidRequestError([FieldError("training_images_url", message)])
