"""Receivers of webhooks that answer as a test tells them, and a notifier that sends to them."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx

from app.models import EventState, EventType, Job, JobStatus, JsonValue, Progress
from app.services.notifier import Notifier
from app.services.safe_fetch import Poster
from app.services.safe_fetch.public_addresses import Address
from app.services.webhook_receivers import WebhookReceivers
from app.storage.database import Database
from app.storage.events import EventStore
from app.storage.jobs import JobStore
from app.storage.receivers import ReceiverStore
from tests.fake_provider import generation
from tests.manual_clock import ManualClock

PUBLIC = "93.184.215.14"
URL = "https://app.example/hook"


@dataclass
class FakeReceivers:
    """Every host there is. `answers` go one by one to what comes to a host; then it answers 204.

    `silent` hosts take webhooks and do not answer before `speak` is set.
    """

    answers: defaultdict[str, deque[int]] = field(default_factory=lambda: defaultdict(deque))
    addresses: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    speak: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[httpx.Request] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """What came, by the ids of the events."""
        return [request.headers["webhook-id"] for request in self.seen]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """What came, as it was written."""
        return [json.loads(request.content) for request in self.seen]

    async def resolve(self, host: str) -> Sequence[Address]:
        return [ip_address(self.addresses.get(host, PUBLIC))]

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        host = request.headers["Host"]
        if host in self.silent:
            await self.speak.wait()
        status = self.answers[host].popleft() if self.answers[host] else 204
        return httpx.Response(status, headers={"Location": "https://elsewhere.example/"})


@dataclass(frozen=True)
class Sender:
    """The part of one process that sends webhooks. Nothing happens in the background."""

    store: JobStore
    receivers: WebhookReceivers
    notifier: Notifier
    clock: ManualClock

    async def queued(
        self, number: int = 1, url: str = URL, events: Sequence[EventType] = (*EventType,)
    ) -> Job:
        """A generation of which there is nothing to tell yet."""
        queued = generation(self.clock, number, upstream_id=None)
        await self.store.add(replace(queued, webhook_url=url, webhook_events=tuple(events)))
        job = await self.store.get(queued.id)
        assert job is not None
        return job

    async def started(
        self, number: int = 1, url: str = URL, events: Sequence[EventType] = (*EventType,)
    ) -> Job:
        """A generation whose start is on record."""
        return await self.change(await self.queued(number, url, events), status=JobStatus.STARTING)

    async def ended(self, number: int = 1, url: str = URL) -> Job:
        """A generation whose end is on record, and whose receiver wants to know that alone."""
        return await self.change(
            await self.started(number, url, [EventType.COMPLETED]), status=JobStatus.FAILED
        )

    async def change(self, job: Job, *, status: JobStatus, progress: Progress | None = None) -> Job:
        """The job as it is after this change."""
        changed = replace(
            job, status=status, progress=progress, revision=job.revision + 1, updated_at=self.clock.now()
        )
        assert await self.store.change(changed)
        return changed

    async def states(self, job: Job) -> list[tuple[EventType, EventState, int]]:
        """How the events of a job stand, and how often each was sent."""
        _, events = await self.notifier.of_job(job.id)
        return [(event.type, event.state, len(deliveries)) for event, deliveries in events]

    async def send(self, seconds: float = 0) -> int:
        """Let time pass, and send what is due then."""
        self.clock.advance(seconds)
        return await self.notifier.run_once()


@asynccontextmanager
async def sender(directory: Path, world: FakeReceivers, clock: ManualClock) -> AsyncIterator[Sender]:
    """A process on the records in `directory`, which other processes may share."""
    async with AsyncExitStack() as stack:
        database = Database(f"sqlite:///{directory / 'fluxgate.db'}")
        stack.push_async_callback(database.aclose)
        await database.start()
        poster = Poster(resolver=world.resolve, transport_factory=lambda: httpx.MockTransport(world.answer))
        receivers = WebhookReceivers(store=ReceiverStore(database), poster=poster, clock=clock)
        notifier = Notifier(
            events=EventStore(database),
            jobs=JobStore(database),
            receivers=receivers,
            poster=poster,
            render=_rendered,
            clock=clock,
        )
        stack.push_async_callback(notifier.aclose)
        yield Sender(JobStore(database), receivers, notifier, clock)


def _rendered(job: Job) -> JsonValue:
    return {"id": job.id, "status": job.status.value, "revision": job.revision, "name": "Zoë"}
