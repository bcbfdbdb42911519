"""The HTTP edge alone: the real routers and handlers, with services behind them that do as they are told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from asgi_lifespan import LifespanManager
from fastapi import FastAPI

from app.api_description import complete_description
from app.problem_details import add_problem_details
from app.request_ids import RequestIds
from app.routers import fine_tune, generate_image, jobs, models, service, training_status
from app.services.access import Access
from app.services.readiness import Readiness
from app.services.training_costs import TrainingCosts
from app.turns import Turns
from tests.manual_clock import ManualClock
from tests.routers.stand_ins import (
    StandInDatasets,
    StandInFineTunes,
    StandInJobs,
    StandInReceivers,
    works,
)

ServeEdge = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def stand_in_jobs() -> StandInJobs:
    """The jobs behind `edge`."""
    return StandInJobs()


@pytest.fixture
def stand_in_datasets() -> StandInDatasets:
    """The datasets behind `edge`."""
    return StandInDatasets()


@pytest.fixture
def serve_edge(stand_in_jobs: StandInJobs, stand_in_datasets: StandInDatasets) -> ServeEdge:
    """Serve the edge, with other state where a test needs that, to a client at `client_host`."""

    @asynccontextmanager
    async def start(client_host: str = "127.0.0.1", **changed: object) -> AsyncIterator[httpx.AsyncClient]:
        state: dict[str, Any] = {
            "jobs": stand_in_jobs,
            "datasets": stand_in_datasets,
            "fine_tunes": StandInFineTunes(),
            "training_costs": TrainingCosts(
                provider="replicate", price_per_second=0.001525, is_charged=True, clock=ManualClock()
            ),
            "webhook_receivers": StandInReceivers(),
            "access": Access(),
            "turns": Turns(),
            "stopping": asyncio.Event(),
            "sync_wait": timedelta(seconds=55),
            "provider_note": "sandbox",
            "readiness": Readiness({"database": works, "images": works, "training_images": works}),
            "upload_limit_bytes": 2_000_000,
            **changed,
        }

        @asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
            yield state

        app = FastAPI(lifespan=lifespan, redirect_slashes=False)
        add_problem_details(app)
        for module in (generate_image, fine_tune, training_status, jobs, models, service):
            app.include_router(module.router)
        app.add_middleware(RequestIds)
        complete_description(app)
        async with LifespanManager(app) as manager:
            way_in = httpx.ASGITransport(
                app=manager.app, client=(client_host, 50000), raise_app_exceptions=False
            )
            async with httpx.AsyncClient(transport=way_in, base_url="http://fluxgate") as client:
                yield client

    return start


@pytest.fixture
async def edge(serve_edge: ServeEdge) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the edge."""
    async with serve_edge() as client:
        yield client
