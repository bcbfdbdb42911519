"""Carries recorded jobs to the provider, and finds the runs whose answers were lost."""

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import cast

from app.clock import Clock
from app.errors import (
    AppError,
    ProviderAnswerLostError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
    TrainingSetMissingError,
)
from app.models import Failure, FailureCode, Job, JobStatus, JsonValue, Order, Run
from app.services.jobs import life
from app.services.jobs.door import JobDoor, is_same_sending
from app.services.jobs.sending_gate import SendingGate
from app.services.long_inputs import LongInputs
from app.services.provider import Provider, Report
from app.services.providers import Providers
from app.services.training_sets import ProviderUploads
from app.storage.jobs import JobStore, RunTakenError
from app.working_on import working_on

logger = logging.getLogger(__name__)

HELD_AT_ONCE = 500

OTHERS_RUNS_SINCE = timedelta(hours=25)
"""How much older than a job those jobs may be whose runs it might take for its own."""

SECRETS_FORGOTTEN = (
    "The tokens that came with the request are stored nowhere and not at hand any more, so that the training "
    "could not be sent. Nothing was charged for it; please start it again."
)


class JobRuns:
    """The jobs that this process has in hand right now."""

    def __init__(
        self,
        *,
        store: JobStore,
        door: JobDoor,
        providers: Providers,
        gates: Mapping[str, SendingGate],
        uploads: ProviderUploads,
        long_inputs: LongInputs,
        clock: Clock,
        webhook_url: str | None = None,
    ) -> None:
        """`gates` are the providers' own; `webhook_url` is where they find this service, to tell of runs."""
        self.gates = gates
        self._store = store
        self._door = door
        self._providers = providers
        self._uploads = uploads
        self._long_inputs = long_inputs
        self._clock = clock
        self._webhook_url = webhook_url
        self._tasks: set[asyncio.Task[Job]] = set()
        self._in_hand: set[str] = set()
        self._secrets: dict[str, Mapping[str, str]] = {}
        self._finders: dict[str, str] = {}
        self._holder: asyncio.Task[None] | None = None

    async def start_holding(self) -> None:
        """Begin to renew the hold on the jobs that are in hand."""
        self._holder = asyncio.create_task(self._keep_holding())

    async def aclose(self) -> None:
        """Let go of everything; what was under way is due at once, for whoever runs next."""
        held = list(self._in_hand)
        tasks: list[asyncio.Task[object]] = [*self._tasks]
        if self._holder is not None:
            tasks.append(self._holder)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._hold(held, until=self._clock.now())

    def take(self, job_id: str) -> bool:
        """Take a job in hand, so that it falls due for nobody else; False if it is in hand already."""
        if job_id in self._in_hand:
            return False
        self._in_hand.add(job_id)
        return True

    def let_go(self, job_id: str) -> None:
        """Leave a job to whoever finds it due."""
        self._in_hand.discard(job_id)

    def has_in_hand(self, job_id: str) -> bool:
        """Whether this process is working on that job."""
        return job_id in self._in_hand

    def start(
        self, job: Job, *, wait: timedelta | None, secrets: Mapping[str, str] | None
    ) -> asyncio.Task[Job]:
        """Send a new job in the background; the work goes on whoever stops waiting for the task."""
        if secrets:
            self._secrets[job.id] = secrets
        self.take(job.id)
        task = asyncio.create_task(self._guarded(job, self._sent_to_the_end(job, wait)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def resume(self, job: Job) -> Job:
        """Take up a job that has no run yet, as far as is known, from its record alone."""
        # It may have waited for its turn, and somebody else may have carried it on meanwhile.
        job = await self._store.get(job.id) or job
        job = await self._door.change(job, lambda j, now: life.overdue(j, asked=False, now=now))
        if job.status.is_final or job.upstream_id is not None:
            return job
        if job.may_be_running:
            return await self.look_for(job)
        if job.cancel_requested:
            return await self._door.change(
                job, lambda j, now: life.canceled_unsent(j, now) if j.sent_at is None else None
            )
        return await self.send(job, wait=None)

    async def send(self, job: Job, *, wait: timedelta | None, is_new: bool = False) -> Job:
        """Call the provider for a job, and the next one where that cost nothing and there is an alternative.

        The job as it is afterwards. A new job waits for its turn behind older ones.
        """
        while True:
            order = job.order
            job = await self._sent_once(job, wait, is_new=is_new)
            if job.order.provider == order.provider and job.order.model == order.model:
                return job
            if job.status is not JobStatus.QUEUED or job.sent_at is not None:
                return job
            is_new = False

    async def _sent_once(self, job: Job, wait: timedelta | None, *, is_new: bool) -> Job:
        provider, gate = self._providers.of(job.order.provider), self.gates[job.order.provider]
        secrets = self._secrets.get(job.id, {})
        if not secrets.keys() >= set(job.order.secrets):
            return await self._door.refused(job, FailureCode.INTERRUPTED, SECRETS_FORGOTTEN)
        try:
            ready = await self._ready(job, is_new=is_new)
            if ready is None:
                return job
            job = ready
            order = await self._long_inputs.put_back(job.order)
            report = await provider.create(
                order, wait=wait, secrets=dict(secrets), webhook=self._webhook_of(job)
            )
        except ProviderUnavailableError as exc:
            pause = gate.refused(exc.retry_after)
            if job.order.alternatives:
                return await self._door.passed_over(job, exc.detail)
            return await self._door.held_back(job, exc, pause)
        except ProviderRefusedError as exc:
            if job.order.alternatives and exc.failure_code in life.NOT_THE_REQUESTS_FAULT:
                return await self._door.passed_over(job, exc.detail)
            details = cast(JsonValue, exc.provider_details)
            return await self._door.refused(job, exc.failure_code, exc.detail, details)
        except TrainingSetMissingError as exc:
            return await self._door.refused(job, FailureCode.TRAINING_SET_REFUSED, exc.detail)
        except ProviderAnswerLostError as exc:
            logger.warning("job %s: %s", job.id, exc.detail)
            return await self._door.answer_lost(job, exc)
        gate.accepted()
        return await self._answered(job, report)

    async def look_for(self, job: Job) -> Job:
        """Find the run of a job whose answer was lost; once it is surely absent, the job is due again."""
        settled_after = self._provider_of(job).settled_after
        if not settled_after:
            if job.unknown_since is None:
                return await self._door.answer_lost(job, None)
            return await self._door.change(job, life.given_up_unknown)
        try:
            found = await self._found(job)
        except ProviderError as exc:
            # A list that is refused tells nothing of the run.
            return await self._door.answer_lost(job, exc)
        if found is not None:
            logger.info("job %s: found again as %s", job.id, found.upstream_id)
            return await self._canceled_if_asked(found)
        if not life.surely_absent(job, self._clock.now(), settled_after):
            return await self._door.answer_lost(job, None)
        if job.cancel_requested:
            failure = Failure(FailureCode.CANCELED, "Canceled before the provider had begun.")
            return await self._door.change(
                job,
                lambda j, now: (
                    life.ended(j, JobStatus.CANCELED, failure, now) if is_same_sending(j, job) else None
                ),
            )
        logger.info("job %s: its run was never made", job.id)
        return await self._door.change(
            job, lambda j, now: life.unsent(j, now, settled_after) if is_same_sending(j, job) else None
        )

    async def cancel_upstream(self, job: Job) -> Job:
        """Cancel a job's run at the provider, looking for it first where its id is not known yet."""
        if job.may_be_running and not self._provider_of(job).settled_after:
            return await self._door.change(job, life.canceled_unknown)
        if job.may_be_running and not job.status.is_final:
            try:
                job = await self._found(job) or job
            except AppError as exc:
                logger.warning("job %s: not found to be canceled yet: %s", job.id, exc.detail)
                return job
        return await self._canceled_if_asked(job)

    async def _sent_to_the_end(self, job: Job, wait: timedelta | None) -> Job:
        job = await self.send(job, wait=wait, is_new=True)
        # No other process could send it, since only this one has its secrets.
        while job.order.secrets and job.status is JobStatus.QUEUED and job.sent_at is None:
            pause = (job.due_at - self._clock.now()).total_seconds() if job.due_at is not None else 0.0
            await self._clock.sleep(max(pause, 1.0))
            job = await self.resume(job)
        return job

    async def _ready(self, job: Job, *, is_new: bool) -> Job | None:
        """The job with everything in place, marked as sent just now; None if it is not to be sent now."""
        if job.sent_at is None:
            order = await self._prepared(job)
            return await self._door.claim_sending(job, order, behind_others=is_new)
        if self._clock.now() - job.sent_at > life.LEASE / 2:
            # This process was stopped in between; another may think that it is gone.
            return await self._door.claim_sending(job, job.order)
        return job

    def _webhook_of(self, job: Job) -> str | None:
        return f"{self._webhook_url}/webhook/{job.id}" if self._webhook_url is not None else None

    async def _prepared(self, job: Job) -> Order:
        # A job that is sent again needs its pictures again: they may be gone from the provider by now.
        sha256 = job.order.training_set or job.dataset_id
        provider = self._provider_of(job)
        address = await self._uploads.address_of(sha256, provider) if sha256 is not None else None
        return await provider.prepare(job.order, address)

    def _provider_of(self, job: Job) -> Provider:
        return self._providers.of(job.order.provider)

    async def _answered(self, job: Job, report: Report) -> Job:
        try:
            after = await self._door.apply(job, report)
        except RunTakenError:
            # A job with the same order looked for its own run and found this one; its own will be ours.
            return await self._door.answer_lost(job, None)
        if report.upstream_id not in (after.upstream_id, *after.tried):
            logger.error("job %s: run %s is one too many and is canceled", job.id, report.upstream_id)
            try:
                await self._provider_of(job).cancel(Run(job.kind, report.upstream_id, report.url))
            except AppError as exc:
                logger.error("job %s: that run could not be canceled: %s", job.id, exc.detail)
        return await self._canceled_if_asked(after)

    async def _found(self, job: Job) -> Job | None:
        """The job with its own run: made from its order since it was recorded, and not another job's."""
        others = await self._store.upstream_ids(since=job.created_at - OTHERS_RUNS_SINCE)
        exclude = {*others, *job.tried}
        order = job.order
        # Without what was set aside no run can be told to be this job's, and it cannot be sent again either.
        with suppress(ProviderRefusedError):
            order = await self._long_inputs.put_back(job.order)
        while True:
            report = await self._provider_of(job).find(order, since=job.created_at, exclude=exclude)
            if report is None:
                return None
            # An interrupted run may be another job's, given up by it; even if not, a new one is due.
            # Equal orders find the same run; the first that comes gets it.
            if not report.transient and self._finders.setdefault(report.upstream_id, job.id) == job.id:
                try:
                    return await self._door.apply(job, report)
                except RunTakenError:
                    logger.info("job %s: run %s is another job's", job.id, report.upstream_id)
                finally:
                    self._finders.pop(report.upstream_id, None)
            exclude.add(report.upstream_id)

    async def _canceled_if_asked(self, job: Job) -> Job:
        if not job.cancel_requested or job.status.is_final or job.run is None:
            return job
        try:
            report = await self._provider_of(job).cancel(job.run)
        except AppError as exc:
            logger.warning("job %s: could not be canceled yet: %s", job.id, exc.detail)
            return job
        return await self._door.apply(job, report)

    async def _guarded(self, job: Job, work: Coroutine[None, None, Job]) -> Job:
        try:
            with working_on(job.id, "sent"):
                return await work
        except Exception:
            # The job stays on record and falls due again; nothing is lost by an error of ours.
            logger.exception("job %s: working on it failed", job.id)
            return job
        finally:
            self.let_go(job.id)

    async def _keep_holding(self) -> None:
        while True:
            await self._clock.sleep(life.LEASE.total_seconds() / 3)
            try:
                await self._hold(list(self._in_hand), until=self._clock.now() + life.LEASE)
                await self._forget_secrets()
            except Exception:
                # Another round comes before the lease is over.
                logger.exception("the jobs in hand could not be held")

    async def _forget_secrets(self) -> None:
        for job_id in list(self._secrets):
            job = await self._store.get(job_id)
            if job is None or job.status.is_final:
                del self._secrets[job_id]

    async def _hold(self, job_ids: Sequence[str], *, until: datetime) -> None:
        for start in range(0, len(job_ids), HELD_AT_ONCE):
            await self._store.hold(job_ids[start : start + HELD_AT_ONCE], until=until)
