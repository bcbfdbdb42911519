"""The verbs on jobs: start, follow, list, cancel."""

import asyncio
import hashlib
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from app.clock import Clock
from app.errors import (
    AppError,
    IdempotencyKeyReusedError,
    JobNotFoundError,
    ProviderRefusedError,
)
from app.models import (
    NO_LIMITS,
    FineTune,
    GenerationRequest,
    Job,
    JobKind,
    JobPage,
    JobStatus,
    Order,
    Run,
    TrainingRequest,
)
from app.services.cursors import read_cursor, write_cursor
from app.services.fine_tunes import FineTunes
from app.services.images import ImageService
from app.services.jobs import life
from app.services.jobs.door import JobDoor
from app.services.jobs.runs import JobRuns
from app.services.jobs.waiting import LOOK_AGAIN_SECONDS, Waiting
from app.services.jobs.watchers import JobWatchers
from app.services.long_inputs import LongInputs
from app.services.planning import Plan, Planner
from app.services.provider import ModelInfo
from app.services.providers import Providers
from app.storage.jobs import JobStore

logger = logging.getLogger(__name__)

FRESH_FOR = timedelta(seconds=1)
"""How old what we know of a run may be before a caller's question is passed on to the provider."""

QUESTIONS_A_SECOND = 5
"""How many callers' questions are passed on at most; the others are answered from the record."""


class JobService:
    """What callers can do with jobs."""

    def __init__(
        self,
        *,
        store: JobStore,
        door: JobDoor,
        runs: JobRuns,
        providers: Providers,
        planner: Planner,
        watchers: JobWatchers,
        images: ImageService,
        fine_tunes: FineTunes,
        long_inputs: LongInputs,
        clock: Clock,
        stopping: asyncio.Event | None = None,
    ) -> None:
        self._store = store
        self._door = door
        self._runs = runs
        self._providers = providers
        self._planner = planner
        self._watchers = watchers
        self._images = images
        self._fine_tunes = fine_tunes
        self._long_inputs = long_inputs
        self._clock = clock
        self._waiting = Waiting(
            get=self.get, watchers=watchers, clock=clock, stopping=stopping or asyncio.Event()
        )
        self._asked: dict[str, datetime] = {}

    async def generate(
        self,
        request: GenerationRequest,
        *,
        idempotency_key: str | None = None,
        wait: timedelta | None,
        under_way: Callable[[], None] = lambda: None,
        sample_of: FineTune | None = None,
    ) -> Job:
        """Make pictures. With `wait`, the answer comes when they are there or that time is over.

        `under_way` is called once the job is on record and being sent, before any waiting. The pictures are
        kept as the sample of `sample_of`.
        Raises `JobFailedError` if the job ended without pictures while we waited.
        """
        digest = _digest(request) if idempotency_key else None
        known = await self._known(idempotency_key, digest)
        if known is not None:
            return await self._waiting.settled(known, wait, until_ended=True)
        plan = await self._planner.plan(request)
        await self._images.ready()
        # Nothing has to be prepared for a generation, so it is recorded as sent and then sent; unless the
        # provider asked for patience, then it queues behind those that wait, or takes only so many.
        at_once = self._runs.gates[plan.order.provider].is_wide_open
        unlimited = self._providers.of(plan.order.provider).limits(plan.order.model) == NO_LIMITS
        job, is_new = await self._record(
            request, plan, idempotency_key, digest, sent=at_once and unlimited, begun=at_once
        )
        if sample_of is not None:
            await self._fine_tunes.set_sample_job(sample_of, job.id)
        if is_new and at_once:
            task = self._runs.start(job, wait=wait, secrets=None)
            under_way()
            if wait is None:
                return job
            job = await self._waiting.first_answer(task, job, wait)
        under_way()
        return await self._waiting.settled(job, self._waiting.rest(job, wait), until_ended=True)

    async def train(
        self,
        request: TrainingRequest,
        *,
        idempotency_key: str | None = None,
        wait: timedelta | None,
    ) -> Job:
        """Fine-tune a model. With `wait`, the answer comes when the provider has accepted.

        Raises `JobFailedError` if it refused while we waited.
        """
        digest = _digest(request) if idempotency_key else None
        known = await self._known(idempotency_key, digest)
        if known is not None:
            return await self._waiting.settled(known, wait, until_ended=False)
        order = await self._providers.for_model(request.trainer).plan_training(request)
        job, is_new = await self._record(
            request, Plan(order), idempotency_key, digest, sent=False, begun=True
        )
        if is_new:
            task = self._runs.start(job, wait=None, secrets=request.secrets)
            if wait is None:
                return job
            job = await self._waiting.first_answer(task, job, wait)
        return await self._waiting.settled(job, self._waiting.rest(job, wait), until_ended=False)

    async def check_training(self, request: TrainingRequest) -> None:
        """Raise `InvalidRequestError` for a destination or options that the trainer would refuse."""
        await self._providers.for_model(request.trainer).plan_training(request)

    async def get(self, job_id: str) -> Job:
        """One job, as it is on record."""
        job = await self._store.get(job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        return job

    async def refresh(self, job_id: str) -> Job:
        """One job, after a question to the provider if what we know is old and not too many ask."""
        job = await self.get(job_id)
        if job.status.is_final or job.run is None or not self._may_ask(job):
            return job
        try:
            return await self._door.apply(job, await self._providers.of(job.order.provider).fetch(job.run))
        except AppError as exc:
            logger.warning("job %s: no news from the provider: %s", job.id, exc.detail)
            return job

    def _may_ask(self, job: Job) -> bool:
        now = self._clock.now()
        if now - self._asked.get(job.id, job.created_at) < FRESH_FOR:
            return False
        self._asked = {known: asked for known, asked in self._asked.items() if now - asked < FRESH_FOR}
        if len(self._asked) >= QUESTIONS_A_SECOND:
            return False
        self._asked[job.id] = now
        return True

    async def prediction(self, prediction_id: str) -> Job:
        """A generation by our id or by the provider's."""
        job = await self._store.get(prediction_id) or await self._store.with_upstream_id(prediction_id)
        if job is None or job.kind is not JobKind.GENERATION:
            raise JobNotFoundError(prediction_id)
        return await self.refresh(job.id)

    async def training(self, training_id: str) -> Job:
        """A training by our id or by the provider's, also one that was started elsewhere."""
        job = await self._store.get(training_id) or await self._store.with_upstream_id(training_id)
        if job is not None:
            if job.kind is not JobKind.TRAINING:
                raise JobNotFoundError(training_id)
            return await self.refresh(job.id)
        return await self._training_elsewhere(training_id)

    async def list(
        self, *, kind: JobKind | None, status: JobStatus | None, cursor: str | None, limit: int
    ) -> JobPage:
        """Jobs, newest first."""
        before = read_cursor(cursor) if cursor else None
        jobs = await self._store.page(kind=kind, status=status, before=before, limit=limit + 1)
        more = len(jobs) > limit
        page = tuple(jobs[:limit])
        return JobPage(page, next_cursor=write_cursor(page[-1]) if more else None)

    async def cancel(self, job_id: str) -> Job:
        """Stop a job. One that has ended stays as it is; the answer says how it really stands."""
        job = await self.get(job_id)
        if job.status.is_final:
            return job
        job = await self._door.change(
            job, lambda j, now: life.canceled_unsent(j, now) if j.sent_at is None else None
        )
        if job.status.is_final:
            return job
        job = await self._door.change(
            job, lambda j, now: None if j.cancel_requested else life.cancel_asked(j, now)
        )
        return await self._runs.cancel_upstream(job)

    async def watch(self, job_id: str, *, after_revision: int | None) -> AsyncIterator[Job]:
        """The job now and whenever it changed, until it has ended; only revisions above the given one."""
        seen = after_revision if after_revision is not None else 0
        while True:
            change = self._watchers.subscribe(job_id)
            try:
                # The record alone: the reconciler asks the provider, once for however many watch.
                job = await self.get(job_id)
                if job.revision > seen:
                    seen = job.revision
                    yield job
                if job.status.is_final:
                    return
                await self._waiting.sleep_or(change, LOOK_AGAIN_SECONDS)
            finally:
                change.cancel()

    async def sample(
        self,
        alias: str,
        request: GenerationRequest,
        *,
        idempotency_key: str | None = None,
        wait: timedelta | None,
    ) -> Job:
        """Make a picture with a fine-tune and keep it as its sample. An empty prompt becomes a usual one."""
        fine_tune = await self._fine_tunes.get(alias)
        prompt = request.prompt or f"a photo of {fine_tune.trigger_word or fine_tune.alias}"
        model = f"{fine_tune.model}:{fine_tune.version}"
        request = replace(request, prompt=prompt, model=model)
        return await self.generate(request, idempotency_key=idempotency_key, wait=wait, sample_of=fine_tune)

    async def models(self) -> Sequence[ModelInfo]:
        """The models that the providers offer; one that cannot tell at present is left out."""
        found: list[ModelInfo] | None = None
        fault: AppError | None = None
        for provider in self._providers:
            try:
                found = [*(found or ()), *await provider.models()]
            except AppError as exc:
                logger.info("no list of models from %s: %s", provider.name, exc.detail)
                fault = fault or exc
        if found is None and fault is not None:
            raise fault
        return [*(found or ()), *self._aliases()]

    def _aliases(self) -> Sequence[ModelInfo]:
        return [
            ModelInfo(
                name=name,
                provider=self._providers.for_model(models[0]).name,
                description=f"Stands for {', else '.join(models)}.",
            )
            for name, models in self._planner.aliases.items()
        ]

    async def place(self, job: Job) -> int | None:
        """How far back in the queue of its provider a job is that waits to be sent, from 1; else None."""
        if job.status is not JobStatus.QUEUED or job.sent_at is not None:
            return None
        return await self._store.place(job)

    async def _known(self, idempotency_key: str | None, digest: str | None) -> Job | None:
        job = await self._store.with_key(idempotency_key) if idempotency_key else None
        if job is not None and idempotency_key and job.request_digest != digest:
            raise IdempotencyKeyReusedError(idempotency_key)
        return job

    async def _record(
        self,
        request: GenerationRequest | TrainingRequest,
        plan: Plan,
        idempotency_key: str | None,
        digest: str | None,
        *,
        sent: bool,
        begun: bool,
    ) -> tuple[Job, bool]:
        """The job on disk, and whether it is new; an identical request under the same key joins it.

        `begun` says that this process goes on with it at once, `sent` that it is recorded as sent already.
        """
        order = await self._long_inputs.set_aside(plan.order)
        now = self._clock.now()
        job = Job(
            id=uuid.uuid4().hex,
            order=order,
            status=JobStatus.QUEUED,
            created_at=now,
            updated_at=now,
            deadline=life.deadline_to_end(order.kind, now),
            due_at=now + life.LEASE if begun else now,
            sent_at=now if sent else None,
            idempotency_key=idempotency_key,
            request_digest=digest,
            dataset_id=order.training_set,
            webhook_url=request.webhook.url if request.webhook else None,
            webhook_events=request.webhook.events if request.webhook else (),
            warnings=plan.warnings,
            passed_over=plan.passed_over,
        )
        if not sent:
            job = replace(job, deadline=life.deadline_to_be_sent(job))
        if await self._store.add(job):
            return job, True
        known = await self._known(idempotency_key, digest)
        if known is None:
            raise JobNotFoundError(job.id)
        return known, False

    async def _training_elsewhere(self, training_id: str) -> Job:
        try:
            report = await self._providers.default.fetch(Run(JobKind.TRAINING, training_id))
        except ProviderRefusedError as exc:
            if exc.upstream_status == 404:
                raise JobNotFoundError(training_id) from exc
            raise
        now = self._clock.now()
        began = report.started_at or now
        unknown = Job(
            id=training_id,
            order=Order(
                provider=self._providers.default.name,
                kind=JobKind.TRAINING,
                model="",
                version=report.version,
                input={},
                destination=report.result.version.partition(":")[0] if report.result else None,
            ),
            status=JobStatus.QUEUED,
            created_at=began,
            updated_at=now,
            deadline=life.deadline_to_end(JobKind.TRAINING, now),
            due_at=None,
            sent_at=began,
        )
        # Nobody here can run it again.
        return life.advance(unknown, replace(report, reruns=0), now)


def _digest(request: GenerationRequest | TrainingRequest) -> str:
    values = {name: value for name, value in asdict(request).items() if name != "secrets"}
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()
