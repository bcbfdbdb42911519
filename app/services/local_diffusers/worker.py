"""One model's own thread: loads it, paints with it, and frees its memory when another model needs room."""

import logging
import threading
from collections.abc import Callable, Sequence

from app.errors import AppError, InvalidRequestError, ProviderRefusedError
from app.models import FailureCode
from app.services.local_diffusers.batching import PaintRun, PictureQueue, WantedPicture, batch_of
from app.services.local_diffusers.failures import OutOfMemoryError
from app.services.local_diffusers.local_models import LocalModel
from app.services.local_diffusers.memory import ModelMemory
from app.services.local_diffusers.paint_batches import PaintBatch
from app.services.local_diffusers.painters import Painter, Painters
from app.services.local_diffusers.run_book import RunBook

_logger = logging.getLogger(__name__)
_MIB = 2**20


class PaintingAbandonedError(Exception):
    """Nobody wants any picture of the batch any more."""


class Worker:
    """The only one who touches its model's painter, from one thread, batch by batch.

    `changed` guards what the threads share: the queues, `memory` and `stopping`. It is never held while
    something is loaded, painted or written.
    """

    def __init__(
        self,
        model: LocalModel,
        *,
        painters: Painters,
        memory: ModelMemory,
        book: RunBook,
        at_once: Callable[[], int],
        changed: threading.Condition,
        stopping: threading.Event,
    ) -> None:
        self.model = model
        self.name = model.name
        self.queue = PictureQueue()
        self._painters = painters
        self._memory = memory
        self._book = book
        self._at_once = at_once
        self._changed = changed
        self._stopping = stopping
        self._warming = False
        self._fewer: dict[tuple[int, int], int] = {}
        # A daemon, so that a step of minutes does not keep the process from ending.
        self._thread = threading.Thread(target=self._live, name=f"local model {model.name}", daemon=True)

    def call(self, *, warm: bool = False) -> None:
        """Have the thread look at the queue, or load the model without need. With `changed` held."""
        self._warming = self._warming or warm
        if self._thread.ident is None:
            self._thread.start()
        self._changed.notify_all()

    def join(self, seconds: float) -> bool:
        """Wait for the end of the thread; False if it has not come by then."""
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def _is_wanted(self) -> bool:
        return bool(self.queue) or self._warming

    def _live(self) -> None:
        while not self._stopping.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._stopping.is_set() or self._is_wanted)
            try:
                if self._has_turn() and (painter := self._loaded()) is not None:
                    self._paint_until_told_to_leave(painter)
            except Exception as exc:
                with self._changed:
                    self._warming = False
                    waiting = self.queue.runs
                self._fail(waiting, exc, doing="loaded")
            finally:
                self._leave()

    def _has_turn(self) -> bool:
        """Wait for room in memory, and take it; False where the model is wanted no more."""
        capacity = self._painters.capacity()
        needed = self._painters.bytes_needed(self.model)
        with self._changed:
            self._memory.learn(capacity)
            if (limit := self._memory.limit_below(needed)) is not None:
                raise OutOfMemoryError(
                    f"{self.name!r} needs about {needed // _MIB:,} MiB and LOCAL_MEMORY_MB allows "
                    f"{limit // _MIB:,}; raise it, or take a smaller model."
                )
            self._memory.wish(self.name, needed)
            self._changed.notify_all()  # Those who have to make room wait for this.
            self._changed.wait_for(
                lambda: self._stopping.is_set() or not self._is_wanted or self._memory.may_load(self.name)
            )
            if self._stopping.is_set() or not self._is_wanted:
                self._memory.take_back(self.name)
                return False
            self._memory.begin_load(self.name)
        return True

    def _loaded(self) -> Painter | None:
        """The model; None where it has to wait until another, which claimed all memory, needs it no more."""
        began = self._book.now()
        _logger.info("model %s is being loaded", self.name)
        painter = self._loaded_with_all_memory_if_need_be()
        if painter is None:
            return None
        size = painter.weight_bytes
        with self._changed:
            self._warming = False
            self._memory.loaded(self.name, size)
            self._memory.share(self.name)
            self._changed.notify_all()
        self._fewer.clear()
        seconds = (self._book.now() - began).total_seconds()
        _logger.info("model %s is loaded: %d MiB, %.1f s", self.name, size // _MIB, seconds)
        return painter

    def _loaded_with_all_memory_if_need_be(self) -> Painter | None:
        try:
            return self._painters.load(self.model)
        except OutOfMemoryError as exc:
            if self._is_alone():
                raise
            _logger.warning("model %s: %s", self.name, exc.detail)
        # Outside of the handler, whose exception keeps alive what was loaded so far.
        return self._painters.load(self.model) if self._made_alone() else None

    def _paint_until_told_to_leave(self, painter: Painter) -> None:
        try:
            while (pictures := self._next_pictures()) is not None:
                shortage = self._paint(painter, self._book.still_wanted(pictures))
                again = shortage is not None and self._will_try_with_less(pictures, shortage)
                with self._changed:
                    self._memory.end_use(self.name)
                    if not again:
                        self._memory.share(self.name)
                    self._changed.notify_all()
        finally:
            painter.unload()
            _logger.info("model %s is unloaded", self.name)

    def _next_pictures(self) -> list[WantedPicture] | None:
        """Wait for something to paint; None if the model has to go."""
        with self._changed:
            if not self.queue:
                # What all memory was claimed for may have been canceled.
                self._memory.share(self.name)
                self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._stopping.is_set() or bool(self.queue) or self._memory.must_leave(self.name)
            )
            if self._stopping.is_set() or self._memory.must_leave(self.name):
                return None
            self._memory.begin_use(self.name)
            return self.queue.take(self._most_of)

    def _most_of(self, shape: PaintBatch) -> int:
        return min(self._at_once(), self._fewer.get((shape.width, shape.height), self._at_once()))

    def _paint(self, painter: Painter, pictures: Sequence[WantedPicture]) -> OutOfMemoryError | None:
        """Paint pictures of one shape, or have their runs fail; the answer is why they may be tried again."""
        if not pictures:
            return None

        def after_step(step: int, steps: int) -> None:
            wanted = [] if self._stopping.is_set() else self._book.still_wanted(pictures)
            if not wanted:
                raise PaintingAbandonedError
            self._book.step_done(wanted, step, steps)

        self._book.begin(pictures)
        try:
            for picture, image in zip(pictures, painter.paint(batch_of(pictures), after_step), strict=True):
                self._book.finish(picture, image)
        except PaintingAbandonedError:
            pass
        except OutOfMemoryError as exc:
            return exc.with_traceback(None)  # Which would keep alive all that was painted until then.
        except Exception as exc:
            self._fail(runs_of(pictures), exc, doing="painted")
        return None

    def _will_try_with_less(self, pictures: Sequence[WantedPicture], shortage: OutOfMemoryError) -> bool:
        """Put back what ran out of memory: for half as many at once, and with all memory for this model.

        False for a single picture that had all of it: its run fails.
        """
        size = (pictures[0].shape.width, pictures[0].shape.height)
        if len(pictures) == 1 and self._is_alone():
            self._fail(runs_of(pictures), shortage, doing="painted")
            return False
        _logger.warning("model %s: %s", self.name, shortage.detail)
        with self._changed:
            self._fewer[size] = max(1, len(pictures) // 2)
            self.queue.put_back(pictures)
        # Where another has claimed all memory first, this one leaves; what was put back waits for its return.
        self._made_alone()
        return True

    def _is_alone(self) -> bool:
        with self._changed:
            return self._memory.is_alone(self.name)

    def _made_alone(self) -> bool:
        """Wait until all others have left; False if another had them leave first, or all is to stop."""
        with self._changed:
            if not self._memory.claim_all(self.name):
                return False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._stopping.is_set() or self._memory.is_alone(self.name))
            return not self._stopping.is_set()

    def _leave(self) -> None:
        with self._changed:
            self._memory.take_back(self.name)
            self._memory.left(self.name)
            self._changed.notify_all()

    def _fail(self, runs: Sequence[PaintRun], exc: Exception, *, doing: str) -> None:
        code, detail = _failure_of(exc)
        if isinstance(exc, AppError):
            _logger.error("model %s cannot be %s: %s", self.name, doing, detail)
        else:
            _logger.error("model %s cannot be %s", self.name, doing, exc_info=exc)
        for run in runs:
            with self._changed:
                self.queue.drop(run)
            self._book.fail(run, code, detail)


def runs_of(pictures: Sequence[WantedPicture]) -> list[PaintRun]:
    """The runs that these pictures belong to."""
    return list(dict.fromkeys(picture.run for picture in pictures))


def _failure_of(exc: Exception) -> tuple[FailureCode, str]:
    match exc:
        case ProviderRefusedError():
            return FailureCode(exc.failure_code), exc.detail
        case InvalidRequestError():
            return FailureCode.INPUT_REFUSED, exc.detail
        case AppError():
            return FailureCode.PROVIDER_UNAVAILABLE, exc.detail
    return FailureCode.PREDICTION_FAILED, "The model failed in a way that is not known; the log says more."
