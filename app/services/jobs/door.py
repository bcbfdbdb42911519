"""The one door: every change of a job's status goes through here and is a compare-and-set."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from app.clock import Clock
from app.errors import (
    AppError,
    DownloadError,
    JobNotFoundError,
)
from app.models import Failure, FailureCode, Job, JobKind, JobStatus, JsonValue, Order
from app.services.images import ImageService
from app.services.jobs import life
from app.services.jobs.watchers import JobWatchers
from app.services.provider import Report
from app.services.providers import Providers
from app.storage.jobs import JobStore, Sending

logger = logging.getLogger(__name__)


class JobDoor:
    """Takes in what is learnt about a job, from whichever side it came."""

    def __init__(
        self,
        *,
        store: JobStore,
        images: ImageService,
        providers: Providers,
        watchers: JobWatchers,
        clock: Clock,
        usual_seconds: Mapping[str, float] | None = None,
    ) -> None:
        self._store = store
        self._images = images
        self._providers = providers
        self._watchers = watchers
        self._clock = clock
        self._usual_seconds = dict(usual_seconds or {})
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def apply(self, job: Job, report: Report) -> Job:
        """Take in a report. Pictures are on disk before the job is called succeeded.

        Raises `RunTakenError` if the run belongs to another job.
        """
        async with self._alone(job.id) as waited:
            # Whoever was before us may have taken in the same, pictures and all.
            return await self._apply(await self._get(job.id) if waited else job, report)

    async def _apply(self, job: Job, report: Report) -> Job:
        while True:
            now = self._clock.now()
            after = life.advance(job, report, now)
            if after is job:
                return await self._looked_at(job, now)
            if after.status is JobStatus.SUCCEEDED and after.kind is JobKind.GENERATION:
                after = await self._bring_home(job, after, report)
            elif after.status in (JobStatus.STARTING, JobStatus.PROCESSING):
                after = replace(after, due_at=self._next_look(after, now))
            if await self._store.change(after):
                self._announce(after)
                return after
            job = await self._get(job.id)

    async def change(self, job: Job, step: Callable[[Job, datetime], Job | None]) -> Job:
        """Apply one of `life`'s steps; None from `step` means that there is nothing to do any more."""
        async with self._alone(job.id):
            while True:
                after = step(job, self._clock.now())
                if after is None or job.status.is_final:
                    return job
                if await self._store.change(after):
                    self._announce(after)
                    return after
                job = await self._get(job.id)

    async def claim_sending(self, job: Job, order: Order, *, behind_others: bool = False) -> Job | None:
        """Mark the job as sent, with the order that goes out; None if somebody else did, or it has to wait.

        Of all who see the same revision, one gets the job back, and only that one may call the provider.
        With `behind_others` the job waits for its turn behind older ones, where the provider's limits make
        any wait.
        """
        now = self._clock.now()
        after = life.sent(replace(job, order=order), now)
        limits = self._providers.of(order.provider).limits(order.model)
        match await self._store.send(after, limits, behind_others=behind_others):
            case Sending.DONE:
                self._announce(after)
                return after
            case Sending.NO_ROOM:
                await self._store.hold([job.id], until=now)
        return None

    async def passed_over(self, job: Job, reason: str) -> Job:
        """Let the next alternative of the job's order be tried, unless somebody else has sent it."""
        return await self.change(
            job,
            lambda j, now: (
                life.passed_over(j, reason, now) if is_same_sending(j, job) and j.order.alternatives else None
            ),
        )

    async def refused(self, job: Job, code: str, detail: str, provider_details: JsonValue = None) -> Job:
        """End a job that could not be sent, with the reason, unless somebody else has sent it meanwhile."""
        failure = Failure(FailureCode(code), detail, provider_details)
        return await self.change(
            job,
            lambda j, now: life.ended(j, JobStatus.FAILED, failure, now) if is_same_sending(j, job) else None,
        )

    async def held_back(self, job: Job, error: AppError, pause: timedelta) -> Job:
        """Keep the job for later: it surely did not run, unless somebody else has sent it meanwhile."""
        return await self.change(
            job, lambda j, now: life.held_back(j, error, pause, now) if is_same_sending(j, job) else None
        )

    async def answer_lost(self, job: Job, error: AppError | None) -> Job:
        """Keep the job to be looked for at the provider, unless its id came to be known meanwhile."""
        findable = bool(self._providers.of(job.order.provider).settled_after)
        return await self.change(
            job,
            lambda j, now: (
                life.answer_lost(j, error, now, findable=findable)
                if j.may_be_running and is_same_sending(j, job)
                else None
            ),
        )

    async def _bring_home(self, job: Job, after: Job, report: Report) -> Job:
        now = self._clock.now()
        try:
            pictures = await self._images.bring_home(
                job.id,
                report.outputs,
                self._providers.of(job.order.provider).download,
                accept_missing=life.pictures_given_up(job, gone=True, now=now),
            )
        except AppError as exc:
            gone = isinstance(exc, DownloadError) and exc.gone
            logger.warning("job %s: pictures could not be fetched: %s", job.id, exc.detail)
            if not life.pictures_given_up(job, gone=gone, now=now):
                waiting = replace(after, revision=job.revision)
                return life.pictures_waiting(waiting, exc.detail, gone=gone, now=now)
            detail = f"The pictures were made but could not be fetched: {exc.detail}"
            failure = Failure(FailureCode.OUTPUTS_LOST, detail)
            return replace(after, status=JobStatus.FAILED, failure=failure, notice=None)
        missing = len(report.outputs) - len(pictures)
        if missing:
            notice = f"{missing} of {len(report.outputs)} pictures were gone before they could be fetched."
            after = replace(after, notice=f"{after.notice} {notice}" if after.notice else notice)
        return replace(after, images=pictures, fetching_since=None, gone_since=None)

    def _announce(self, job: Job) -> None:
        if job.status is JobStatus.SUCCEEDED and job.predict_seconds is not None:
            before = self._usual_seconds.get(job.order.model, job.predict_seconds)
            self._usual_seconds[job.order.model] = 0.8 * before + 0.2 * job.predict_seconds
        if job.status.is_final:
            logger.info("job %s %s", job.id, job.status)
        self._watchers.publish(job)

    async def _looked_at(self, job: Job, now: datetime) -> Job:
        if not job.status.is_final and job.upstream_id is not None:
            await self._store.hold([job.id], until=self._next_look(job, now))
        return job

    def _next_look(self, job: Job, now: datetime) -> datetime:
        return life.next_look(job, now, self._usual_seconds.get(job.order.model))

    async def _get(self, job_id: str) -> Job:
        job = await self._store.get(job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        return job

    @asynccontextmanager
    async def _alone(self, job_id: str) -> AsyncIterator[bool]:
        """One at a time for each job in this process; between processes compare-and-set decides.

        True if somebody else had to be waited for.
        """
        lock = self._locks.get(job_id)
        if lock is None:
            lock = self._locks[job_id] = asyncio.Lock()
        waited = lock.locked()
        async with lock:
            yield waited


def is_same_sending(now: Job, then: Job) -> bool:
    """Whether what the provider said to the sending of `then` is about the job as it is now."""
    return now.sent_at == then.sent_at and now.upstream_id == then.upstream_id
