"""Any provider, with every call to it timed, counted and traced."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Collection
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Protocol, TypeVar

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from app.datasets import ProviderFile
from app.errors import (
    AppError,
    DownloadError,
    ProviderAnswerLostError,
    ProviderUnavailableError,
)
from app.models import GenerationRequest, JobKind, Limits, Order, Run, TrainingRequest
from app.services.provider import ModelInfo, Provider, Report, WebhookNews
from app.working_on import JOB_ID, NO_JOB

T = TypeVar("T")

_tracer = trace.get_tracer("fluxgate.provider")


class Outcome(StrEnum):
    """What came of a call."""

    OK = "ok"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    ANSWER_LOST = "answer_lost"
    DOWNLOAD_FAILED = "download_failed"
    CANCELED = "canceled"
    ERROR = "error"


class CallNumbers(Protocol):
    """Keeps count of calls to providers."""

    def provider_called(self, provider: str, call: str, outcome: str, seconds: float) -> None:
        """One more call."""
        ...

    def provider_downloaded(self, provider: str, size: int) -> None:
        """So many bytes more."""
        ...


class ObservedProvider:
    """Does what `provider` does and says how long it took."""

    def __init__(self, provider: Provider, numbers: CallNumbers) -> None:
        self.name = provider.name
        self.settled_after = provider.settled_after
        self.signs_webhooks = provider.signs_webhooks
        self._provider = provider
        self._numbers = numbers

    def limits(self, model: str) -> Limits:
        return self._provider.limits(model)

    async def plan_generation(self, request: GenerationRequest) -> Order:
        with self._call("plan_generation"):
            return await self._provider.plan_generation(request)

    async def plan_training(self, request: TrainingRequest) -> Order:
        with self._call("plan_training"):
            return await self._provider.plan_training(request)

    async def upload(self, training_set: Path) -> ProviderFile:
        with self._call("upload"):
            return await self._provider.upload(training_set)

    async def has_file(self, address: str) -> bool:
        with self._call("has_file"):
            return await self._provider.has_file(address)

    async def prepare(self, order: Order, training_set: str | None) -> Order:
        if order.kind is JobKind.GENERATION:
            # Nothing is called for those.
            return await self._provider.prepare(order, training_set)
        with self._call("prepare"):
            return await self._provider.prepare(order, training_set)

    async def create(
        self,
        order: Order,
        *,
        wait: timedelta | None,
        secrets: dict[str, str],
        webhook: str | None = None,
    ) -> Report:
        with self._call("create"):
            return await self._provider.create(order, wait=wait, secrets=secrets, webhook=webhook)

    async def fetch(self, run: Run) -> Report:
        with self._call("fetch"):
            return await self._provider.fetch(run)

    async def sweep(self, kind: JobKind, *, since: datetime) -> dict[str, Report]:
        with self._call("sweep"):
            return await self._provider.sweep(kind, since=since)

    async def find(self, order: Order, *, since: datetime, exclude: Collection[str]) -> Report | None:
        with self._call("find"):
            return await self._provider.find(order, since=since, exclude=exclude)

    async def cancel(self, run: Run) -> Report:
        with self._call("cancel"):
            return await self._provider.cancel(run)

    async def download(self, url: str) -> AsyncIterator[bytes]:
        call = _Call(self.name, "download", self._numbers)
        # Not made the current one: whoever reads may stop in the middle, and in another task.
        pieces = self._provider.download(url)
        try:
            while (piece := await call.timed(anext(pieces, None))) is not None:
                self._numbers.provider_downloaded(self.name, len(piece))
                yield piece
        except BaseException as exc:
            call.went_wrong(exc)
            raise
        finally:
            call.end()
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()

    async def models(self) -> list[ModelInfo]:
        with self._call("models"):
            return await self._provider.models()

    async def webhook_secret(self) -> str:
        with self._call("webhook_secret"):
            return await self._provider.webhook_secret()

    def read_webhook(self, body: bytes) -> WebhookNews:
        return self._provider.read_webhook(body)

    def _call(self, name: str) -> "_Call":
        return _Call(self.name, name, self._numbers)


class _Call:
    """One call: its time, its span, what came of it. As a context manager, all of that by itself."""

    def __init__(self, provider: str, name: str, numbers: CallNumbers) -> None:
        self.span = _tracer.start_span(f"{provider} {name}", kind=SpanKind.CLIENT)
        self.seconds = 0.0
        self._provider = provider
        self._name = name
        self._numbers = numbers
        self._outcome = Outcome.OK
        self._began = perf_counter()
        self._current: AbstractContextManager[object] | None = None

    def __enter__(self) -> None:
        if self.span.is_recording():
            self._current = trace.use_span(self.span, record_exception=False, set_status_on_exception=False)
            self._current.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._current is not None:
            self._current.__exit__(kind, error, traceback)
        if error is not None:
            self.went_wrong(error)
        self.seconds = perf_counter() - self._began
        self.end()

    async def timed(self, work: Awaitable[T]) -> T:
        """Wait for `work`; only this counts as the time that the provider took."""
        began = perf_counter()
        try:
            return await work
        finally:
            self.seconds += perf_counter() - began

    def went_wrong(self, exc: BaseException) -> None:
        """The call ended with `exc`."""
        self._outcome = _outcome_of(exc)

    def end(self) -> None:
        """Write down what there is to say."""
        self._numbers.provider_called(self._provider, self._name, self._outcome, self.seconds)
        if self.span.is_recording():
            self.span.set_attribute("fluxgate.outcome", self._outcome.value)
            if (job_id := JOB_ID.get()) != NO_JOB:
                self.span.set_attribute("fluxgate.job_id", job_id)
            if self._outcome not in (Outcome.OK, Outcome.CANCELED):
                self.span.set_status(StatusCode.ERROR)
        self.span.end()


def _outcome_of(exc: BaseException) -> Outcome:
    match exc:
        case ProviderUnavailableError():
            return Outcome.UNAVAILABLE
        case ProviderAnswerLostError():
            return Outcome.ANSWER_LOST
        case DownloadError():
            return Outcome.DOWNLOAD_FAILED
        case AppError():
            return Outcome.REFUSED
        case Exception():
            return Outcome.ERROR
    return Outcome.CANCELED
