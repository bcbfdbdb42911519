"""Webhooks that are sent: what became of them, and the secrets that sign them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from app.dependencies import GUARDED_ADMIN, GUARDED_READ, MayCancel, NotifierDep, WebhookReceiversDep
from app.errors import EventNotFoundError, FieldError, InvalidRequestError, JobNotFoundError
from app.problem_details import problems
from app.request_bodies import body_of, documented_body
from app.routers.answers import answer
from app.schemas.webhooks import DeliveriesOut, EventOut, ReceiverIn, ReceiverOut

router = APIRouter(tags=["webhooks"])

JobId = Annotated[str, Path(description="The `id` or `job_id` of an earlier answer.")]
EventId = Annotated[str, Path(description="The `id` of an event of the job, which is its `webhook-id`.")]
Body = Annotated[ReceiverIn, Depends(body_of(ReceiverIn))]

_SECRET_ANSWERS = problems(
    *(401, 403, 413, 415, 503),
    InvalidRequestError(
        [FieldError("webhook_url", "'ftp://a/' begins with 'ftp'. Allowed are http and https.")]
    ),
)


@router.get("/jobs/{job_id}/deliveries/", include_in_schema=False, dependencies=GUARDED_READ)
@router.get(
    "/jobs/{job_id}/deliveries",
    summary="See a job's webhooks",
    response_model=DeliveriesOut,
    responses=problems(401, 403, 422, 503, JobNotFoundError("4f1c")),
    dependencies=GUARDED_READ,
)
async def list_deliveries(job_id: JobId, notifier: NotifierDep) -> Response:
    """Every event that its receiver is owed, and every attempt to deliver it."""
    return answer(DeliveriesOut.of(*await notifier.of_job(job_id)))


@router.post("/jobs/{job_id}/deliveries/{event_id}/redeliver/", include_in_schema=False)
@router.post(
    "/jobs/{job_id}/deliveries/{event_id}/redeliver",
    summary="Send a webhook again",
    response_model=EventOut,
    responses=problems(401, 403, 422, 503, EventNotFoundError("evt_4f1c_completed")),
)
async def redeliver(job_id: JobId, event_id: EventId, notifier: NotifierDep, caller: MayCancel) -> Response:
    """The same event, under the same id, at once; whatever became of it before."""
    return answer(EventOut.of(*await notifier.deliver_again(job_id, event_id)))


@router.post("/webhook-secrets/", include_in_schema=False, dependencies=GUARDED_ADMIN)
@router.post(
    "/webhook-secrets",
    summary="Look up a receiver's secret",
    response_model=ReceiverOut,
    responses=_SECRET_ANSWERS,
    openapi_extra=documented_body(ReceiverIn),
    dependencies=GUARDED_ADMIN,
)
async def webhook_secret(body: Body, receivers: WebhookReceiversDep) -> Response:
    """What the receiver at an address verifies webhooks with. It may ask before its first one."""
    return answer(ReceiverOut.of(await receivers.at(body.webhook_url)))


@router.post("/webhook-secrets/rotate/", include_in_schema=False, dependencies=GUARDED_ADMIN)
@router.post(
    "/webhook-secrets/rotate",
    summary="Change a receiver's secret",
    response_model=ReceiverOut,
    responses=_SECRET_ANSWERS,
    openapi_extra=documented_body(ReceiverIn),
    dependencies=GUARDED_ADMIN,
)
async def rotate_webhook_secret(body: Body, receivers: WebhookReceiversDep) -> Response:
    """Webhooks are signed with the new secret and with the one before, until the next change."""
    return answer(ReceiverOut.of(await receivers.rotate(body.webhook_url)))
