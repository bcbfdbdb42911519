"""`/models`: what can be used now, and the names of fine-tunes."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.dependencies import (
    GUARDED_GENERATE,
    GUARDED_READ,
    GUARDED_TRAIN,
    FineTunesDep,
    IdempotencyKey,
    Jobs,
    SyncWait,
)
from app.errors import (
    AliasTakenError,
    FieldError,
    FineTuneNotFoundError,
    InvalidRequestError,
)
from app.models import JobStatus
from app.problem_details import problems
from app.request_bodies import body_of, documented_body
from app.routers.answers import MODERATED, accepted, answer
from app.schemas.generation import GenerateImageOut
from app.schemas.jobs import JobOut
from app.schemas.models import ModelOut, ModelsOut, RenameIn, SampleIn

router = APIRouter(tags=["models"])

Alias = Annotated[str, Path(description="The `alias` of a fine-tune in `/models`.")]
Rename = Annotated[RenameIn, Depends(body_of(RenameIn))]
Sample = Annotated[SampleIn, Depends(body_of(SampleIn))]

_NOT_FOUND = FineTuneNotFoundError("my-cat")


@router.get("/models/", include_in_schema=False, dependencies=GUARDED_READ)
@router.get(
    "/models",
    summary="List models",
    response_model=ModelsOut,
    responses=problems(401, 403, 502, 503),
    dependencies=GUARDED_READ,
)
async def list_models(jobs: Jobs, fine_tunes: FineTunesDep) -> Response:
    """What can be given as `model`: your own fine-tunes, newest first, and the usual ones."""
    usable = [model for model in await jobs.models() if model.problem is None]
    own = [ModelOut.of_fine_tune(fine_tune) for fine_tune in await fine_tunes.all()]
    return answer(ModelsOut(models=[*own, *(ModelOut.of(model) for model in usable)]))


@router.get("/models/{alias}/", include_in_schema=False, dependencies=GUARDED_READ)
@router.get(
    "/models/{alias}",
    summary="Look at a fine-tune",
    response_model=ModelOut,
    responses=problems(401, 403, 422, 503, _NOT_FOUND),
    dependencies=GUARDED_READ,
)
async def get_model(alias: Alias, fine_tunes: FineTunesDep) -> Response:
    """Its version, its trigger word, the training that made it, and its sample."""
    return answer(ModelOut.of_fine_tune(await fine_tunes.get(alias)))


@router.patch("/models/{alias}/", include_in_schema=False, dependencies=GUARDED_TRAIN)
@router.patch(
    "/models/{alias}",
    summary="Rename a fine-tune",
    response_model=ModelOut,
    responses=problems(
        *(401, 403, 413, 415, 503),
        _NOT_FOUND,
        AliasTakenError("my-cat"),
        InvalidRequestError([FieldError("alias", "'dev' always means FLUX itself; any other is allowed.")]),
    ),
    openapi_extra=documented_body(RenameIn),
    dependencies=GUARDED_TRAIN,
)
async def rename_model(alias: Alias, body: Rename, fine_tunes: FineTunesDep) -> Response:
    """Call it something else here. Its name at the provider stays as it is."""
    return answer(ModelOut.of_fine_tune(await fine_tunes.rename(alias, body.alias)))


@router.delete("/models/{alias}/", include_in_schema=False, dependencies=GUARDED_TRAIN)
@router.delete(
    "/models/{alias}",
    summary="Take off the list",
    status_code=204,
    response_class=Response,
    responses=problems(401, 403, 422, 503, _NOT_FOUND),
    dependencies=GUARDED_TRAIN,
)
async def delete_model(alias: Alias, fine_tunes: FineTunesDep) -> Response:
    """Only from the list: its training stays, and the model can be used as owner/name:version."""
    await fine_tunes.delete(alias)
    return Response(status_code=204)


@router.post("/models/{alias}/sample/", include_in_schema=False, dependencies=GUARDED_GENERATE)
@router.post(
    "/models/{alias}/sample",
    summary="Make a sample picture",
    response_model=GenerateImageOut,
    responses={
        202: {"model": JobOut, "description": "Not finished yet; `Location` is the job's address."},
        **problems(
            *(401, 403, 413, 415, 502, 503),
            _NOT_FOUND,
            MODERATED,
            InvalidRequestError([FieldError("seed", "-1 is too small; 0 to 4294967295 is allowed.")]),
        ),
    },
    openapi_extra=documented_body(SampleIn),
    dependencies=GUARDED_GENERATE,
)
async def make_sample(
    request: Request, alias: Alias, body: Sample, jobs: Jobs, key: IdempotencyKey, wait: SyncWait
) -> Response:
    """A picture of what the fine-tune has learnt; once it is finished, `/models` shows it as `sample_url`."""
    job = await jobs.sample(alias, body.to_request(), idempotency_key=key, wait=wait)
    if job.status is JobStatus.SUCCEEDED and wait is not None:
        return answer(GenerateImageOut.of(job))
    return accepted(request, job, queue_place=await jobs.place(job))
