"""`/fine-tune/`: a model trained on a person's own pictures."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.datastructures import UploadFile
from starlette.responses import Response

from app.dependencies import (
    GUARDED_TRAIN,
    DatasetsDep,
    IdempotencyKey,
    Jobs,
    SyncWait,
    WebhookReceiversDep,
    upload_limit,
)
from app.errors import (
    FieldError,
    InvalidRequestError,
    PayloadTooLargeError,
    TrainingSetRefusedError,
)
from app.models import JobStatus
from app.problem_details import problems
from app.request_bodies import BodyWithFiles, body_with_files_of, documented_body
from app.routers.answers import NO_SUCH_TRAINER, answer
from app.routers.refused_sets import refused_altogether
from app.schemas.training import FineTuneIn, FineTuneOut
from app.services.training_sets import Checked, Datasets, with_refused_options

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
            NO_SUCH_TRAINER,
            PayloadTooLargeError("The training pictures have more than 100 MB, the most that is taken."),
            InvalidRequestError([FieldError("steps", "0 is too small; 1 to 100000 is allowed.")]),
        ),
    },
    openapi_extra=documented_body(FineTuneIn, file_field=_FILES),
)
async def fine_tune(
    body: Body,
    jobs: Jobs,
    datasets: DatasetsDep,
    receivers: WebhookReceiversDep,
    key: IdempotencyKey,
    wait: SyncWait,
) -> Response:
    """Train a model on pictures: an upload, the address of a zip, or a dataset; one of the three.

    The pictures are checked first, before anything is paid for; a set that no trainer could use is refused
    with the report of what is wrong.
    """
    wanted = body.fields
    _check_one_source(wanted.training_images_url, body.files, wanted.dataset_id)
    if wanted.webhook_url is not None:
        await receivers.check(wanted.webhook_url)
    try:
        checked = await _checked(wanted, body.files, datasets)
    except TrainingSetRefusedError as exc:
        raise await refused_altogether(exc, wanted.to_request("0" * 64), jobs) from exc
    request = wanted.to_request(checked.sha256)
    try:
        job = await jobs.train(request, idempotency_key=key, wait=wait)
    except InvalidRequestError as exc:
        raise with_refused_options(checked, exc) from exc
    started = FineTuneOut.of(job, checked=checked)
    return answer(started, 202 if job.status is JobStatus.QUEUED else 200, {"Location": started.status_url})


async def _checked(wanted: FineTuneIn, files: Sequence[UploadFile], datasets: Datasets) -> Checked:
    """The pictures that are to be learnt, checked and on disk."""
    if wanted.dataset_id:
        return Checked(await datasets.get(wanted.dataset_id), is_new=False)
    if wanted.training_images_url:
        return await datasets.take_in_urls([wanted.training_images_url])
    return await datasets.take_in(files)


def _check_one_source(url: str | None, files: Sequence[UploadFile], dataset_id: str | None) -> None:
    given = sum(map(bool, (url, files, dataset_id)))
    if given != 1:
        found = "none was given" if not given else "more than one was given"
        message = (
            f"{found}; give either the URL of a zip, or an upload as {_FILES!r}, or the 'dataset_id' of a "
            "dataset."
        )
        raise InvalidRequestError([FieldError("training_images_url", message)])
