"""`/jobs`: what was asked for, and where it stands."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query
from starlette.responses import Response, StreamingResponse

from app.dependencies import GUARDED_READ, Jobs, MayCancel, Stopping
from app.errors import JobNotFoundError
from app.models import JobKind, JobStatus
from app.problem_details import problems
from app.routers.answers import answer
from app.routers.job_events import HEADERS, event_stream, last_seen
from app.schemas.jobs import JobOut, JobsOut

router = APIRouter(tags=["jobs"], dependencies=GUARDED_READ)

JobId = Annotated[str, Path(description="The `id` or `job_id` of an earlier answer.")]

_NO_SUCH_JOB = JobNotFoundError("4f1c")
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events named `job`: `id` is the job's revision, `data` the job.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "The job has ended and its last event was seen: there is nothing to wait for."},
}


@router.get("/jobs/", include_in_schema=False)
@router.get("/jobs", summary="List jobs", response_model=JobsOut, responses=problems(401, 403, 422, 503))
async def list_jobs(
    jobs: Jobs,
    kind: Annotated[JobKind | None, Query(description="Only generations, or only trainings.")] = None,
    status: Annotated[JobStatus | None, Query(description="Only jobs that stand like this.")] = None,
    cursor: Annotated[
        str | None, Query(max_length=500, description="`next_cursor` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="How many on a page.")] = 20,
) -> Response:
    """Generations and trainings, newest first, a page at a time."""
    return answer(JobsOut.of(await jobs.list(kind=kind, status=status, cursor=cursor, limit=limit)))


@router.get("/jobs/{job_id}/", include_in_schema=False)
@router.get(
    "/jobs/{job_id}",
    summary="Look at a job",
    response_model=JobOut,
    responses=problems(401, 403, 422, 503, _NO_SUCH_JOB),
)
async def get_job(job_id: JobId, jobs: Jobs) -> Response:
    """Everything about one job: where it stands, what was sent, what came of it."""
    job = await jobs.refresh(job_id)
    return answer(JobOut.of(job, queue_place=await jobs.place(job)))


@router.post("/jobs/{job_id}/cancel/", include_in_schema=False)
@router.post(
    "/jobs/{job_id}/cancel",
    summary="Cancel a job",
    response_model=JobOut,
    responses={
        202: {"model": JobOut, "description": "The provider was asked; the job has not ended yet."},
        **problems(401, 403, 422, 502, 503, _NO_SUCH_JOB),
    },
)
async def cancel_job(job_id: JobId, caller: MayCancel, jobs: Jobs) -> Response:
    """Stop it at the provider. A job that has ended stays as it is."""
    job = await jobs.cancel(job_id)
    return answer(JobOut.of(job), 200 if job.status.is_final else 202, {"Location": f"/jobs/{job.id}"})


@router.get("/jobs/{job_id}/events/", include_in_schema=False)
@router.get(
    "/jobs/{job_id}/events",
    summary="Follow a job",
    response_class=StreamingResponse,
    responses={**_EVENTS, **problems(401, 403, 422, 503, _NO_SUCH_JOB)},
)
async def job_events(
    job_id: JobId,
    jobs: Jobs,
    stopping: Stopping,
    last_event_id: Annotated[str | None, Header(description="Only what came after this event.")] = None,
    last_event: Annotated[
        str | None, Query(alias="last_event_id", description="The same, for clients that cannot set headers.")
    ] = None,
) -> Response:
    """Its changes as they happen, as Server-Sent Events, until it has ended."""
    job = await jobs.get(job_id)
    seen = last_seen(last_event_id, last_event, job.revision)
    if job.status.is_final and seen == job.revision:
        return Response(status_code=204)
    changes = jobs.watch(job_id, after_revision=seen)
    return StreamingResponse(event_stream(changes, stopping), headers=HEADERS, media_type="text/event-stream")
