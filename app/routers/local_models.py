"""`/generate/{model_name}`: a picture of a model on this machine, in the answer itself."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from app.dependencies import GUARDED_GENERATE, IdempotencyKey, Images, Jobs, SyncWait
from app.errors import FieldError, InvalidRequestError, ModelNotFoundError
from app.models import JobStatus
from app.problem_details import problems
from app.request_bodies import BODY_LIMIT_WITH_PICTURES, body_of, documented_body
from app.routers.answers import MODERATED, accepted, answer
from app.schemas.jobs import JobOut
from app.schemas.local_models import LocalGenerateIn, LocalGenerateOut

PROVIDER = "local"

router = APIRouter(tags=["local models"], dependencies=GUARDED_GENERATE)

Body = Annotated[LocalGenerateIn, Depends(body_of(LocalGenerateIn, limit=BODY_LIMIT_WITH_PICTURES))]


@router.post("/generate/{model_name:path}/", include_in_schema=False)
@router.post(
    "/generate/{model_name:path}",
    summary="Generate with a local model",
    response_model=LocalGenerateOut,
    responses={
        202: {"model": JobOut, "description": "Not finished yet; `Location` is the job's address."},
        **problems(
            *(401, 403, 413, 415, 502, 503),
            MODERATED,
            ModelNotFoundError("There is no local model 'sdxl'; there is my_sdxl_model."),
            InvalidRequestError([FieldError("prompt", "missing, but required.")]),
        ),
    },
    openapi_extra=documented_body(LocalGenerateIn),
)
async def generate_locally(
    request: Request,
    model_name: Annotated[str, Path(description="A model's file name without its ending; see `/`.")],
    body: Body,
    jobs: Jobs,
    images: Images,
    key: IdempotencyKey,
    wait: SyncWait,
) -> Response:
    """The first picture as base64; it is kept like any other, under its permanent address."""
    model = f"{PROVIDER}/{model_name.removeprefix(f'{PROVIDER}/')}"
    job = await jobs.generate(body.to_request(model), idempotency_key=key, wait=wait)
    if job.status is not JobStatus.SUCCEEDED or wait is None:
        return accepted(request, job, queue_place=await jobs.place(job))
    stored = await images.open(job.images[0].name, width=None)
    content = stored.content
    if content is None:
        content = b"".join([piece async for piece in images.stream(stored, 0, stored.size_bytes)])
    return answer(LocalGenerateOut.of(job, job.images[0], content))
