"""`/datasets`: training pictures, checked before anything is paid for."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from app.dependencies import GUARDED_READ, GUARDED_TRAIN, DatasetsDep, Jobs, upload_limit
from app.errors import (
    DatasetInUseError,
    DatasetNotFoundError,
    FieldError,
    InvalidRequestError,
    PayloadTooLargeError,
    TrainingSetRefusedError,
)
from app.problem_details import problems
from app.request_bodies import BodyWithFiles, body_with_files_of, documented_body
from app.routers.answers import answer
from app.routers.refused_sets import refused_altogether
from app.schemas.datasets import DatasetIn, DatasetOut, DatasetsOut
from app.services.training_sets import with_refused_options

router = APIRouter(tags=["datasets"])

_FILES = "training_images"
_NOT_FOUND = DatasetNotFoundError("4f1c")
Body = Annotated[BodyWithFiles[DatasetIn], Depends(body_with_files_of(DatasetIn, _FILES, limit=upload_limit))]
DatasetId = Annotated[str, Path(description="The `id` or `dataset_id` of an earlier answer.")]


@router.post("/datasets", include_in_schema=False, dependencies=GUARDED_TRAIN)
@router.post(
    "/datasets/",
    summary="Check training pictures",
    response_model=DatasetOut,
    status_code=201,
    responses={
        200: {"model": DatasetOut, "description": "The same pictures were given before."},
        **problems(
            *(401, 403, 415, 502, 503),
            PayloadTooLargeError("The training pictures have more than 100 MB, the most that is taken."),
            TrainingSetRefusedError(
                [FieldError(_FILES, "'cats.zip' is not a zip file.")],
                report={"pictures": 0, "captions": 0, "errors": [], "warnings": [], "ignored": []},
            ),
        ),
    },
    openapi_extra=documented_body(DatasetIn, file_field=_FILES),
    dependencies=GUARDED_TRAIN,
)
async def add_dataset(body: Body, datasets: DatasetsDep, jobs: Jobs) -> Response:
    """Check a zip or several pictures, uploaded or at addresses, and keep what a training would be sent.

    The answer is a report. A set that no trainer could use is refused with the report of what is wrong.
    """
    wanted = body.fields
    if bool(wanted.training_images_url) == bool(body.files):
        found = "both were given" if body.files else "none was given"
        message = f"{found}; give either URLs or an upload as {_FILES!r}."
        raise InvalidRequestError([FieldError("training_images_url", message)])
    try:
        if wanted.training_images_url:
            checked = await datasets.take_in_urls(wanted.training_images_url, name=wanted.name)
        else:
            checked = await datasets.take_in(body.files, name=wanted.name)
    except TrainingSetRefusedError as exc:
        raise await refused_altogether(exc, wanted.to_request(None), jobs) from exc
    request = wanted.to_request(checked.dataset.id)
    if request is not None:
        try:
            await jobs.check_training(request)
        except InvalidRequestError as exc:
            raise with_refused_options(checked, exc) from exc
    made = DatasetOut.of(checked.dataset)
    return answer(made, 201 if checked.is_new else 200, {"Location": f"/datasets/{made.id}"})


@router.get("/datasets/", include_in_schema=False, dependencies=GUARDED_READ)
@router.get(
    "/datasets",
    summary="List datasets",
    response_model=DatasetsOut,
    responses=problems(401, 403, 422, 503),
    dependencies=GUARDED_READ,
)
async def list_datasets(
    datasets: DatasetsDep,
    cursor: Annotated[
        str | None, Query(max_length=500, description="`next_cursor` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="How many on a page.")] = 20,
) -> Response:
    """Every set that is kept, newest first, a page at a time."""
    page, next_cursor = await datasets.page(cursor=cursor, limit=limit)
    return answer(DatasetsOut.of(page, next_cursor))


@router.get("/datasets/{dataset_id}/", include_in_schema=False, dependencies=GUARDED_READ)
@router.get(
    "/datasets/{dataset_id}",
    summary="Look at a dataset",
    response_model=DatasetOut,
    responses=problems(401, 403, 422, 503, _NOT_FOUND),
    dependencies=GUARDED_READ,
)
async def get_dataset(dataset_id: DatasetId, datasets: DatasetsDep) -> Response:
    """What is kept, and what the check found."""
    return answer(DatasetOut.of(await datasets.get(dataset_id)))


@router.get("/datasets/{dataset_id}/contact-sheet/", include_in_schema=False, dependencies=GUARDED_READ)
@router.get(
    "/datasets/{dataset_id}/contact-sheet",
    summary="See a dataset's pictures",
    response_class=Response,
    responses={
        200: {"content": {"image/webp": {}}, "description": "The pictures, side by side."},
        **problems(401, 403, 422, 503, _NOT_FOUND),
    },
    dependencies=GUARDED_READ,
)
async def get_contact_sheet(dataset_id: DatasetId, datasets: DatasetsDep) -> Response:
    """The first sixty pictures on one."""
    sheet = await datasets.contact_sheet(dataset_id)
    # What an id stands for never changes; who may see it can.
    return Response(sheet, media_type="image/webp", headers={"Cache-Control": "private, max-age=86400"})


@router.delete("/datasets/{dataset_id}/", include_in_schema=False, dependencies=GUARDED_TRAIN)
@router.delete(
    "/datasets/{dataset_id}",
    summary="Delete a dataset",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 422, 503, _NOT_FOUND, DatasetInUseError("4f1c", "77aa")),
    dependencies=GUARDED_TRAIN,
)
async def delete_dataset(dataset_id: DatasetId, datasets: DatasetsDep) -> Response:
    """Delete the pictures here. A copy that was uploaded to the provider is gone within a day."""
    await datasets.remove(dataset_id)
    return Response(status_code=204)
