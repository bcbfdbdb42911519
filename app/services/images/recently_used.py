"""A bounded memory of what was asked for last."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RecentlyUsed(Generic[K, V]):
    """Keeps values up to a total weight and forgets those that were not used for longest."""

    def __init__(self, capacity: int, *, weigh: Callable[[V], int]) -> None:
        self._values: OrderedDict[K, V] = OrderedDict()
        self._capacity = capacity
        self._weigh = weigh
        self._weight = 0

    def get(self, key: K) -> V | None:
        """The value kept under `key`, which now counts as used last."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep `value` under `key`, instead of what was there."""
        self.forget(key)
        self._values[key] = value
        self._weight += self._weigh(value)
        while self._weight > self._capacity:
            self._weight -= self._weigh(self._values.popitem(last=False)[1])

    def forget(self, key: K) -> None:
        """Keep nothing under `key` any more."""
        old = self._values.pop(key, None)
        if old is not None:
            self._weight -= self._weigh(old)
