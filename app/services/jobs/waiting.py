"""Keeps callers waiting for a job: until it stands as they want, their time is over, or the process stops."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from app.clock import Clock
from app.errors import JobFailedError
from app.models import Failure, FailureCode, Job, JobStatus
from app.services.jobs.watchers import JobWatchers

LOOK_AGAIN_SECONDS = 2.0
"""How often a waiting caller looks at the record, for changes made by another process."""


class Waiting:
    """Waits for jobs, which `get` finds on record."""

    def __init__(
        self,
        *,
        get: Callable[[str], Awaitable[Job]],
        watchers: JobWatchers,
        clock: Clock,
        stopping: asyncio.Event,
    ) -> None:
        self._get = get
        self._watchers = watchers
        self._clock = clock
        self._stopping = stopping
        self._stop: asyncio.Future[Any] | None = None

    async def first_answer(self, task: "asyncio.Task[Job]", job: Job, wait: timedelta) -> Job:
        """What sending the job came to, if that is known in time; the work goes on either way."""
        await self.sleep_or(task, wait.total_seconds())
        return task.result() if task.done() else job

    def rest(self, job: Job, wait: timedelta | None) -> timedelta | None:
        """What is left of the time that the caller of `job` has."""
        return wait - (self._clock.now() - job.created_at) if wait is not None else None

    async def settled(self, job: Job, wait: timedelta | None, *, until_ended: bool) -> Job:
        """The job once it has ended (or, for `until_ended` false, left the queue), or time is over."""
        limit = self._clock.now() + wait if wait is not None else None
        change = self._watchers.subscribe(job.id)
        try:
            if not _is_settled(job, until_ended=until_ended):
                job = await self._get(job.id)
            while limit is not None and not _is_settled(job, until_ended=until_ended):
                rest = (limit - self._clock.now()).total_seconds()
                if rest <= 0 or self._stopping.is_set():
                    break
                await self.sleep_or(change, min(rest, LOOK_AGAIN_SECONDS))
                if change.done():
                    job, change = change.result(), self._watchers.subscribe(job.id)
                else:
                    # Another process may have changed it.
                    job = await self._get(job.id)
        finally:
            change.cancel()
        if job.status in (JobStatus.FAILED, JobStatus.CANCELED):
            raise failed_error(job)
        return job

    async def sleep_or(self, event: "asyncio.Future[Job]", seconds: float) -> None:
        """Return when `event` is done, the time is over, or the process stops; never raises."""
        if event.done():
            return
        if self._stop is None:
            self._stop = asyncio.ensure_future(self._stopping.wait())
        timer = self._clock.alarm(seconds)
        first: set[asyncio.Future[Any]] = {event, timer, self._stop}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()


def failed_error(job: Job) -> JobFailedError:
    """The error that tells a waiting caller how `job` ended."""
    failure = job.failure or Failure(FailureCode.CANCELED, "The job was canceled.")
    return JobFailedError(job.id, failure.code.value, failure.detail, failure.provider_details)


def _is_settled(job: Job, *, until_ended: bool) -> bool:
    return job.status.is_final or (not until_ended and job.status is not JobStatus.QUEUED)
