"""Answers that several routers give."""

from collections.abc import Mapping

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from app.dependencies import prefers_async
from app.errors import JobFailedError, ModelNotFoundError
from app.models import Job
from app.schemas.jobs import JobOut


def answer(body: BaseModel, status_code: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body` as JSON. A finished response, since FastAPI would check a returned model once more."""
    return Response(body.model_dump_json(), status_code, headers, media_type="application/json")


MODERATED = JobFailedError("4f1c", "content_moderated", "The safety filter withheld the pictures.")
NO_SUCH_MODEL = ModelNotFoundError("Replicate has no model 'me/cats' for this service.")
NO_SUCH_TRAINER = ModelNotFoundError("Replicate has no model 'me/trainer' for this service.")
"""How requests may end, as examples for the API description."""


def accepted(request: Request, job: Job, *, queue_place: int | None) -> Response:
    """The job, for a caller that has to come back for its end."""
    headers = {"Location": f"/jobs/{job.id}"}
    if prefers_async(request):
        headers["Preference-Applied"] = "respond-async"
    return answer(JobOut.of(job, queue_place=queue_place), 202, headers)
