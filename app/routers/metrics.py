"""Numbers for Prometheus."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.dependencies import GUARDED_READ, MetricsPage
from app.problem_details import problems

router = APIRouter(tags=["service"], dependencies=GUARDED_READ)


@router.get("/metrics/", include_in_schema=False)
@router.get(
    "/metrics",
    summary="How is it doing?",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus' text format, or OpenMetrics where `Accept` asks for that.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **problems(401, 403),
    },
)
async def metrics(request: Request, page: MetricsPage) -> Response:
    """What Prometheus scrapes: requests, jobs, calls to the provider, the queue, what is stored.

    A scraper shows an API key that may read, where keys are needed.
    """
    body, media_type = await page(request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": media_type})
