"""All models at work in this process: a thread for each, and one decision about memory for all of them."""

import logging
import threading
import time
from collections.abc import Callable

from app.services.local_diffusers.local_models import LocalModel
from app.services.local_diffusers.memory import ModelMemory
from app.services.local_diffusers.paint_requests import PaintRequest
from app.services.local_diffusers.painters import Painters
from app.services.local_diffusers.run_book import RunBook
from app.services.local_diffusers.worker import Worker

_logger = logging.getLogger(__name__)

AT_ONCE_UNTIL_KNOWN = 4
"""How many pictures are painted together on a device that nobody has looked at yet."""


class Engine:
    """Paints what is submitted, for each model oldest first, several pictures at a time.

    A run that is canceled while it is painted has ended at once, and its pictures are dropped. Its batch goes
    on for the sake of the other runs in it, and is stopped within a step where there is none. Any thread may
    use this.
    """

    def __init__(
        self,
        *,
        book: RunBook,
        painters: Painters,
        at_once: int | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        """At most `at_once` pictures are painted together, and models take up to `memory_bytes`.

        None stands for what suits the device.
        """
        self._book = book
        self._painters = painters
        self._at_once = at_once
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._workers: dict[str, Worker] = {}
        self._memory = ModelMemory(memory_bytes, self._oldest_waiting_for)

    @property
    def at_once(self) -> int:
        """How many pictures are painted together at most."""
        if self._at_once is not None:
            return self._at_once
        capacity = self._memory.capacity
        return capacity.pictures_at_once if capacity is not None else AT_ONCE_UNTIL_KNOWN

    def submit(
        self, model: LocalModel, request: PaintRequest, digest: str, on_end: Callable[[], None]
    ) -> str:
        """Take on a new run; its id. Raises `OSError` where it cannot be written down."""
        run = self._book.open(model.name, request, digest, on_end)
        with self._changed:
            worker = self._worker(model)
            worker.queue.add(run)
            worker.call()
        return run.id

    def warm_up(self, model: LocalModel) -> None:
        """Load a model before somebody needs it."""
        with self._changed:
            self._worker(model).call(warm=True)

    def withdraw(self, run_id: str) -> None:
        """Want nothing more of a run that has ended, if it is one of this process."""
        run = self._book.close(run_id)
        if run is not None:
            with self._changed:
                if run.model in self._workers:
                    self._workers[run.model].queue.drop(run)
                self._changed.notify_all()

    def loaded(self) -> frozenset[str]:
        """The names of the models that are ready to paint."""
        with self._changed:
            return self._memory.names()

    def stop(self, seconds: float) -> None:
        """Leave what is under way to the next process, and wait so long for the threads. Blocks."""
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()
        self._book.interrupt_all()
        until = time.monotonic() + seconds
        for worker in self._workers.values():
            if not worker.join(max(0.0, until - time.monotonic())):
                _logger.warning("model %s is left in the middle of a step", worker.name)

    def _worker(self, model: LocalModel) -> Worker:
        if model.name not in self._workers:
            self._workers[model.name] = Worker(
                model,
                painters=self._painters,
                memory=self._memory,
                book=self._book,
                at_once=lambda: self.at_once,
                changed=self._changed,
                stopping=self._stopping,
            )
        return self._workers[model.name]

    def _oldest_waiting_for(self, name: str) -> int | None:
        return self._workers[name].queue.oldest
