"""The provider `local`: models on this machine, run by diffusers."""

import asyncio
import hashlib
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import NoReturn, ParamSpec, TypeVar

from app.clock import Clock
from app.datasets import ProviderFile
from app.errors import DownloadError, InvalidRequestError, ProviderRefusedError, ProviderUnavailableError
from app.models import FailureCode, GenerationRequest, JobKind, Limits, Order, Run, TrainingRequest
from app.services.local_diffusers.engine import Engine
from app.services.local_diffusers.local_models import Refused
from app.services.local_diffusers.model_settings import LocalModelSettings
from app.services.local_diffusers.painters import DiffusersPainters, Painters
from app.services.local_diffusers.run_book import RunBook
from app.services.local_diffusers.run_folder import RunFolder
from app.services.local_diffusers.run_records import canceled
from app.services.local_diffusers.stock import PROVIDER, Stock
from app.services.provider import ModelInfo, Report, WebhookNews

P = ParamSpec("P")
T = TypeVar("T")

SWEPT_EVERY_SECONDS = 3600.0

# Enough to fill the next batch while one is painted; all others wait where their place in line can be seen.
_BATCHES_AT_HAND = 2
# Longer than a step takes on most devices; what takes longer is left in the middle.
_STOPS_WITHIN_SECONDS = 5.0
_PIECE_BYTES = 1024 * 1024
_AT_ONCE = timedelta(0)

_logger = logging.getLogger(__name__)


class LocalDiffusers:
    """Runs the models that `settings` tell of, from `start` to `aclose`.

    What is known of runs lies in `folder`, where all processes on this machine see it: each can look at the
    runs of the others, cancel them, and fetch their pictures.
    """

    name = PROVIDER
    # A run is in the folder before the answer to its creation can be lost.
    settled_after: Sequence[timedelta] = (_AT_ONCE, _AT_ONCE, _AT_ONCE)
    signs_webhooks = False

    def __init__(
        self,
        *,
        settings: LocalModelSettings,
        folder: Path,
        clock: Clock,
        painters: Painters | None = None,
        at_once: int | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        """At most `at_once` pictures are painted together, and models take up to `memory_bytes` here.

        None stands for what suits the device, and for the painters of diffusers.
        """
        self._clock = clock
        painters = painters if painters is not None else DiffusersPainters(settings)
        self._stock = Stock(settings, painters)
        self._runs = RunFolder(folder, clock)
        book = RunBook(self._runs, clock)
        self._engine = Engine(book=book, painters=painters, at_once=at_once, memory_bytes=memory_bytes)
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """See which models there are, and begin to load the default one. Raises `OSError`."""
        await asyncio.to_thread(self._stock.take)
        await asyncio.to_thread(self._runs.open)
        self._sweeper = asyncio.create_task(self._keep_sweeping())
        # A thread of its own, since fetching a model may take an hour, and nobody waits for it at the end.
        threading.Thread(target=self._warm_up, name="local default model", daemon=True).start()

    async def aclose(self) -> None:
        """Stop painting within a step. What was not finished counts as interrupted."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await asyncio.to_thread(self._engine.stop, _STOPS_WITHIN_SECONDS)
        await asyncio.to_thread(self._runs.close)

    def refused(self) -> tuple[Refused, ...]:
        """Files that are no models, and what in the settings fits nothing, with the reason for each."""
        return self._stock.refused()

    def limits(self, model: str) -> Limits:
        """As many runs as fill the batch that is painted and the next."""
        runs = _BATCHES_AT_HAND * self._engine.at_once
        return Limits(in_all=runs, of_model=runs)

    async def plan_generation(self, request: GenerationRequest) -> Order:
        """The order that makes `request`; what the caller did not say is what suits the model."""
        return await asyncio.to_thread(self._stock.plan, request)

    async def create(
        self,
        order: Order,
        *,
        wait: timedelta | None,
        secrets: dict[str, str],
        webhook: str | None = None,
    ) -> Report:
        """Begin a run; with `wait`, its end is waited for so long. Nobody but the waiting is told of that."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_end() -> None:
            with suppress(RuntimeError):  # The loop may be over before the run is.
                loop.call_soon_threadsafe(ended.set)

        # In one piece, so that a caller who goes away leaves no run that nobody works on.
        run_id = await _on_disk(self._begin, order, on_end)
        if wait is not None:
            await self._wait_for(ended, wait)
        return await self._report(run_id)

    async def fetch(self, run: Run) -> Report:
        """What the run looks like now; `ProviderRefusedError` with status 404 where there is none."""
        return await self._report(run.id)

    async def sweep(self, kind: JobKind, *, since: datetime) -> dict[str, Report]:
        """All runs made since then, of all processes."""
        if kind is not JobKind.GENERATION:
            return {}
        return await _on_disk(lambda: self._runs.reports(since=since))

    async def find(self, order: Order, *, since: datetime, exclude: Collection[str]) -> Report | None:
        """The run that was made from `order` since then and is not in `exclude`."""
        return await _on_disk(lambda: self._runs.find(_digest(order), since=since, exclude=exclude))

    async def cancel(self, run: Run) -> Report:
        """End the run at once, whichever process works on it; painting stops with the step."""
        await _on_disk(self._cancel, run.id)
        return await self._report(run.id)

    async def download(self, url: str) -> AsyncIterator[bytes]:
        """The bytes of a finished picture. Raises `DownloadError`."""
        path = self._runs.picture(url)
        if path is None:
            raise DownloadError(f"{url[:100]!r} is no address of a picture that was made here.", gone=True)
        try:
            with await asyncio.to_thread(path.open, "rb") as file:
                while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                    yield piece
        except FileNotFoundError as exc:
            raise DownloadError("The picture lies on this machine no more.", gone=True) from exc
        except OSError as exc:
            raise DownloadError(f"The picture could not be read: {exc.strerror}.") from exc

    async def models(self) -> list[ModelInfo]:
        """All models on this machine, with the reason for those that cannot be used."""
        return self._stock.infos(self._engine.loaded())

    async def plan_training(self, request: TrainingRequest) -> NoReturn:
        """Not possible here."""
        raise _no_trainings()

    async def upload(self, training_set: Path) -> ProviderFile:
        """Not needed here, since there are no trainings."""
        raise _no_trainings()

    async def has_file(self, address: str) -> bool:
        """No training set was ever uploaded to here."""
        return False

    async def prepare(self, order: Order, training_set: str | None) -> Order:
        """Nothing has to be done before a generation."""
        return order

    async def webhook_secret(self) -> str:
        """There is none: nobody here sends webhooks."""
        raise _no_webhooks()

    def read_webhook(self, body: bytes) -> WebhookNews:
        """Nobody here sends webhooks."""
        raise InvalidRequestError([], detail="Local models send no webhooks.")

    def _begin(self, order: Order, on_end: Callable[[], None]) -> str:
        model, request = self._stock.read(order)
        return self._engine.submit(model, request, _digest(order), on_end)

    async def _wait_for(self, ended: asyncio.Event, wait: timedelta) -> None:
        end = asyncio.create_task(ended.wait())
        timer = asyncio.create_task(self._clock.sleep(wait.total_seconds()))
        try:
            await asyncio.wait({end, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            end.cancel()
            timer.cancel()

    async def _report(self, run_id: str) -> Report:
        report = await _on_disk(self._runs.report, run_id)
        if report is None:
            raise ProviderRefusedError(
                f"There is no run {run_id[:100]!r} of a local model.",
                failure_code=FailureCode.PROVIDER_REFUSED,
                upstream_status=HTTPStatus.NOT_FOUND,
            )
        return report

    def _cancel(self, run_id: str) -> None:
        if self._runs.report(run_id) is not None:
            self._runs.end(run_id, canceled(self._clock.now()))
            self._engine.withdraw(run_id)

    def _warm_up(self) -> None:
        model = self._stock.default_model()
        if model is not None:
            self._engine.warm_up(model)

    async def _keep_sweeping(self) -> None:
        while True:
            try:
                swept = await asyncio.to_thread(self._runs.sweep)
            except OSError as exc:
                _logger.warning("old runs of local models could not be removed: %s", exc)
            else:
                if swept:
                    _logger.info("%d old runs of local models are removed", swept)
            await self._clock.sleep(SWEPT_EVERY_SECONDS)


async def _on_disk(step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `step` in a thread. What the disk refuses did surely not run."""
    try:
        return await asyncio.to_thread(step, *args, **kwargs)
    except OSError as exc:
        raise ProviderUnavailableError(
            f"The records of local models cannot be read or written: {exc.strerror or exc}."
        ) from exc


def _digest(order: Order) -> str:
    """What two orders have in common that make the same pictures."""
    content = json.dumps([order.model, dict(order.input)], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def _no_trainings() -> ProviderRefusedError:
    return ProviderRefusedError(
        "Local models are not trained here; name a trainer of another provider.",
        failure_code=FailureCode.INPUT_REFUSED,
        upstream_status=HTTPStatus.NOT_FOUND,
    )


def _no_webhooks() -> ProviderRefusedError:
    return ProviderRefusedError(
        "Local models send no webhooks.",
        failure_code=FailureCode.PROVIDER_REFUSED,
        upstream_status=HTTPStatus.NOT_FOUND,
    )
