"""The runs that this process works on: how far they are, and what becomes of their pictures."""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from app.clock import Clock
from app.models import FailureCode, JobStatus
from app.services.local_diffusers.batching import PaintRun, WantedPicture
from app.services.local_diffusers.paint_requests import PaintRequest
from app.services.local_diffusers.picture_files import encoded
from app.services.local_diffusers.run_folder import RunFolder
from app.services.local_diffusers.run_records import Ending, UnderWay, failed, interrupted

if TYPE_CHECKING:
    from PIL.Image import Image

_TOLD_EVERY = timedelta(seconds=0.5)
# What is left is for turning numbers into pictures, and pictures into files.
_MOST_PERCENT_BEFORE_THE_END = 99

_logger = logging.getLogger(__name__)


class RunBook:
    """Writes down what happens to runs, for this and other processes. Blocks; any thread may use it.

    That a run's end or progress cannot be written is logged, and no reason for a thread to end.
    """

    def __init__(self, folder: RunFolder, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._open: dict[str, PaintRun] = {}
        self._numbers = itertools.count(1)

    def now(self) -> datetime:
        """The present moment."""
        return self._clock.now()

    def open(self, model: str, request: PaintRequest, digest: str, on_end: Callable[[], None]) -> PaintRun:
        """A new run, known to all processes from here on. Raises `OSError`."""
        run_id = self._folder.make(model=model, digest=digest)
        run = PaintRun(run_id, model, next(self._numbers), request, on_end)
        self._open[run_id] = run
        shape = request.shape
        _logger.info(
            "run %s: %d x %s of %d x %d pixels in %d steps with the model %s",
            *(run_id, len(request.items), shape.task, shape.width, shape.height, shape.steps, model),
        )
        return run

    def close(self, run_id: str) -> PaintRun | None:
        """Forget a run that has ended, and tell whoever waits for that; None if it was not open."""
        run = self._open.pop(run_id, None)
        if run is not None:
            run.on_end()
        return run

    def still_wanted(self, pictures: Sequence[WantedPicture]) -> list[WantedPicture]:
        """Those of runs that have not ended meanwhile: canceled, here or by another process."""
        runs = {picture.run for picture in pictures}
        ended = {run for run in runs if run.id not in self._open or self._folder.has_ended(run.id)}
        for run in ended:
            self.close(run.id)
        return [picture for picture in pictures if picture.run not in ended]

    def begin(self, pictures: Sequence[WantedPicture]) -> None:
        """The painting of these begins."""
        for picture in pictures:
            picture.run.started_at = picture.run.started_at or self.now()

    def step_done(self, pictures: Sequence[WantedPicture], step: int, steps: int) -> None:
        """So many of the steps for these pictures are done."""
        now = self.now()
        for run, count in Counter(picture.run for picture in pictures).items():
            if run.told_at is not None and now - run.told_at < _TOLD_EVERY:
                continue
            run.told_at = now
            done = (len(run.finished) + count * step / steps) / len(run.request.items)
            try:
                self._folder.tell(run.id, _under_way(run, done, steps, now))
            except OSError as exc:
                _logger.warning("run %s: its progress could not be written: %s", run.id, exc)

    def finish(self, picture: WantedPicture, image: "Image") -> None:
        """Keep a picture; the last one ends its run. Raises `OSError`."""
        run = picture.run
        if run.id not in self._open:
            return
        name = f"{picture.position + 1}.{run.request.format}"
        self._folder.keep(run.id, name, encoded(image, run.request.format))
        run.finished[picture.position] = name
        if len(run.finished) == len(run.request.items):
            names = tuple(name for _, name in sorted(run.finished.items()))
            self._end(run, Ending(JobStatus.SUCCEEDED, completed_at=self.now(), pictures=names))

    def fail(self, run: PaintRun, code: FailureCode, detail: str) -> None:
        """End a run that cannot be painted."""
        self._end(run, failed(code, detail, self.now()))

    def interrupt_all(self) -> None:
        """End all runs, so that the next process paints them anew."""
        for run in list(self._open.values()):
            self._end(run, interrupted(self.now()))

    def _end(self, run: PaintRun, ending: Ending) -> None:
        try:
            is_news = self._folder.end(run.id, replace(ending, started_at=run.started_at))
        except OSError:
            _logger.exception("run %s: its end could not be written", run.id)
        else:
            if is_news:
                _logger.info(
                    "run %s %s%s", run.id, ending.status, f": {ending.detail}" if ending.detail else ""
                )
        self.close(run.id)


def _under_way(run: PaintRun, done: float, steps: int, now: datetime) -> UnderWay:
    started_at = run.started_at or now
    passed = (now - started_at).total_seconds()
    return UnderWay(
        started_at,
        percent=min(int(100 * done), _MOST_PERCENT_BEFORE_THE_END),
        step=round(done * steps),
        total_steps=steps,
        eta_seconds=round(passed / done - passed) if done and passed else None,
    )
