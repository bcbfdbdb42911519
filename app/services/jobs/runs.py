"""Carries recorded jobs to the provider, and finds the runs whose answers were lost."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime, timedelta

from app.clock import Clock
from app.errors import (
    AppError,
    ProviderAnswerLostError,
    ProviderRefusedError,
    ProviderUnavailableError,
    TrainingSetMissingError,
)
from app.models import Failure, FailureCode, Job, JobStatus
from app.services.jobs import life
from app.services.jobs.door import JobDoor
from app.services.provider import Provider
from app.services.training_sets import TrainingSets
from app.storage.jobs import JobStore

logger = logging.getLogger(__name__)

HELD_AT_ONCE = 500

SECRETS_FORGOTTEN = (
    "The service was restarted before this run was sent, and the tokens that came with the request are "
    "stored nowhere. Nothing was charged for it; please start the training again."
)


class JobRuns:
    """The jobs that this process is working on right now."""

    def __init__(
        self,
        *,
        store: JobStore,
        door: JobDoor,
        provider: Provider,
        training_sets: TrainingSets,
        clock: Clock,
    ) -> None:
        self._store = store
        self._door = door
        self._provider = provider
        self._training_sets = training_sets
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[Job]] = {}
        self._secrets: dict[str, Mapping[str, str]] = {}
        self._finders: dict[str, str] = {}
        self._holder: asyncio.Task[None] | None = None

    def start(
        self, job: Job, *, wait: timedelta | None, secrets: Mapping[str, str] | None
    ) -> asyncio.Task[Job]:
        """Send `job` in the background; the work goes on whoever stops waiting for the task."""
        if secrets:
            self._secrets[job.id] = secrets
        return self._work_on(job, self.send(job, wait=wait))

    def resume(self, job: Job) -> asyncio.Task[Job]:
        """Take up a queued job again, from the record alone."""
        return self._work_on(job, self._resumed(job))

    def is_working_on(self, job_id: str) -> bool:
        """Whether this process is sending that job at the moment."""
        return job_id in self._tasks

    async def start_holding(self) -> None:
        """Begin to renew the hold on the jobs that are being worked on."""
        self._holder = asyncio.create_task(self._keep_holding())

    async def aclose(self) -> None:
        """Let go of everything; what was under way is due at once, for whoever runs next."""
        held = list(self._tasks)
        tasks: list[asyncio.Task[object]] = [*self._tasks.values()]
        if self._holder is not None:
            tasks.append(self._holder)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._hold(held, until=self._clock.now())

    async def send(self, job: Job, *, wait: timedelta | None) -> Job:
        """Call the provider for a job, whatever comes of it; the job as it is afterwards."""
        try:
            secrets = self._secrets.get(job.id, {})
            if not secrets.keys() >= set(job.order.secrets):
                return await self._door.refused(job, FailureCode.INTERRUPTED, SECRETS_FORGOTTEN)
            if job.sent_at is None:
                ready = await self._prepared(job)
                if ready is None:
                    return job
                job = ready
            report = await self._provider.create(job.order, wait=wait, secrets=dict(secrets))
        except ProviderUnavailableError as exc:
            return await self._door.held_back(job, exc)
        except ProviderRefusedError as exc:
            return await self._door.refused(job, exc.failure_code, exc.detail)
        except TrainingSetMissingError as exc:
            return await self._door.refused(job, FailureCode.TRAINING_SET_REFUSED, exc.detail)
        except ProviderAnswerLostError as exc:
            logger.warning("job %s: %s", job.id, exc.detail)
            return await self._door.answer_lost(job, exc)
        after = await self._door.apply(job, report)
        return await self._canceled_if_asked(after)

    async def look_for(self, job: Job) -> Job:
        """Find the run of a job whose answer was lost; once it is surely absent, the job is sent again."""
        try:
            found = await self._found(job)
        except (ProviderUnavailableError, ProviderAnswerLostError) as exc:
            return await self._door.answer_lost(job, exc)
        except ProviderRefusedError as exc:
            # The list is refused, not the run: whether it was made stays unknown.
            return await self._door.answer_lost(job, exc)
        if found is not None:
            logger.info("job %s: found again as %s", job.id, found.upstream_id)
            return await self._canceled_if_asked(found)
        if not life.surely_absent(job, self._clock.now()):
            return await self._door.answer_lost(job, None)
        if job.cancel_requested:
            failure = Failure(FailureCode.CANCELED, "Canceled before the provider had begun.")
            return await self._door.change(
                job, lambda j, now: life.ended(j, JobStatus.CANCELED, failure, now)
            )
        logger.info("job %s: its run was never made; sending it again", job.id)
        job = await self._door.change(job, lambda j, now: life.unsent(j, now) if j.may_be_running else None)
        return await self.send(job, wait=None) if job.sent_at is None else job

    async def _resumed(self, job: Job) -> Job:
        if job.cancel_requested and job.sent_at is None:
            failure = Failure(FailureCode.CANCELED, "Canceled before it was sent.")
            return await self._door.change(
                job, lambda j, now: life.ended(j, JobStatus.CANCELED, failure, now)
            )
        return await (self.look_for(job) if job.may_be_running else self.send(job, wait=None))

    async def _prepared(self, job: Job) -> Job | None:
        """The job with everything in place, marked as sent; None if it is somebody else's by now."""
        order = job.order
        zip_path = None
        if order.training_set is not None:
            try:
                zip_path = await asyncio.to_thread(self._training_sets.path, order.training_set)
            except FileNotFoundError as exc:
                raise TrainingSetMissingError(order.training_set) from exc
        order = await self._provider.prepare(order, zip_path)
        return await self._door.claim_sending(job, order)

    async def _found(self, job: Job) -> Job | None:
        """The job with its own run: made from its order since it was sent, and not another job's."""
        since = job.sent_at or job.created_at
        exclude = set(job.tried)
        while True:
            report = await self._provider.find(job.order, since=since, exclude=exclude)
            if report is None:
                return None
            # An interrupted run may be another job's, given up by it; even if not, a new one is due.
            # Equal orders find the same run; the first that comes gets it.
            if not report.transient and self._finders.setdefault(report.upstream_id, job.id) == job.id:
                try:
                    owner = await self._store.with_upstream_id(report.upstream_id)
                    if owner is None or owner.id == job.id:
                        return await self._door.apply(job, report)
                finally:
                    self._finders.pop(report.upstream_id, None)
            exclude.add(report.upstream_id)

    async def cancel_upstream(self, job: Job) -> Job:
        """Cancel a job's run at the provider, looking for it first where its id is not known yet."""
        if job.may_be_running and not job.status.is_final:
            try:
                job = await self._found(job) or job
            except AppError as exc:
                logger.warning("job %s: not found to be canceled yet: %s", job.id, exc.detail)
                return job
        return await self._canceled_if_asked(job)

    async def _canceled_if_asked(self, job: Job) -> Job:
        if not job.cancel_requested or job.status.is_final or job.upstream_id is None:
            return job
        try:
            report = await self._provider.cancel(job.kind, job.upstream_id)
        except AppError as exc:
            logger.warning("job %s: could not be canceled yet: %s", job.id, exc.detail)
            return job
        return await self._door.apply(job, report)

    def _work_on(self, job: Job, work: Coroutine[None, None, Job]) -> asyncio.Task[Job]:
        task = asyncio.create_task(self._guarded(job, work))
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._forget(job.id))
        return task

    async def _guarded(self, job: Job, work: Coroutine[None, None, Job]) -> Job:
        try:
            return await work
        except Exception:
            # The job stays on record and falls due again; nothing is lost by an error of ours.
            logger.exception("job %s: working on it failed", job.id)
            return job

    def _forget(self, job_id: str) -> None:
        self._tasks.pop(job_id, None)

    async def _keep_holding(self) -> None:
        while True:
            await self._clock.sleep(life.LEASE.total_seconds() / 3)
            try:
                await self._hold(list(self._tasks), until=self._clock.now() + life.LEASE)
                await self._forget_secrets()
            except AppError as exc:
                # The next round comes before the lease is over.
                logger.error("the jobs under way could not be held: %s", exc.detail)

    async def _forget_secrets(self) -> None:
        for job_id in list(self._secrets):
            job = await self._store.get(job_id)
            if job is None or job.status.is_final:
                del self._secrets[job_id]

    async def _hold(self, job_ids: Sequence[str], *, until: datetime) -> None:
        for start in range(0, len(job_ids), HELD_AT_ONCE):
            await self._store.hold(job_ids[start : start + HELD_AT_ONCE], until=until)
