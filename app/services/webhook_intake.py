"""Takes in what the provider tells by webhook: verified, once each, through the same door as everything else.

A webhook is a hint that saves waiting; whatever it would have told, the reconciler finds out without it.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

from app.clock import Clock
from app.errors import (
    AppError,
    InvalidRequestError,
    JobNotFoundError,
    WebhookNotVerifiedError,
    WebhookRepeatedError,
)
from app.models import Job, Run
from app.services.jobs.door import JobDoor
from app.services.provider import Provider, Report
from app.services.providers import Providers
from app.signing import TOLERANCE, SignatureError, verify
from app.storage.jobs import JobStore, RunTakenError
from app.storage.seen_webhooks import SeenWebhooks
from app.working_on import working_on

logger = logging.getLogger(__name__)

LONGEST_ID = 255

REMEMBERED_FOR = 2 * TOLERANCE
"""How long an id is kept: one that is ahead of our clock may come again until it is as much behind."""

SECRET_ASKED_AGAIN_AFTER = timedelta(minutes=10)
"""How old the provider's secret has to be to be asked for anew because a signature does not fit.

Anybody can send a wrong signature; that must not make us ask and ask.
"""

ANSWER_SECONDS = 3.0
"""How long the sender waits for its answer at most: pictures may take longer to come home."""


HINTS_APART = timedelta(seconds=1)
"""How often a job's unsigned webhooks make us ask its provider at most."""


class WebhookIntake:
    """Verifies webhooks and passes on what they say; `secret`, where given, is the default provider's."""

    def __init__(
        self,
        *,
        store: JobStore,
        door: JobDoor,
        providers: Providers,
        seen: SeenWebhooks,
        clock: Clock,
        secret: str | None = None,
    ) -> None:
        self._store = store
        self._door = door
        self._providers = providers
        self._signer: Provider = providers.default
        self._seen = seen
        self._clock = clock
        self._given_secret = secret
        self._asked_secret: str | None = None
        self._asked_at: datetime | None = None
        self._asking = asyncio.Lock()
        self._asked: dict[str, datetime] = {}
        self._tasks: set[asyncio.Task[Exception | None]] = set()

    async def aclose(self) -> None:
        """Let go of what is under way; the reconciler finds it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def take(self, *, headers: Mapping[str, str], body: bytes, job_id: str | None) -> Job:
        """Take in one webhook, for the job `job_id` or for the one whose run it is about.

        Returns the job that it was for; soon, even if taking in what it says goes on for a while. Raises
        `WebhookNotVerifiedError`, `JobNotFoundError`, and `WebhookRepeatedError` for an id that was there.
        """
        job = await self._store.get(job_id) if job_id is not None else None
        if job is not None and not self._providers.of(job.order.provider).signs_webhooks:
            return await self._take_hint(job, body)
        message_id = await self._verified(headers, body)
        news = self._signer.read_webhook(body)
        if job_id is None:
            job = await self._store.with_upstream_id(news.upstream_id)
        else:
            job = await self._store.get(job_id)
        if job is None:
            raise JobNotFoundError(job_id if job_id is not None else news.upstream_id)
        report = news.report_as(job.kind)
        now = self._clock.now()
        if not await self._seen.claim(message_id, now=now, forget_before=now - REMEMBERED_FOR):
            raise WebhookRepeatedError(message_id)
        await self._briefly(self._apply(job, report, message_id))
        return job

    async def _take_hint(self, job: Job, body: bytes) -> Job:
        """Ask the provider about the run that an unsigned webhook names: nothing else in it is believed."""
        provider = self._providers.of(job.order.provider)
        named = provider.read_webhook(body).upstream_id
        run = job.run or (Run(job.kind, named) if job.may_be_running else None)
        if run is not None and run.id == named and not job.status.is_final and self._may_ask(job):
            await self._briefly(self._ask_about(job, run, provider))
        return job

    def _may_ask(self, job: Job) -> bool:
        now = self._clock.now()
        self._asked = {known: at for known, at in self._asked.items() if now - at < HINTS_APART}
        if job.id in self._asked:
            return False
        self._asked[job.id] = now
        return True

    async def _ask_about(self, job: Job, run: Run, provider: Provider) -> Exception | None:
        try:
            with working_on(job.id, "told by webhook"):
                await self._door.apply(job, await provider.fetch(run))
        except RunTakenError:
            logger.warning("job %s: a webhook names run %s of another job", job.id, run.id)
        except AppError as exc:
            logger.warning("job %s: a webhook came, but no news with it: %s", job.id, exc.detail)
        return None

    async def _briefly(self, work: Coroutine[None, None, Exception | None]) -> None:
        """Let `work` be done, and wait a moment for it; what went wrong in that time is raised."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait([task], timeout=ANSWER_SECONDS)
        if task.done() and (error := task.result()) is not None:
            raise error

    async def _apply(self, job: Job, report: Report, message_id: str) -> Exception | None:
        """Take the report in; what went wrong, for whoever still waits to hear it."""
        try:
            with working_on(job.id, "told by webhook"):
                await self._door.apply(job, report)
        except RunTakenError:
            logger.warning("job %s: a webhook is about run %s of another job", job.id, report.upstream_id)
        except Exception as exc:
            told = exc.detail if isinstance(exc, AppError) else repr(exc)
            logger.warning("job %s: what a webhook says was not taken in: %s", job.id, told)
            with suppress(AppError):
                await self._seen.release(message_id)
            return exc
        return None

    async def _verified(self, headers: Mapping[str, str], body: bytes) -> str:
        """The id of the webhook, which surely comes from the provider."""
        try:
            try:
                message_id = self._id_by(await self._secret(), headers, body)
            except SignatureError:
                if not await self._ask_again():
                    raise
                message_id = self._id_by(await self._secret(), headers, body)
        except SignatureError as exc:
            raise WebhookNotVerifiedError(str(exc)) from exc
        if len(message_id) > LONGEST_ID:
            raise InvalidRequestError([], detail=f"The webhook's id is longer than {LONGEST_ID} characters.")
        return message_id

    def _id_by(self, secret: str, headers: Mapping[str, str], body: bytes) -> str:
        return verify([secret], headers=headers, body=body, now=self._clock.now())

    async def _secret(self) -> str:
        if self._given_secret is not None:
            return self._given_secret
        async with self._asking:
            if self._asked_secret is None:
                self._asked_secret = await self._signer.webhook_secret()
                self._asked_at = self._clock.now()
            return self._asked_secret

    async def _ask_again(self) -> bool:
        """Get the provider's secret anew if it may have changed since it was asked for; whether it did."""
        async with self._asking:
            now = self._clock.now()
            known = self._asked_secret
            if known is None or self._asked_at is None or now - self._asked_at < SECRET_ASKED_AGAIN_AFTER:
                return False
            self._asked_at = now
            self._asked_secret = await self._signer.webhook_secret()
            return self._asked_secret != known
