"""`/generate-image/`: pictures from a prompt."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from app.dependencies import (
    GUARDED_GENERATE,
    IdempotencyKey,
    InTurn,
    Jobs,
    SyncWait,
    WebhookReceiversDep,
    idempotency_key,
    in_turn,
    job_service,
    may_generate,
    sync_wait,
    webhook_receivers,
)
from app.errors import FieldError, InvalidRequestError, JobFailedError
from app.models import JobStatus
from app.problem_details import problems
from app.request_bodies import BODY_LIMIT_WITH_PICTURES, body_of, documented_body
from app.routers.answers import NO_SUCH_MODEL, accepted, answer
from app.schemas.generation import GenerateImageIn, GenerateImageOut
from app.schemas.jobs import JobOut

_asked = in_turn(body_of(GenerateImageIn, limit=BODY_LIMIT_WITH_PICTURES))
Asked = Annotated[InTurn[GenerateImageIn], Depends(_asked)]


class _GenerateRoute(APIRoute):
    """Answers past FastAPI's handling of dependencies, which costs a sixth of taking a request in.

    What the routes declare describes them. Whoever gives them a further dependency has to call it in
    `_generate` too.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        return _generate


async def _generate(request: Request) -> Response:
    await may_generate(request)
    return await generate_image(
        request,
        await _asked(request),
        await job_service(request),
        await webhook_receivers(request),
        await idempotency_key(request.headers.get("idempotency-key")),
        await sync_wait(request, request.headers.get("prefer")),
    )


router = APIRouter(tags=["images"], dependencies=GUARDED_GENERATE, route_class=_GenerateRoute)


@router.post("/generate-image", include_in_schema=False)
@router.post(
    "/generate-image/",
    summary="Generate pictures",
    response_model=GenerateImageOut,
    responses={
        202: {"model": JobOut, "description": "Not finished yet; `Location` is the job's address."},
        **problems(
            *(401, 403, 413, 415, 502, 503),
            JobFailedError(
                "4f1c",
                "content_moderated",
                "The safety filter withheld the pictures. Another prompt or another seed may pass.",
            ),
            NO_SUCH_MODEL,
            InvalidRequestError([FieldError("width", "99 is too small; 256 to 1440 is allowed.")]),
        ),
    },
    openapi_extra=documented_body(GenerateImageIn),
)
async def generate_image(
    request: Request,
    asked: Asked,
    jobs: Jobs,
    receivers: WebhookReceiversDep,
    key: IdempotencyKey,
    wait: SyncWait,
) -> Response:
    """The answer comes when the pictures are on the service's own disk, for good."""
    body = asked.body
    with asked.turn as turn:
        if body.webhook_url is not None:
            await receivers.check(body.webhook_url)
        job = await jobs.generate(body.to_request(), idempotency_key=key, wait=wait, under_way=turn.over)
    if job.status is JobStatus.SUCCEEDED and wait is not None:
        return answer(GenerateImageOut.of(job))
    return accepted(request, job, queue_place=await jobs.place(job))
