"""The pictures that wait for a model, and which of them are painted together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.services.local_diffusers.paint_batches import PaintBatch
from app.services.local_diffusers.paint_requests import PaintRequest


@dataclass(eq=False, slots=True)
class PaintRun:
    """A run that is being worked on in this process.

    `number` counts all runs, so that the older of two has the smaller one. `finished` holds the names of the
    pictures that are on disk, by their positions. `on_end` is called once, in any thread.
    """

    id: str
    model: str
    number: int
    request: PaintRequest
    on_end: Callable[[], None]
    started_at: datetime | None = None
    told_at: datetime | None = None
    finished: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, slots=True)
class WantedPicture:
    """One picture of a run; `position` counts them from 0."""

    run: PaintRun
    position: int

    @property
    def shape(self) -> PaintBatch:
        """What it must have in common with others to be painted with them: everything but prompt and seed."""
        return self.run.request.shape


class PictureQueue:
    """Pictures in the order in which they are wanted. Not for several threads at once."""

    def __init__(self) -> None:
        self._waiting: list[WantedPicture] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def oldest(self) -> int | None:
        """The number of the run that has waited longest, None if none waits."""
        return self._waiting[0].run.number if self._waiting else None

    @property
    def runs(self) -> list[PaintRun]:
        """All runs with pictures that wait, oldest first."""
        return list(dict.fromkeys(picture.run for picture in self._waiting))

    def add(self, run: PaintRun) -> None:
        """Queue all pictures of a new run."""
        self._waiting += [WantedPicture(run, position) for position in range(len(run.request.items))]

    def put_back(self, pictures: Sequence[WantedPicture]) -> None:
        """Queue pictures before all others, as they were before they were taken."""
        self._waiting[:0] = pictures

    def drop(self, run: PaintRun) -> None:
        """Leave out what a run still wants."""
        self._waiting = [picture for picture in self._waiting if picture.run is not run]

    def take(self, at_once: Callable[[PaintBatch], int]) -> list[WantedPicture]:
        """The oldest picture and those that can be painted with it, oldest first.

        `at_once` says how many of a shape may go together. Nobody is passed over: the next to be taken is the
        oldest that is left.
        """
        if not self._waiting:
            return []
        shape = self._waiting[0].shape
        most = at_once(shape)
        taken: list[WantedPicture] = []
        left: list[WantedPicture] = []
        for picture in self._waiting:
            fits = len(taken) < most and (picture.shape is shape or picture.shape == shape)
            (taken if fits else left).append(picture)
        self._waiting = left
        return taken


def batch_of(pictures: Sequence[WantedPicture]) -> PaintBatch:
    """What is painted for pictures of one shape."""
    items = tuple(picture.run.request.items[picture.position] for picture in pictures)
    return replace(pictures[0].shape, items=items)
