"""A provider that does as a test tells it, and the parts of the service that work with it."""

import asyncio
import io
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image as Picture

from app.datasets import ProviderFile
from app.errors import AppError, ProviderAnswerLostError, ProviderRefusedError
from app.models import (
    NO_LIMITS,
    Failure,
    FailureCode,
    GenerationRequest,
    Job,
    JobKind,
    JobStatus,
    Limits,
    Order,
    Run,
    TrainingRequest,
    TrainingResult,
)
from app.services.fine_tunes import FineTunes
from app.services.images import ImageService
from app.services.jobs import JobService
from app.services.jobs.door import JobDoor
from app.services.jobs.runs import JobRuns
from app.services.jobs.sending_gate import SendingGate
from app.services.jobs.watchers import JobWatchers
from app.services.long_inputs import LongInputs
from app.services.planning import Planner
from app.services.provider import ModelInfo, Report, WebhookNews
from app.services.providers import Providers
from app.services.reconciler import Reconciler
from app.services.training_sets import ProviderUploads, TrainingSets
from app.storage.database import Database
from app.storage.files import ImageFiles
from app.storage.fine_tunes import FineTuneRows
from app.storage.images import ImageRows
from app.storage.jobs import JobStore
from app.storage.long_texts import LongTexts
from app.storage.provider_files import ProviderFileRows
from tests.manual_clock import ManualClock

OUTPUT = "https://replicate.delivery/picture.png"
REAL_SECONDS = 10
"""How long a test waits, by the machine's time, for what does not depend on the clock."""


async def until(holds: Callable[[], bool]) -> None:
    """Let everything else go on until `holds`."""
    async with asyncio.timeout(REAL_SECONDS):
        while True:
            if holds():
                return
            await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Made:
    """One run at the provider: what it was made from, and when."""

    order: Order
    at: datetime


@dataclass
class FakeProvider:
    """Runs orders in memory.

    `faults` go one by one to the next creates: an answer that is lost comes after the run was made, every
    other error instead of it. `down` is raised by every call. The three gates stop calls at a point:
    `preparing` in `prepare`, `arriving` before a create is heard, `answering` before it is answered.
    """

    clock: ManualClock
    name: str = "replicate"
    settled_after: tuple[timedelta, ...] = (
        timedelta(seconds=15),
        timedelta(minutes=2),
        timedelta(minutes=10),
    )
    signs_webhooks: bool = True
    allowed: Limits = NO_LIMITS
    run_ids: str = "run"
    runs: dict[str, Report] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    files: dict[str, bytes] = field(default_factory=dict)
    faults: deque[AppError] = field(default_factory=deque)
    down: AppError | None = None
    webhooks: list[str | None] = field(default_factory=list)
    secret: str = "whsec_cmVwbGljYXRlLWVtdWxhdG9yLXRlc3Qh"  # noqa: S105 - signs for nobody else
    preparing: asyncio.Event = field(default_factory=asyncio.Event)
    arriving: asyncio.Event = field(default_factory=asyncio.Event)
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        for gate in (self.preparing, self.arriving, self.answering):
            gate.set()

    def finish(self, upstream_id: str) -> Report:
        """Let a run end well."""
        kind = self.made[upstream_id].order.kind
        outputs = (OUTPUT,) if kind is JobKind.GENERATION else ()
        result = TrainingResult("me/cat:abc") if kind is JobKind.TRAINING else None
        report = Report(JobStatus.SUCCEEDED, upstream_id, outputs=outputs, result=result)
        self.runs[upstream_id] = report
        return report

    def interrupt(self, upstream_id: str) -> Report:
        """Let a run end in a way that may pass when it is repeated."""
        failure = Failure(FailureCode.INTERRUPTED, "The run was interrupted.")
        report = Report(JobStatus.FAILED, upstream_id, failure=failure, reruns=2)
        self.runs[upstream_id] = report
        return report

    async def until_made(self, number: int = 1) -> None:
        """Return once that many runs were made."""
        await until(lambda: len(self.made) >= number)

    async def until_called(self, name: str, times: int = 1) -> None:
        """Return once that method was called so often."""
        await until(lambda: self.calls[name] >= times)

    async def plan_generation(self, request: GenerationRequest) -> Order:
        seed = request.seed if request.seed is not None else 1000 + self.calls["plan_generation"]
        self._called("plan_generation")
        return Order(
            self.name,
            JobKind.GENERATION,
            "black-forest-labs/flux-dev",
            None,
            {"prompt": request.prompt, "seed": seed},
            expected_outputs=1,
            seed=seed,
        )

    async def plan_training(self, request: TrainingRequest) -> Order:
        self._called("plan_training")
        return Order(
            self.name,
            JobKind.TRAINING,
            "ostris/flux-dev-lora-trainer",
            "e440",
            {"trigger_word": request.trigger_word},
            destination="me/cat",
            training_set=request.training_set,
            trigger_word=request.trigger_word,
            secrets=tuple(request.secrets or ()),
        )

    async def upload(self, training_set: Path) -> ProviderFile:
        self._called("upload")
        address = f"https://api.replicate.com/v1/files/{self.calls['upload']}"
        self.files[address] = await asyncio.to_thread(training_set.read_bytes)
        return ProviderFile(address, self.clock.now() + timedelta(days=1))

    async def has_file(self, address: str) -> bool:
        self._called("has_file")
        return address in self.files

    async def prepare(self, order: Order, training_set: str | None) -> Order:
        self._called("prepare")
        await self.preparing.wait()
        self._check_up()
        if training_set is not None:
            order = replace(order, input={**order.input, "input_images": training_set}, training_set=None)
        return order

    async def create(
        self,
        order: Order,
        *,
        wait: timedelta | None,
        secrets: dict[str, str],
        webhook: str | None = None,
    ) -> Report:
        self._called("create")
        self.webhooks.append(webhook)
        await self.arriving.wait()
        fault = self.faults.popleft() if self.faults else None
        if fault is not None and not isinstance(fault, ProviderAnswerLostError):
            raise fault
        upstream_id = f"{self.run_ids}{len(self.made) + 1}"
        self.made[upstream_id] = Made(order, self.clock.now())
        answer = self.runs[upstream_id] = Report(JobStatus.STARTING, upstream_id)
        await self.answering.wait()
        if fault is not None:
            raise fault
        return answer

    def limits(self, model: str) -> Limits:
        return self.allowed

    async def fetch(self, run: Run) -> Report:
        self._called("fetch")
        if run.id not in self.runs:
            raise ProviderRefusedError("Not found.", failure_code="provider_refused", upstream_status=404)
        return self.runs[run.id]

    async def sweep(self, kind: JobKind, *, since: datetime) -> dict[str, Report]:
        self._called("sweep")
        return {
            upstream_id: report
            for upstream_id, report in self.runs.items()
            if self.made[upstream_id].order.kind is kind and self.made[upstream_id].at >= since
        }

    async def find(self, order: Order, *, since: datetime, exclude: Collection[str]) -> Report | None:
        self._called("find")
        for upstream_id, made in self.made.items():
            is_its = made.order.input == order.input and made.at >= since - timedelta(minutes=1)
            if is_its and upstream_id not in exclude:
                return self.runs[upstream_id]
        return None

    async def cancel(self, run: Run) -> Report:
        self._called("cancel")
        if not self.runs[run.id].status.is_final:
            self.runs[run.id] = Report(JobStatus.CANCELED, run.id)
        return self.runs[run.id]

    async def download(self, url: str) -> AsyncIterator[bytes]:
        self._called("download")
        picture = io.BytesIO()
        Picture.new("RGB", (8, 8), "teal").save(picture, "png")
        yield picture.getvalue()

    async def models(self) -> list[ModelInfo]:
        self._called("models")
        return []

    async def webhook_secret(self) -> str:
        self._called("webhook_secret")
        return self.secret

    def read_webhook(self, body: bytes) -> WebhookNews:
        """A body that is a run's id; the report is what is known of that run."""
        upstream_id = body.decode()
        return WebhookNews(upstream_id, lambda kind: self.runs[upstream_id])

    def _called(self, name: str) -> None:
        self.calls[name] += 1
        self._check_up()

    def _check_up(self) -> None:
        if self.down is not None:
            raise self.down


@dataclass(frozen=True)
class Process:
    """One process of the service. Nothing happens in the background: a test runs the reconciler."""

    store: JobStore
    door: JobDoor
    runs: JobRuns
    reconciler: Reconciler
    jobs: JobService

    async def generate(self, prompt: str = "a lighthouse", seed: int | None = None) -> Job:
        """Start a generation and return once it was sent, whatever came of it."""
        job = await self.jobs.generate(GenerationRequest(prompt, seed=seed), wait=None)
        return await self.at_rest(job)

    async def record(self, job: Job) -> Job:
        """Put a job on record as it is."""
        await self.store.add(job)
        return job

    async def at_rest(self, job: Job) -> Job:
        """The job once this process is not working on it."""
        await until(lambda: not self.runs.has_in_hand(job.id))
        return await self.jobs.get(job.id)


@asynccontextmanager
async def process(
    directory: Path,
    provider: FakeProvider,
    clock: ManualClock,
    *others: FakeProvider,
    aliases: Mapping[str, Sequence[str]] | None = None,
    default_model: str | None = None,
) -> AsyncIterator[Process]:
    """A process on the records and pictures in `directory`, which other processes may share."""
    providers = Providers(provider, *others)
    async with AsyncExitStack() as stack:
        database = Database(f"sqlite:///{directory / 'fluxgate.db'}")
        stack.push_async_callback(database.aclose)
        await database.start()
        store, watchers = JobStore(database), JobWatchers()
        files = ImageFiles(directory / "generated_images", clock=clock)
        stack.push_async_callback(files.aclose)
        images = ImageService(files=files, rows=ImageRows(database), clock=clock)
        training_sets = TrainingSets(
            directory=directory / "training_images", limit_bytes=1_000_000, clock=clock
        )
        door = JobDoor(store=store, images=images, providers=providers, watchers=watchers, clock=clock)
        long_inputs = LongInputs(LongTexts(directory / "long_inputs"))
        runs = JobRuns(
            store=store,
            door=door,
            providers=providers,
            gates={each.name: SendingGate(clock) for each in providers},
            uploads=ProviderUploads(sets=training_sets, rows=ProviderFileRows(database), clock=clock),
            long_inputs=long_inputs,
            clock=clock,
        )
        stack.push_async_callback(runs.aclose)
        reconciler = Reconciler(store=store, door=door, runs=runs, providers=providers, clock=clock)
        stack.push_async_callback(reconciler.aclose)
        fine_tunes = FineTunes(rows=FineTuneRows(database), clock=clock)
        jobs = JobService(
            store=store,
            door=door,
            runs=runs,
            providers=providers,
            planner=Planner(
                providers=providers, fine_tunes=fine_tunes, aliases=aliases, default_model=default_model
            ),
            watchers=watchers,
            images=images,
            fine_tunes=fine_tunes,
            long_inputs=long_inputs,
            clock=clock,
        )
        yield Process(store, door, runs, reconciler, jobs)


def unsent_training(clock: ManualClock) -> Job:
    """A training that is due and was never sent."""
    now = clock.now()
    order = Order(
        "replicate",
        JobKind.TRAINING,
        "ostris/flux-dev-lora-trainer",
        "e440",
        {"trigger_word": "TOK"},
        destination="me/cat",
        trigger_word="TOK",
    )
    return Job(
        id="a" * 32,
        order=order,
        status=JobStatus.QUEUED,
        created_at=now,
        updated_at=now,
        deadline=now + timedelta(days=1),
        due_at=now,
    )


def generation(clock: ManualClock, number: int, *, upstream_id: str | None) -> Job:
    """A generation that is due, being run as `upstream_id` or never sent."""
    now = clock.now()
    job = replace(
        unsent_training(clock),
        id=f"{number:032x}",
        order=Order(
            "replicate",
            JobKind.GENERATION,
            "black-forest-labs/flux-dev",
            None,
            {"prompt": "a lighthouse", "seed": number},
            expected_outputs=1,
            seed=number,
        ),
        deadline=now + timedelta(hours=1),
    )
    if upstream_id is None:
        return job
    return replace(job, status=JobStatus.STARTING, sent_at=now, upstream_id=upstream_id)
