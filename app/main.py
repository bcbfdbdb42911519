"""Builds the service and wires its parts; `uvicorn app.main:app` serves it."""

import asyncio
import gc
import importlib
import logging
import warnings
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from pydantic.warnings import UnsupportedFieldAttributeWarning

from app.api_description import complete_description
from app.clock import Clock, SystemClock
from app.config import LogFormat, Settings, read_settings
from app.cross_origin import CrossOrigin
from app.docs_guard import guard_docs
from app.logs import logs_kept
from app.observed_requests import ObservedRequests
from app.problem_details import add_problem_details
from app.provider_wiring import (
    black_forest_labs,
    local_diffusers,
    replicate,
    replicate_url,
    way_to_providers,
)
from app.request_ids import RequestIds
from app.routers import (
    datasets,
    deliveries,
    dreambooth,
    fine_tune,
    generate_image,
    get_image,
    image_service,
    jobs,
    local_models,
    metrics,
    models,
    provider_fine_tunes,
    replicate_runs,
    service,
    training_status,
    webhook,
)
from app.schemas.jobs import JobOut
from app.services.access import Access, DocsLogin
from app.services.api_keys import KnownKeys
from app.services.fine_tunes import FineTunes
from app.services.images import ImageService
from app.services.jobs import JobService
from app.services.notifier import Notifier
from app.services.provider_fine_tunes import FineTuneLibrary
from app.services.readiness import Readiness
from app.services.replicate_words import ReplicateWords
from app.services.safe_fetch import Poster, UrlInspector
from app.services.server_zips import ServerZips
from app.services.training_costs import TrainingCosts
from app.services.training_sets import Datasets, ProviderUploads, TrainingSets
from app.services.webhook_intake import WebhookIntake
from app.services.webhook_receivers import WebhookReceivers
from app.start_up import StartUpFaults, check_places
from app.stopping import stop_noticed
from app.telemetry import FASTAPI_TELEMETRY, DatadogAgent, OtlpCollector, send_traces
from app.turns import Turns

if TYPE_CHECKING:
    import httpx

    from app.metrics import Metrics

logger = logging.getLogger(__name__)

BESIDE_THE_APP = Path(__file__).resolve().parents[1]
"""Where callers may name a zip, besides the folder for training pictures."""

COLLECT_AFTER = (20_000, 50, 100)
"""After how many new objects, and rounds, Python looks for cycles; its own 700 are few for a server."""

USUAL_OVER = timedelta(days=7)
"""Over which time the usual duration of each model's runs is taken."""

DESCRIPTION = """
Fine-tune FLUX on your own pictures, generate images, and keep every picture under a permanent address.
Forms and JSON are accepted alike. Errors are `application/problem+json`.
"""


class State(TypedDict):
    """What a request can reach; `app.dependencies` gives it types and names."""

    jobs: JobService
    images: ImageService
    datasets: Datasets
    fine_tunes: FineTunes
    fine_tune_libraries: Mapping[str, FineTuneLibrary]
    training_costs: TrainingCosts
    notifier: Notifier
    webhook_receivers: WebhookReceivers
    webhook_intake: WebhookIntake
    server_zips: ServerZips
    replicate_words: ReplicateWords
    access: Access
    readiness: Readiness
    metrics: "Metrics"
    turns: Turns
    stopping: asyncio.Event
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
        telemetry=FASTAPI_TELEMETRY,
    )
    add_problem_details(app)
    guard_docs(app)
    for module in (
        *(generate_image, get_image, fine_tune, training_status, jobs, deliveries),
        *(datasets, models, provider_fine_tunes, service, metrics),
        *(image_service, dreambooth, replicate_runs, webhook, local_models),
    ):
        app.include_router(module.router)
    complete_description(app)
    app.add_middleware(CrossOrigin)
    app.add_middleware(ObservedRequests)
    app.add_middleware(RequestIds)
    app.add_middleware(StartUpFaults)
    return app


def _lifespan(
    given: Settings | None, clock: Clock, transport: "httpx.AsyncBaseTransport | None"
) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[State]:
        settings = given or read_settings()
        await asyncio.to_thread(check_places, settings)
        async with AsyncExitStack() as stack:
            await _observed(settings, stack)
            yield await _wired(settings, clock, transport, stack)

    return lifespan


async def _observed(settings: Settings, stack: AsyncExitStack) -> None:
    """Logs and traces, until `stack` is closed."""
    stack.enter_context(
        logs_kept(
            json_lines=settings.log_format is LogFormat.JSON,
            level=settings.log_level.upper(),
            access_log=settings.access_log,
            secrets=settings.secrets,
        )
    )
    if settings.dd_agent_host is not None:
        host, port = settings.dd_agent_host, settings.dd_trace_agent_port
        await send_traces(DatadogAgent(host, port, settings.datadog_service_name), stack)
    if settings.otel_exporter_otlp_endpoint is not None:
        headers = settings.otel_exporter_otlp_headers
        collector = OtlpCollector(
            settings.otel_exporter_otlp_endpoint,
            settings.otel_service_name,
            headers.get_secret_value() if headers is not None else None,
        )
        await send_traces(collector, stack)


async def _wired(
    settings: Settings,
    clock: Clock,
    transport: "httpx.AsyncBaseTransport | None",
    stack: AsyncExitStack,
) -> State:
    """Every part, started, and registered with `stack` to be closed in reverse order."""
    from app.metrics import Metrics
    from app.services.jobs.door import JobDoor
    from app.services.jobs.runs import JobRuns
    from app.services.jobs.sending_gate import SendingGate
    from app.services.jobs.watchers import JobWatchers
    from app.services.long_inputs import LongInputs
    from app.services.observed_provider import ObservedProvider
    from app.services.planning import Planner
    from app.services.providers import Providers
    from app.services.reconciler import Reconciler
    from app.storage.api_keys import ApiKeyRows
    from app.storage.database import Database
    from app.storage.datasets import DatasetRows
    from app.storage.events import EventStore
    from app.storage.files import ImageFiles
    from app.storage.fine_tunes import FineTuneRows
    from app.storage.images import ImageRows
    from app.storage.jobs import JobStore
    from app.storage.long_texts import LongTexts
    from app.storage.provider_files import ProviderFileRows
    from app.storage.receivers import ReceiverStore
    from app.storage.seen_webhooks import SeenWebhooks
    from app.storage.statistics import StatisticsRows

    stopping = stack.enter_context(stop_noticed())
    database = Database(settings.database_url or f"sqlite:///{settings.database_path}")
    stack.push_async_callback(database.aclose)
    await database.start()
    store = JobStore(database)
    known_keys = KnownKeys(rows=ApiKeyRows(database), clock=clock)
    await known_keys.keep_up()
    access = _access(settings, known_keys)
    if settings.allow_open and not access.needs_key:
        logger.warning("Everybody who reaches the port is served, at your cost: there is no API key.")

    if transport is None:
        transport = await way_to_providers(settings, settings.data_dir, clock, stack)
    gates: dict[str, SendingGate] = {}
    metrics = Metrics(
        statistics=StatisticsRows(database).read,
        rooms=lambda: {name: gate.room() for name, gate in gates.items()},
        clock=clock,
    )
    black_forest = black_forest_labs(settings, transport, clock)
    providers = Providers(
        ObservedProvider(await replicate(settings, transport, clock, stack), metrics),
        ObservedProvider(black_forest, metrics),
        ObservedProvider(await local_diffusers(settings, settings.data_dir, clock, stack), metrics),
    )
    gates |= {provider.name: SendingGate(clock) for provider in providers}
    image_files = ImageFiles(settings.image_store, clock=clock)
    stack.push_async_callback(image_files.aclose)
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
        store=store, images=images, providers=providers, watchers=watchers, clock=clock, usual_seconds=usual
    )
    long_inputs = LongInputs(LongTexts(settings.data_dir / "long_inputs"))
    await long_inputs.start()
    runs = JobRuns(
        store=store,
        door=door,
        providers=providers,
        gates=gates,
        uploads=ProviderUploads(sets=training_sets, rows=ProviderFileRows(database), clock=clock),
        long_inputs=long_inputs,
        clock=clock,
        webhook_url=settings.webhook_url,
    )
    stack.push_async_callback(runs.aclose)
    await runs.start_holding()
    reconciler = Reconciler(store=store, door=door, runs=runs, providers=providers, clock=clock)
    stack.push_async_callback(reconciler.aclose)
    await reconciler.start()
    signed_with = settings.replicate_webhook_secret
    webhook_intake = WebhookIntake(
        store=store,
        door=door,
        providers=providers,
        seen=SeenWebhooks(database),
        clock=clock,
        secret=signed_with.get_secret_value() if signed_with is not None else None,
    )
    stack.push_async_callback(webhook_intake.aclose)
    poster = Poster(allow_private=settings.allow_private_webhooks)
    receivers = WebhookReceivers(store=ReceiverStore(database), poster=poster, clock=clock)
    notifier = Notifier(
        events=EventStore(database),
        jobs=store,
        receivers=receivers,
        poster=poster,
        render=lambda job: JobOut.of(job).model_dump(mode="json"),
        clock=clock,
    )
    stack.push_async_callback(notifier.aclose)
    await notifier.start()
    fine_tunes = FineTunes(rows=FineTuneRows(database), clock=clock)
    # What is there by now stays: looking through it again and again would make every caller wait.
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    warm_up = asyncio.create_task(_warm_up())
    stack.callback(warm_up.cancel)
    return State(
        jobs=JobService(
            store=store,
            door=door,
            runs=runs,
            providers=providers,
            planner=Planner(
                providers=providers,
                fine_tunes=fine_tunes,
                aliases=settings.aliases,
                default_model=None if settings.default_is_replicates else settings.replicate_model_name,
            ),
            watchers=watchers,
            images=images,
            fine_tunes=fine_tunes,
            long_inputs=long_inputs,
            clock=clock,
            stopping=stopping,
        ),
        images=images,
        datasets=Datasets(
            sets=training_sets,
            rows=DatasetRows(database),
            fetch=UrlInspector(allow_private=settings.uses_sandbox).fetch,
            clock=clock,
        ),
        fine_tunes=fine_tunes,
        fine_tune_libraries={black_forest.name: black_forest},
        training_costs=TrainingCosts(
            provider=providers.default.name,
            price_per_second=settings.training_price_per_second,
            is_charged=not settings.uses_sandbox,
            clock=clock,
        ),
        notifier=notifier,
        webhook_receivers=receivers,
        webhook_intake=webhook_intake,
        server_zips=ServerZips([settings.training_images_dir, BESIDE_THE_APP]),
        replicate_words=ReplicateWords(
            store=store, provider=providers.default, provider_url=replicate_url(settings)
        ),
        access=access,
        readiness=Readiness(
            {
                "database": database.check_writable,
                "images": images.check_writable,
                "training_images": training_sets.check_writable,
            }
        ),
        metrics=metrics,
        turns=Turns(),
        stopping=stopping,
        sync_wait=settings.sync_wait,
        upload_limit_bytes=upload_limit,
        provider_note=settings.provider_note,
        origins=settings.origins,
    )


def _access(settings: Settings, known_keys: KnownKeys) -> Access:
    login = None
    if settings.docs_username is not None and settings.docs_password is not None:
        login = DocsLogin(settings.docs_username, settings.docs_password)
    return Access(
        api_keys=settings.api_keys,
        known_keys=known_keys,
        allow_open=settings.allow_open,
        origins=settings.origins,
        public_images=settings.public_images,
        docs_login=login,
    )


async def _warm_up() -> None:
    """Load in a thread what only the first generation needs; nobody waits for it."""
    # FastAPI silences this while it prepares a route for its first request. Warnings are the same for all
    # threads, and modules that are being imported switch back to how they found them.
    warnings.filterwarnings("ignore", category=UnsupportedFieldAttributeWarning)
    for module in ("replicate", "jsonschema", "PIL.Image"):
        await asyncio.to_thread(importlib.import_module, module)


app = create_app()
