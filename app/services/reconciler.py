"""Finishes what nobody told us about: polls runs, looks for lost ones, resumes after a restart."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from app.clock import Clock
from app.errors import AppError, ProviderRefusedError
from app.models import Failure, FailureCode, Job, JobKind, JobStatus
from app.services.jobs import life
from app.services.jobs.door import JobDoor
from app.services.jobs.runs import JobRuns
from app.services.provider import Provider, Report
from app.storage.jobs import JobStore

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.5
CLAIMED_AT_ONCE = 500
CALLS_AT_ONCE = 8

SWEEP_FROM = 10
"""From how many runs on pages of the provider's list cost less than asking for each by its id."""


class Reconciler:
    """Looks after every job that is due, whichever process it came from."""

    def __init__(
        self, *, store: JobStore, door: JobDoor, runs: JobRuns, provider: Provider, clock: Clock
    ) -> None:
        self._store = store
        self._door = door
        self._runs = runs
        self._provider = provider
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._rounds: set[asyncio.Task[None]] = set()
        self._in_hand: set[str] = set()
        # Apart from each other, so that slow uploads keep nobody from hearing how runs stand.
        self._looks = asyncio.Semaphore(CALLS_AT_ONCE)
        self._sendings = asyncio.Semaphore(CALLS_AT_ONCE)

    async def start(self) -> None:
        """Begin to look, again and again."""
        self._task = asyncio.create_task(self._keep_looking())

    async def aclose(self) -> None:
        """Stop looking."""
        tasks = [*self._rounds, *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def run_once(self) -> int:
        """Take up what is due now and carry each job one step further; how many there were."""
        jobs = await self._take_up()
        await self._carry_on(jobs)
        return len(jobs)

    async def _keep_looking(self) -> None:
        while True:
            try:
                jobs = await self._take_up()
            except Exception:
                logger.exception("the reconciler could not see which jobs are due")
            else:
                # Not awaited: a job that takes long must not keep the next round waiting.
                begun = asyncio.create_task(self._carry_on(jobs))
                self._rounds.add(begun)
                begun.add_done_callback(self._rounds.discard)
            await self._clock.sleep(TICK_SECONDS)

    async def _take_up(self) -> list[Job]:
        """The jobs that are due and that this process is not busy with."""
        now = self._clock.now()
        due = await self._store.claim_due(now=now, until=now + life.LEASE, limit=CLAIMED_AT_ONCE)
        jobs = [job for job in due if job.id not in self._in_hand and not self._runs.is_working_on(job.id)]
        self._in_hand.update(job.id for job in jobs)
        return jobs

    async def _carry_on(self, jobs: Sequence[Job]) -> None:
        """Carry each job one step further. Whatever fails, it falls due again when its lease is over."""
        running = [job for job in jobs if job.upstream_id is not None]
        try:
            await _all(
                [
                    *(
                        self._look_after([job for job in running if job.kind is kind], kind)
                        for kind in JobKind
                    ),
                    *(self._resume(job) for job in jobs if job.upstream_id is None),
                ]
            )
        finally:
            self._in_hand.difference_update(job.id for job in jobs)

    async def _look_after(self, jobs: Sequence[Job], kind: JobKind) -> None:
        if not jobs:
            return
        reports: dict[str, Report] = {}
        if len(jobs) >= SWEEP_FROM:
            oldest = min(job.sent_at or job.created_at for job in jobs)
            try:
                reports = await self._provider.sweep(kind, since=oldest - timedelta(minutes=1))
            except AppError as exc:
                logger.warning("no list of %ss from the provider: %s", kind, exc.detail)
        await _all(self._look_at(job, reports.get(job.upstream_id or "")) for job in jobs)

    async def _look_at(self, job: Job, report: Report | None) -> None:
        try:
            async with self._looks:
                await self._hear_of(job, report)
        finally:
            self._in_hand.discard(job.id)

    async def _hear_of(self, job: Job, report: Report | None) -> None:
        try:
            if report is None:
                report = await self._provider.fetch(job.kind, job.upstream_id or "")
            job = await self._door.apply(job, report)
            if job.cancel_requested and not job.status.is_final:
                job = await self._runs.cancel_upstream(job)
        except ProviderRefusedError as exc:
            if exc.upstream_status == 404 and self._is_old(job):
                failure = Failure(FailureCode.OUTPUTS_LOST, "The provider does not know this run any more.")
                await self._give_up(job, failure)
                return
            logger.warning("job %s: no news from the provider: %s", job.id, exc.detail)
        except AppError as exc:
            logger.warning("job %s: no news from the provider: %s", job.id, exc.detail)
        if not job.status.is_final and self._clock.now() > job.deadline:
            await self._past_deadline(job)

    def _is_old(self, job: Job) -> bool:
        """Whether the provider has surely had the time to show a run that it made."""
        return self._clock.now() - (job.sent_at or job.created_at) > timedelta(minutes=1)

    async def _resume(self, job: Job) -> None:
        """Send what was never sent, and look for what may have been."""
        try:
            async with self._sendings:
                if self._clock.now() > job.deadline:
                    await self._past_deadline(job)
                else:
                    await self._runs.resume(job)
        finally:
            self._in_hand.discard(job.id)

    async def _past_deadline(self, job: Job) -> None:
        hours = round((job.deadline - job.created_at).total_seconds() / 3600)
        limit = "1 hour" if hours == 1 else f"{hours} hours"
        failure = Failure(FailureCode.DEADLINE_EXCEEDED, f"It did not end within {limit}.")
        if job.sent_at is None:
            detail = f"It could not be sent within {limit}; nothing was charged. {job.notice or ''}"
            failure = Failure(FailureCode.PROVIDER_UNAVAILABLE, detail.strip())
        if job.upstream_id is not None:
            try:
                report = await self._provider.cancel(job.kind, job.upstream_id)
                if report.status is JobStatus.CANCELED:
                    report = replace(report, failure=failure)
                job = await self._door.apply(job, report)
            except AppError as exc:
                logger.warning("job %s: could not be canceled at its deadline: %s", job.id, exc.detail)
        await self._give_up(job, failure)

    async def _give_up(self, job: Job, failure: Failure) -> None:
        await self._door.change(job, lambda j, now: life.ended(j, JobStatus.FAILED, failure, now))


async def _all(work: Iterable[Coroutine[None, None, None]]) -> None:
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, asyncio.CancelledError):
            raise outcome
        if isinstance(outcome, BaseException):
            logger.error("a job could not be looked after", exc_info=outcome)
