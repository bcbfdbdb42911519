"""The numbers that Prometheus reads. No label can take values that callers make up."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from app.clock import Clock
from app.errors import AppError
from app.models import JobKind, JobStatus
from app.storage.statistics import Statistics

logger = logging.getLogger(__name__)

SHARED_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""Names a folder through which processes share numbers: the library's own switch, read when it is loaded."""

COUNTED_FOR = timedelta(seconds=5)
"""How long what was counted in the database is shown again."""

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120)

# They would double the number of lines.
disable_created_metrics()  # type: ignore[no-untyped-call]

Reading = Callable[[], Awaitable[Statistics]]


class Metrics:
    """Counts what happens in this process, and asks the database for the rest when somebody looks.

    `rooms` says how many waiting jobs may be sent to each provider now. Where `SHARED_DIRECTORY` is set, what
    the processes count is added up; the rooms are always those of the process that answers.
    """

    def __init__(self, *, statistics: Reading, rooms: Callable[[], Mapping[str, int]], clock: Clock) -> None:
        self._statistics = statistics
        self._rooms = rooms
        self._clock = clock
        self._counted: Statistics | None = None
        self._counted_at: datetime | None = None
        self._counting = asyncio.Lock()
        self._own = CollectorRegistry()
        self._requests = Counter(
            "fluxgate_http_requests",
            "Requests that were answered; status 499 where the caller left before.",
            ("method", "route", "status"),
            registry=self._own,
        )
        self._request_seconds = Histogram(
            "fluxgate_http_request_seconds",
            "How long requests took, until the last byte was sent.",
            ("method", "route"),
            buckets=_REQUEST_SECONDS,
            registry=self._own,
        )
        self._response_bytes = Counter(
            "fluxgate_http_response_bytes",
            "Bytes of answers' bodies that were sent.",
            ("method", "route"),
            registry=self._own,
        )
        self._call_seconds = Histogram(
            "fluxgate_provider_call_seconds",
            "How long calls to providers took, with repetitions and pauses, by what came of them.",
            ("provider", "call", "outcome"),
            buckets=_CALL_SECONDS,
            registry=self._own,
        )
        self._downloaded_bytes = Counter(
            "fluxgate_provider_download_bytes",
            "Bytes of finished pictures that came from providers.",
            ("provider",),
            registry=self._own,
        )
        # Looking a labelled number up by name costs more than counting.
        self._served: dict[tuple[str, str, int], tuple[Counter, Histogram, Counter]] = {}
        self._called: dict[tuple[str, str, str], Histogram] = {}

    def request_served(self, method: str, route: str, status: int, seconds: float, size: int) -> None:
        """One more request; `route` is the template of its path, `size` how many bytes of body were sent."""
        key = (method, route, status)
        numbers = self._served.get(key)
        if numbers is None:
            numbers = self._served[key] = (
                self._requests.labels(method, route, str(status)),
                self._request_seconds.labels(method, route),
                self._response_bytes.labels(method, route),
            )
        count, duration, sent = numbers
        count.inc()
        duration.observe(seconds)
        if size:
            sent.inc(size)

    def provider_called(self, provider: str, call: str, outcome: str, seconds: float) -> None:
        """One more call to a provider."""
        key = (provider, call, outcome)
        duration = self._called.get(key)
        if duration is None:
            duration = self._called[key] = self._call_seconds.labels(provider, call, outcome)
        duration.observe(seconds)

    def provider_downloaded(self, provider: str, size: int) -> None:
        """So many bytes more came from a provider."""
        self._downloaded_bytes.labels(provider).inc(size)

    async def page(self, accept: str) -> tuple[bytes, str]:
        """Everything in the format that the `Accept` header asks for, and the name of that format."""
        counted = await self._count()
        registry = CollectorRegistry()
        if SHARED_DIRECTORY in os.environ:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        else:
            registry.register(self._own)
            ProcessCollector(registry=registry)
        registry.register(_Counted(counted, rooms=self._rooms(), now=self._clock.now()))
        encode, media_type = choose_encoder(accept)
        # Files of all processes are read for this, and there are a thousand lines of it.
        return await asyncio.to_thread(encode, registry), media_type

    async def _count(self) -> Statistics | None:
        async with self._counting:
            if self._counted_at is None or self._clock.now() - self._counted_at >= COUNTED_FOR:
                self._counted_at = self._clock.now()
                try:
                    self._counted = await self._statistics()
                except AppError as exc:
                    logger.warning("nothing could be counted in the database: %s", exc.detail)
                    self._counted = None
            return self._counted


class _Counted(Collector):
    """What is asked for when somebody looks; `counted` is None where the database does not answer."""

    def __init__(self, counted: Statistics | None, *, rooms: Mapping[str, int], now: datetime) -> None:
        self._counted = counted
        self._rooms = rooms
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """One family of numbers after the other."""
        room = GaugeMetricFamily(
            "fluxgate_sending_room",
            "Waiting jobs that may be sent to the provider at once; 0 while it asks for patience.",
            labels=("provider",),
        )
        for provider, number in self._rooms.items():
            room.add_metric((provider,), number)
        yield room
        yield GaugeMetricFamily(
            "fluxgate_database_readable",
            "Whether the database answered; without it, what is counted there is missing here.",
            value=int(self._counted is not None),
        )
        if self._counted is not None:
            yield from self._from_database(self._counted)

    def _from_database(self, counted: Statistics) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("fluxgate_jobs", "Jobs on record.", labels=("state", "kind", "provider"))
        providers = {provider for _, _, provider in counted.jobs}
        # Zeros, too: what is missing cannot be told from what is broken.
        for provider in sorted(providers):
            for kind in JobKind:
                for state in JobStatus:
                    jobs.add_metric(
                        (state.value, kind.value, provider),
                        counted.jobs.get((state.value, kind.value, provider), 0),
                    )
        yield jobs
        oldest = counted.oldest_unsent
        yield GaugeMetricFamily(
            "fluxgate_queue_age_seconds",
            "How long the oldest job has been waiting to be sent to its provider; 0 where none waits.",
            value=max((self._now - oldest).total_seconds(), 0) if oldest is not None else 0,
        )
        yield GaugeMetricFamily("fluxgate_pictures", "Pictures on record.", value=counted.pictures)
        yield GaugeMetricFamily(
            "fluxgate_picture_bytes", "Bytes that the pictures on record take.", value=counted.picture_bytes
        )
