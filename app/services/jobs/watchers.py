"""Tells those who wait for a job, in this process, that it changed."""

import asyncio

from app.models import Job


class JobWatchers:
    """Remembers who waits for which job."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[Job]]] = {}

    def publish(self, job: Job) -> None:
        """Wake everybody who waits for `job`."""
        for waiter in self._waiting.pop(job.id, ()):
            if not waiter.done():
                waiter.set_result(job)

    def subscribe(self, job_id: str) -> asyncio.Future[Job]:
        """A future of the job's next change; cancel it when it is no longer wanted."""
        waiter: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        waiters = self._waiting.setdefault(job_id, set())
        waiters.add(waiter)
        waiter.add_done_callback(lambda _: self._forget(job_id, waiter))
        return waiter

    def _forget(self, job_id: str, waiter: asyncio.Future[Job]) -> None:
        waiters = self._waiting.get(job_id)
        if waiters is not None:
            waiters.discard(waiter)
            if not waiters:
                del self._waiting[job_id]
