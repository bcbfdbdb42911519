"""Builds the service and wires its parts; `uvicorn app.main:app` serves it."""

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypedDict

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from fastapi_offline import FastAPIOffline

from app.api_description import complete_description
from app.clock import Clock, SystemClock
from app.config import Settings
from app.cross_origin import CrossOrigin
from app.problem_details import add_problem_details
from app.request_ids import RequestIds
from app.routers import (
    fine_tune,
    generate_image,
    get_image,
    jobs,
    models,
    service,
    training_status,
)
from app.services.access import Access
from app.services.images import ImageService
from app.services.jobs import JobService
from app.services.readiness import Readiness
from app.services.safe_fetch import UrlInspector
from app.services.training_sets import TrainingSets
from app.turns import Turns

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

MOST_CONNECTIONS = 4096
"""To the provider at once: one for every generation that waits there."""

IDLE_SECONDS = 30.0
"""How long a connection to the provider is kept for the next request."""

PROVIDER_URL = "https://api.replicate.com/v1"
"""Where the embedded sandbox answers: at Replicate's own address, on a transport that leads nowhere else."""

SANDBOX_TOKEN = "sandbox"  # noqa: S105 - the sandbox takes any; it is no secret

USUAL_OVER = timedelta(days=7)
"""Over which time the usual duration of each model's runs is taken."""

NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""Left on, FastAPI looks for OpenTelemetry providers at every request."""

DESCRIPTION = """
Fine-tune FLUX on your own pictures, generate images, and keep every picture under a permanent address.
Forms and JSON are accepted alike. Errors are `application/problem+json`.
"""


class State(TypedDict):
    """What a request can reach; `app.dependencies` gives it types and names."""

    jobs: JobService
    images: ImageService
    training_sets: TrainingSets
    url_inspector: UrlInspector
    access: Access
    readiness: Readiness
    turns: Turns
    sync_wait: timedelta
    upload_limit_bytes: int
    provider_note: str
    origins: list[str]


def create_app(
    *,
    settings: Settings | None = None,
    clock: Clock | None = None,
    transport: "httpx.AsyncBaseTransport | None" = None,
) -> FastAPI:
    """The service. Without arguments, settings come from the environment when it starts.

    `transport` stands in for the way to the provider: a `MockTransport`, or a sandbox of the caller's.
    """
    app = FastAPIOffline(
        title="Fluxgate",
        description=DESCRIPTION,
        version="0.1.0",
        lifespan=_lifespan(settings, clock or SystemClock(), transport),
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    add_problem_details(app)
    for module in (generate_image, get_image, fine_tune, training_status, jobs, models, service):
        app.include_router(module.router)
    complete_description(app)
    app.add_middleware(CrossOrigin)
    app.add_middleware(RequestIds)
    return app


def _lifespan(
    given: Settings | None, clock: Clock, transport: "httpx.AsyncBaseTransport | None"
) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[State]:
        settings = given or Settings()
        async with AsyncExitStack() as stack:
            yield await _wired(settings, clock, transport, stack)

    return lifespan


async def _wired(
    settings: Settings,
    clock: Clock,
    transport: "httpx.AsyncBaseTransport | None",
    stack: AsyncExitStack,
) -> State:
    """Every part, started, and registered with `stack` to be closed in reverse order."""
    import httpx

    from app.services.jobs.door import JobDoor
    from app.services.jobs.runs import JobRuns
    from app.services.jobs.watchers import JobWatchers
    from app.services.reconciler import Reconciler
    from app.services.replicate_client import ReplicateClient
    from app.storage.database import Database
    from app.storage.files import ImageFiles
    from app.storage.images import ImageRows
    from app.storage.jobs import JobStore

    database = Database(settings.database_url or f"sqlite:///{settings.data_dir / 'fluxgate.db'}")
    stack.push_async_callback(database.aclose)
    await database.start()
    store = JobStore(database)

    if transport is None:
        transport = await _way_to_provider(settings, clock, stack)
    http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, trust_env=False))
    token = settings.replicate_api_token
    provider = ReplicateClient(
        http=http,
        token=SANDBOX_TOKEN if settings.uses_sandbox else token.get_secret_value() if token else None,
        base_url=PROVIDER_URL if settings.uses_sandbox else settings.replicate_base_url,
        default_model=settings.replicate_model_name,
        trainer=settings.replicate_trainer,
        clock=clock,
    )

    image_files = ImageFiles(settings.image_store, clock=clock)
    await image_files.sweep()
    images = ImageService(files=image_files, rows=ImageRows(database), clock=clock)
    upload_limit = settings.training_upload_limit_mb * 1024 * 1024
    training_sets = TrainingSets(
        directory=settings.training_images_dir, limit_bytes=upload_limit, clock=clock
    )
    await training_sets.discard_leftovers()
    watchers = JobWatchers()
    usual = await store.usual_seconds(since=clock.now() - USUAL_OVER)
    door = JobDoor(
        store=store, images=images, provider=provider, watchers=watchers, clock=clock, usual_seconds=usual
    )
    runs = JobRuns(store=store, door=door, provider=provider, training_sets=training_sets, clock=clock)
    stack.push_async_callback(runs.aclose)
    await runs.start_holding()
    reconciler = Reconciler(store=store, door=door, runs=runs, provider=provider, clock=clock)
    stack.push_async_callback(reconciler.aclose)
    await reconciler.start()
    warm_up = asyncio.create_task(_warm_up())
    stack.callback(warm_up.cancel)
    return State(
        jobs=JobService(store=store, door=door, runs=runs, provider=provider, watchers=watchers, clock=clock),
        images=images,
        training_sets=training_sets,
        url_inspector=UrlInspector(allow_private=settings.uses_sandbox),
        access=Access(
            api_keys=[settings.api_key] if settings.api_key else [],
            allow_open=settings.allow_open,
            origins=settings.origins,
        ),
        readiness=Readiness(
            {
                "database": database.check_writable,
                "images": image_files.check_writable,
            }
        ),
        turns=Turns(),
        sync_wait=settings.sync_wait,
        upload_limit_bytes=upload_limit,
        provider_note=settings.provider_note,
        origins=settings.origins,
    )


async def _way_to_provider(
    settings: Settings, clock: Clock, stack: AsyncExitStack
) -> "httpx.AsyncBaseTransport":
    """The embedded sandbox, or the network by aiohttp: httpx's own pool is the slower one by far."""
    if settings.uses_sandbox:
        from app.sandbox import Pace, SandboxTransport, create_sandbox

        sandbox = create_sandbox(
            directory=settings.data_dir / "sandbox",
            clock=clock,
            api_url=PROVIDER_URL,
            pace=Pace().scaled(settings.sandbox_pace),
        )
        await stack.enter_async_context(sandbox.router.lifespan_context(sandbox))
        return SandboxTransport(sandbox)
    import aiohttp
    from httpx_aiohttp import AiohttpTransport

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=MOST_CONNECTIONS, keepalive_timeout=IDLE_SECONDS)
        # What one caller's answer sets must not go out with another's request.
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    return AiohttpTransport(client=session)


async def _warm_up() -> None:
    """Load in a thread what only the first generation needs; nobody waits for it."""
    for module in ("replicate", "jsonschema", "PIL.Image"):
        await asyncio.to_thread(importlib.import_module, module)


app = create_app()
