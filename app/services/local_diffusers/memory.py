"""Which models lie in memory, and which of them goes when another one needs room."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.services.local_diffusers.painters import Capacity

# What is left beside the weights is for what comes and goes while a picture is painted.
_SHARE_FOR_WEIGHTS = 0.8


@dataclass(slots=True)
class _Resident:
    """A model in memory, or on its way there. `used` grows with every use of any model."""

    name: str
    size: int
    used: int
    busy: bool = True


class ModelMemory:
    """Decides who may be loaded and who must leave; does neither itself. Sizes are in bytes.

    One model is loaded at a time, first the one with the oldest request. For it, those leave that are idle,
    the least recently used first, and then busy ones, but none that an older request waits for. After the
    device ran out of memory, one model may claim all of it.

    `oldest` tells the number of the oldest request that waits for a model. Not for several threads at once.
    """

    def __init__(self, limit: int | None, oldest: Callable[[str], int | None]) -> None:
        """With `limit` None, the device's own memory is the limit."""
        self.capacity: Capacity | None = None
        self._limit = limit
        self._room = limit
        self._oldest = oldest
        self._residents: dict[str, _Resident] = {}
        self._wishes: dict[str, int] = {}
        self._loading: str | None = None
        self._alone: str | None = None
        self._uses = 0

    def learn(self, capacity: Capacity) -> None:
        """Take note of what the device can bear."""
        self.capacity = capacity
        if self._limit is None:
            self._room = int(capacity.memory_bytes * _SHARE_FOR_WEIGHTS)

    def limit_below(self, size: int) -> int | None:
        """The operator's limit if a model of that size exceeds it.

        One that only exceeds the device is tried, without any other beside it: parts of it may lie elsewhere.
        """
        return self._limit if self._limit is not None and size > self._limit else None

    def wish(self, name: str, size: int) -> None:
        """Stand in line to be loaded."""
        self._wishes[name] = size

    def take_back(self, name: str) -> None:
        """Leave the line."""
        self._wishes.pop(name, None)

    def may_load(self, name: str) -> bool:
        """Whether it is this model's turn, and there is room."""
        if self._loading is not None or self._alone is not None:
            return False
        return name == self._first_in_line() and (not self._residents or self._free() >= self._wishes[name])

    def begin_load(self, name: str) -> None:
        """It is being loaded; so long it counts as busy."""
        self._uses += 1
        self._residents[name] = _Resident(name, self._wishes.pop(name), self._uses)
        self._loading = name

    def loaded(self, name: str, size: int) -> None:
        """It is loaded, and takes that much."""
        self._residents[name].size = size
        self._residents[name].busy = False
        self._loading = None

    def left(self, name: str) -> None:
        """It lies in memory no more, or could not be loaded."""
        self._residents.pop(name, None)
        self.share(name)
        if self._loading == name:
            self._loading = None

    def begin_use(self, name: str) -> None:
        """It paints."""
        self._uses += 1
        self._residents[name].used = self._uses
        self._residents[name].busy = True

    def end_use(self, name: str) -> None:
        """It paints no more."""
        self._residents[name].busy = False

    def must_leave(self, name: str) -> bool:
        """Whether a model that is loaded has to make room for another."""
        if self._alone is not None:
            return name != self._alone
        return any(resident.name == name for resident in self._leaving())

    def is_alone(self, name: str) -> bool:
        """Whether no other model is in memory."""
        return not (self._residents.keys() - {name})

    def claim_all(self, name: str) -> bool:
        """Have all others leave, and none come, until `share`; False if another has claimed that first."""
        if self._alone is None:
            self._alone = name
        return self._alone == name

    def share(self, name: str) -> None:
        """Have others beside it again."""
        if self._alone == name:
            self._alone = None

    def names(self) -> frozenset[str]:
        """The models that are ready to paint."""
        return frozenset(self._residents.keys() - {self._loading})

    def _leaving(self) -> Iterator[_Resident]:
        first = self._first_in_line()
        if first is None:
            return
        free = self._free()
        for resident in sorted(self._residents.values(), key=lambda resident: (resident.busy, resident.used)):
            if free >= self._wishes[first]:
                return
            if self._age(resident.name) < self._age(first):
                continue
            free += resident.size
            yield resident

    def _first_in_line(self) -> str | None:
        return min(self._wishes, key=self._age, default=None)

    def _age(self, name: str) -> float:
        """Smaller for what has waited longer."""
        oldest = self._oldest(name)
        return math.inf if oldest is None else oldest

    def _free(self) -> float:
        room = math.inf if self._room is None else self._room
        return room - sum(resident.size for resident in self._residents.values())
