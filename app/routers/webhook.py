"""`/webhook`: where the provider tells how runs go on."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from app.dependencies import WebhookIntakeDep
from app.errors import InvalidRequestError, JobNotFoundError, WebhookNotVerifiedError, WebhookRepeatedError
from app.problem_details import problems
from app.request_bodies import raw_body

router = APIRouter(tags=["webhooks"])

BODY_LIMIT = 16 * 1024 * 1024
"""How many bytes a webhook may have: it carries a run with its whole log, and small pictures as text."""

JobId = Annotated[str, Path(description="The job, as the address that was given to the provider has it.")]

_RESPONSES: dict[int | str, dict[str, Any]] = {
    204: {"description": "Taken in."},
    **problems(
        *(413, 503),
        WebhookNotVerifiedError("The header 'webhook-signature' is missing."),
        JobNotFoundError("4f1c"),
        WebhookRepeatedError("msg_4f1c"),
        InvalidRequestError([], detail="The webhook's body is not a run: it has no id."),
    ),
}
# The signature stands in for a key.
_SIGNED: dict[str, Any] = {
    "security": [],
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
}


@router.post("/webhook/{job_id}/", include_in_schema=False)
@router.post(
    "/webhook/{job_id}",
    summary="Hear about a job",
    status_code=204,
    response_class=Response,
    responses=_RESPONSES,
    openapi_extra=_SIGNED,
)
async def webhook_of_job(request: Request, job_id: JobId, intake: WebhookIntakeDep) -> Response:
    """Takes Standard Webhooks signed by the provider, once each, and nothing else."""
    body = await raw_body(request, BODY_LIMIT)
    await intake.take(headers=request.headers, body=body, job_id=job_id)
    return Response(status_code=204)


@router.post("/webhook", include_in_schema=False)
@router.post(
    "/webhook/",
    summary="Hear about a run",
    status_code=204,
    response_class=Response,
    responses=_RESPONSES,
    openapi_extra=_SIGNED,
)
async def webhook_of_run(request: Request, intake: WebhookIntakeDep) -> Response:
    """The same for webhooks whose address names no job: it is found by the id of its run."""
    body = await raw_body(request, BODY_LIMIT)
    await intake.take(headers=request.headers, body=body, job_id=None)
    return Response(status_code=204)
