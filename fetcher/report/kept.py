"""What is kept of any number of rows, in bounded memory: those with the most of something; sums by name."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush, heappushpop
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class Most:
    """The rows with the most of something."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._heap: list[tuple[float, int, dict[str, Any]]] = []
        self._seen = 0

    def add(self, row: dict[str, Any], weight: float | None) -> None:
        """One row; of no known weight it is none."""
        if weight is not None:
            self._seen += 1
            one = (weight, -self._seen, row)
            if len(self._heap) < self._limit:
                heappush(self._heap, one)
            else:
                heappushpop(self._heap, one)

    @property
    def cut(self) -> int:
        """How many are not kept."""
        return self._seen - len(self._heap)

    def found(self) -> list[dict[str, Any]]:
        """The heaviest first."""
        return [row for _, _, row in sorted(self._heap, key=lambda one: one[:2], reverse=True)]

    def passed(self) -> list[dict[str, Any]]:
        """As they came, if all are kept; else the heaviest first."""
        if self.cut:
            return self.found()
        return [row for _, _, row in sorted(self._heap, key=lambda one: -one[1])]


class Known(Generic[Value]):
    """A value for each name; of too many names the lighter half goes, of what weighs the same the older.

    As lossy counting does (Manku, Motwani 2002): what is heavy stays; one that went begins anew if it comes.
    """

    def __init__(self, limit: int, new: Callable[[], Value], weight: Callable[[Value], float]) -> None:
        self._limit, self._new, self._weight = limit, new, weight
        self.values: dict[str, Value] = {}
        self.dropped = False

    def __getitem__(self, name: str) -> Value:
        value = self.values.get(name)
        if value is None:
            if len(self.values) >= self._limit:
                self._drop()
            value = self.values[name] = self._new()
        return value

    def __len__(self) -> int:
        """So many names were known at once, at the least."""
        return self._limit if self.dropped else len(self.values)

    def _drop(self) -> None:
        self.dropped = True
        ranked = sorted(self.values.items(), key=lambda pair: self._weight(pair[1]))
        self.values = dict(ranked[len(ranked) // 2 :])

    def heaviest(self, limit: int) -> list[tuple[str, Value]]:
        """So many of them, the heaviest first."""
        ranked = sorted(self.values.items(), key=lambda pair: (-self._weight(pair[1]), pair[0]))
        return ranked[:limit]
