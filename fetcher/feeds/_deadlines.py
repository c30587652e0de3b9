"""Requests that wait inside the feeds, by the time when each must have been answered (--deadline)."""

from __future__ import annotations

import heapq

from fetcher.model import Request, Result

SLACK = 64  # entries struck out that may stay in the heap


class Deadlines:
    """A heap beside a queue: what leaves the queue by its front is struck out here, and the other way round.

    A request without a deadline is never in it, and counts as waiting.
    """

    __slots__ = ("_count", "_heap", "_ids")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Request]] = []
        self._ids: set[int] = set()  # of requests in the heap, which keeps them alive
        self._count = 0

    def add(self, request: Request) -> None:
        """This request begins to wait."""
        if not request.deadline:
            return
        if len(self._heap) > 2 * len(self._ids) + SLACK:
            waiting = {id(entry[2]): entry for entry in self._heap if id(entry[2]) in self._ids}
            self._heap = list(waiting.values())
            heapq.heapify(self._heap)
        self._count += 1
        self._ids.add(id(request))
        heapq.heappush(self._heap, (request.deadline, self._count, request))

    def strike(self, request: Request) -> bool:
        """This request waits no longer; False if it had been answered already."""
        if not request.deadline:
            return True
        if id(request) not in self._ids:
            return False
        self._ids.remove(id(request))
        return True

    def due(self, now: float) -> Request | None:
        """Take one out whose time is over."""
        at = self.next()
        if at is None or at > now:
            return None
        request = heapq.heappop(self._heap)[2]
        self._ids.remove(id(request))
        return request

    def next(self) -> float | None:
        """When the first of them must have been answered."""
        heap = self._heap
        while heap and id(heap[0][2]) not in self._ids:
            heapq.heappop(heap)
        return heap[0][0] if heap else None


def late(request: Request, now: float, seconds: float, why: str) -> Result:
    """The answer for a request whose `seconds` ran out while something was waited for."""
    return request.answer(now, "deadline_exceeded", f"not done within {seconds:g} s (--deadline): {why}")
