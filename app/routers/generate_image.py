"""`/generate-image/`: pictures from a prompt."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.dependencies import GUARDED, IdempotencyKey, Jobs, MyTurn, SyncWait
from app.models import JobStatus
from app.problem_details import problems
from app.request_bodies import body_of, documented_body
from app.routers.answers import accepted, answer
from app.schemas.generation import GenerateImageIn, GenerateImageOut
from app.schemas.jobs import JobOut

router = APIRouter(tags=["images"], dependencies=GUARDED)

Body = Annotated[GenerateImageIn, Depends(body_of(GenerateImageIn))]


@router.post("/generate-image", include_in_schema=False)
@router.post(
    "/generate-image/",
    response_model=GenerateImageOut,
    responses={
        202: {"model": JobOut, "description": "Not finished yet; `Location` is the job's address."},
        **problems(400, 401, 403, 404, 413, 415, 422, 502, 503),
    },
    openapi_extra=documented_body(GenerateImageIn),
)
async def generate_image(
    request: Request, turn: MyTurn, body: Body, jobs: Jobs, key: IdempotencyKey, wait: SyncWait
) -> Response:
    """Generate pictures. The answer comes when they are on the service's own disk, for good."""
    job = await jobs.generate(body.to_request(), idempotency_key=key, wait=wait, under_way=turn.over)
    if job.status is JobStatus.SUCCEEDED and wait is not None:
        return answer(GenerateImageOut.of(job))
    return accepted(request, job)
