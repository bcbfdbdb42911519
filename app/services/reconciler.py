"""Finishes what nobody told us about: polls runs, looks for lost ones, resumes after a restart."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from app.clock import Clock
from app.errors import AppError, ProviderRefusedError
from app.models import Job, JobKind, JobStatus, Run
from app.services.jobs import life
from app.services.jobs.door import JobDoor
from app.services.jobs.runs import JobRuns
from app.services.provider import Provider, Report
from app.services.providers import Providers
from app.storage.jobs import JobStore
from app.working_on import working_on

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.5
TICK_SECONDS_IN_TROUBLE = 5.0
CLAIMED_AT_ONCE = 500
CALLS_AT_ONCE = 8

SWEEP_FROM = 10
"""From how many runs on pages of the provider's list cost less than asking for each by its id."""

SWEPT_FOR = timedelta(minutes=10)
"""How old a run may be to be looked for in the list, newest first; older ones would mean many pages."""


class Reconciler:
    """Looks after every job that is due, whichever process it came from."""

    def __init__(
        self, *, store: JobStore, door: JobDoor, runs: JobRuns, providers: Providers, clock: Clock
    ) -> None:
        self._store = store
        self._door = door
        self._runs = runs
        self._providers = providers
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._rounds: set[asyncio.Task[None]] = set()
        # Only calls of moments count here; pictures and uploads have limits of their own.
        self._calls = asyncio.Semaphore(CALLS_AT_ONCE)

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
            pause = TICK_SECONDS
            try:
                jobs = await self._take_up()
            except AppError as exc:
                logger.error("which jobs are due cannot be seen: %s", exc.detail)
                pause = TICK_SECONDS_IN_TROUBLE
            except Exception:
                logger.exception("which jobs are due cannot be seen")
                pause = TICK_SECONDS_IN_TROUBLE
            else:
                if jobs:
                    # Not awaited: a job that takes long must not keep the next round waiting.
                    begun = asyncio.create_task(self._carry_on(jobs))
                    self._rounds.add(begun)
                    begun.add_done_callback(self._rounds.discard)
            await self._clock.sleep(pause)

    async def _take_up(self) -> list[Job]:
        """The jobs that are due, taken in hand; those that this process is busy with are left out."""
        now = self._clock.now()
        due = await self._store.claim_due(
            now=now,
            until=now + life.LEASE,
            limit=CLAIMED_AT_ONCE,
            rooms={name: gate.room() for name, gate in self._runs.gates.items()},
            limits=lambda provider, model: self._providers.of(provider).limits(model),
        )
        return [job for job in due if self._runs.take(job.id)]

    async def _carry_on(self, jobs: Sequence[Job]) -> None:
        """Carry each job one step further. Whatever fails, it falls due again when its lease is over."""
        running = [job for job in jobs if job.upstream_id is not None]
        try:
            await _all(
                [
                    *(
                        self._look_after(of_one, provider, kind)
                        for provider in self._providers
                        for kind in JobKind
                        if (of_one := _of(running, provider.name, kind))
                    ),
                    *(self._in_hand(job, self._resume(job)) for job in jobs if job.upstream_id is None),
                ]
            )
        except asyncio.CancelledError:
            for job in jobs:
                self._runs.let_go(job.id)
            raise

    async def _look_after(self, jobs: Sequence[Job], provider: Provider, kind: JobKind) -> None:
        new = [job for job in jobs if self._clock.now() - (job.sent_at or job.created_at) < SWEPT_FOR]
        reports: dict[str, Report] = {}
        if len(new) >= SWEEP_FROM:
            oldest = min(job.sent_at or job.created_at for job in new)
            try:
                reports = await provider.sweep(kind, since=oldest - timedelta(minutes=1))
            except AppError as exc:
                logger.warning("no list of %ss from %s: %s", kind, provider.name, exc.detail)
        await _all(
            self._in_hand(job, self._look_at(job, provider, job.run, reports.get(job.run.id)))
            for job in jobs
            if job.run is not None
        )

    async def _look_at(self, job: Job, provider: Provider, run: Run, report: Report | None) -> None:
        asked = False
        try:
            if report is None:
                async with self._calls:
                    report = await provider.fetch(run)
            job = await self._door.apply(job, report)
            if not job.status.is_final and (job.cancel_requested or self._clock.now() > job.deadline):
                async with self._calls:
                    report = await provider.cancel(run)
                if report.status is JobStatus.CANCELED and not job.cancel_requested:
                    report = replace(report, failure=life.too_late(job.kind))
                job = await self._door.apply(job, report)
                asked = True
        except ProviderRefusedError as exc:
            if exc.upstream_status == 404:
                job = await self._door.change(job, life.unheard)
            logger.warning("job %s: no news from the provider: %s", job.id, exc.detail)
        except AppError as exc:
            logger.warning("job %s: not carried on: %s", job.id, exc.detail)
        finally:
            await self._door.change(job, lambda j, now: life.overdue(j, asked=asked, now=now))

    async def _resume(self, job: Job) -> None:
        if job.order.training_set is not None and job.sent_at is None:
            # An upload may take minutes.
            await self._runs.resume(job)
            return
        async with self._calls:
            await self._runs.resume(job)

    async def _in_hand(self, job: Job, work: Coroutine[None, None, None]) -> None:
        try:
            with working_on(job.id, "carried on"):
                await work
        except Exception:
            logger.exception("job %s could not be carried on", job.id)
        finally:
            self._runs.let_go(job.id)


def _of(jobs: Sequence[Job], provider: str, kind: JobKind) -> list[Job]:
    return [job for job in jobs if job.order.provider == provider and job.kind is kind]


async def _all(work: Iterable[Coroutine[None, None, None]]) -> None:
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
