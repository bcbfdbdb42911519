"""Tells receivers what happened to jobs: sends each event until it arrives, or is given up."""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from app.clock import Clock
from app.errors import AppError, EventNotFoundError, JobNotFoundError
from app.models import Delivery, DueEvent, Event, EventState, EventType, Job, JsonValue
from app.services.safe_fetch import Poster, RefusedUrlError
from app.services.webhook_receivers import WebhookReceivers
from app.signing import sign
from app.storage.events import EventStore
from app.storage.jobs import JobStore

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.5
TICK_SECONDS_IN_TROUBLE = 5.0

LEASE = timedelta(seconds=30)
"""How long an event stays in the hands of one process: more than an attempt takes."""

AT_ONCE = 128
AT_ONCE_PER_HOST = 8
"""How many are sent at once, and how many to one host: slow hosts leave room for the others."""

GONE = 410

RETRIES: Mapping[EventType, Sequence[timedelta]] = {
    # News of moments: the end of the job waits behind them.
    EventType.START: (timedelta(seconds=5), timedelta(seconds=30)),
    EventType.PROGRESS: (timedelta(seconds=5), timedelta(seconds=30)),
    EventType.COMPLETED: (
        *(timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10)),
        *(timedelta(hours=1), timedelta(hours=6), timedelta(hours=24)),
    ),
}
"""The pauses after the first attempt, the second and so on; after the last one an event is given up."""


class Notifier:
    """Delivers events, whichever process they came from, and shows what became of them.

    `render` gives the job as callers see it.
    """

    def __init__(
        self,
        *,
        events: EventStore,
        jobs: JobStore,
        receivers: WebhookReceivers,
        poster: Poster,
        render: Callable[[Job], JsonValue],
        clock: Clock,
    ) -> None:
        self._events = events
        self._jobs = jobs
        self._receivers = receivers
        self._poster = poster
        self._render = render
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._sending: dict[asyncio.Task[None], str] = {}
        self._room = asyncio.Event()

    async def start(self) -> None:
        """Begin to deliver, again and again."""
        self._task = asyncio.create_task(self._keep_delivering())

    async def aclose(self) -> None:
        """Stop; what was being sent is sent again when its lease is over."""
        tasks = [*self._sending, *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def run_once(self) -> int:
        """Attempt what is due now, and wait for the outcome; how many attempts there were."""
        begun = await self._begin()
        await asyncio.gather(*begun)
        return len(begun)

    async def of_job(self, job_id: str) -> tuple[Job, list[tuple[Event, list[Delivery]]]]:
        """A job, and its events with the attempts to deliver them. Raises `JobNotFoundError`."""
        return await self._job(job_id), await self._events.of_job(job_id)

    async def deliver_again(self, job_id: str, event_id: str) -> tuple[Event, list[Delivery]]:
        """Let an event be sent now, and by its schedule if that fails.

        Raises `JobNotFoundError` and `EventNotFoundError`.
        """
        await self._job(job_id)
        if await self._events.deliver_again(job_id, event_id, now=self._clock.now()):
            for event, deliveries in await self._events.of_job(job_id):
                if event.id == event_id:
                    return event, deliveries
        raise EventNotFoundError(event_id)

    async def _keep_delivering(self) -> None:
        while True:
            pause = TICK_SECONDS
            self._room.clear()
            try:
                await self._begin()
            except AppError as exc:
                logger.error("which events are due cannot be seen: %s", exc.detail)
                pause = TICK_SECONDS_IN_TROUBLE
            except Exception:
                logger.exception("which events are due cannot be seen")
                pause = TICK_SECONDS_IN_TROUBLE
            await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        """Wait for that long, or until something was sent: then there is room, or a next event."""
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._room.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _begin(self) -> list[asyncio.Task[None]]:
        """Claim what is due, as far as there is room, and begin to send it."""
        room = AT_ONCE - len(self._sending)
        if room <= 0:
            return []
        now = self._clock.now()
        claimed = await self._events.claim_due(
            now=now,
            until=now + LEASE,
            limit=room,
            per_host=AT_ONCE_PER_HOST,
            busy=Counter(self._sending.values()),
        )
        begun = []
        for due in claimed:
            task = asyncio.create_task(self._attempt(due))
            self._sending[task] = due.event.host
            task.add_done_callback(self._sent)
            begun.append(task)
        return begun

    def _sent(self, task: asyncio.Task[None]) -> None:
        del self._sending[task]
        self._room.set()

    async def _attempt(self, due: DueEvent) -> None:
        """Send an event and keep the outcome. Whatever else fails, it falls due again after its lease."""
        try:
            delivery = await self._post(due)
            state, next_due = what_follows(due, delivery, self._clock.now())
            await self._events.record(due, delivery, state, next_due)
        except AppError as exc:
            logger.error("event %s could not be sent: %s", due.event.id, exc.detail)
        except Exception:
            logger.exception("event %s could not be sent", due.event.id)
        else:
            if state is EventState.GIVEN_UP:
                logger.warning("event %s was given up: %s", due.event.id, delivery.error)

    async def _post(self, due: DueEvent) -> Delivery:
        event = due.event
        # Settled before it is sent: after a kill the same goes out again, under the same id.
        payload = event.payload or await self._events.freeze(event.id, await self._payload(event))
        receiver = await self._receivers.at(due.url)
        began = self._clock.now()
        headers = sign(receiver.secrets, message_id=event.id, at=began, body=payload)
        status, error = None, None
        try:
            status = await self._poster.post(due.url, payload, headers)
            error = _complaint(status)
        except RefusedUrlError as exc:
            error = str(exc)
        except Exception:
            logger.exception("event %s could not be sent", event.id)
            error = "The service could not send it; its log tells more."
        milliseconds = round((self._clock.now() - began).total_seconds() * 1000)
        return Delivery(event.id, due.attempts + 1, began, status, error, milliseconds)

    async def _payload(self, event: Event) -> str:
        job = await self._job(event.job_id)
        envelope = {
            "type": f"job.{event.type.value}",
            "timestamp": event.created_at.isoformat().replace("+00:00", "Z"),
            "data": self._render(job),
        }
        return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))

    async def _job(self, job_id: str) -> Job:
        job = await self._jobs.get(job_id)
        if job is None:
            raise JobNotFoundError(job_id)
        return job


def what_follows(due: DueEvent, delivery: Delivery, now: datetime) -> tuple[EventState, datetime | None]:
    """How an event stands after an attempt, and when to try again."""
    retries = RETRIES[due.event.type]
    if delivery.error is None:
        return EventState.DELIVERED, None
    if delivery.status_code == GONE or delivery.attempt > len(retries):
        return EventState.GIVEN_UP, None
    return EventState.PENDING, now + retries[delivery.attempt - 1]


def _complaint(status: int) -> str | None:
    """What is wrong with an answer, in a sentence; None if nothing is."""
    if 200 <= status < 300:
        return None
    if status == GONE:
        return "The receiver answered with status 410: it wants no more of this."
    if 300 <= status < 400:
        return f"The receiver answered with status {status}; redirects are not followed."
    return f"The receiver answered with status {status}; 200 to 299 is expected."
