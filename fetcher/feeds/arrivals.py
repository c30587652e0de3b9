"""The requests of a load test, each with the time it was due, whatever becomes of those before it.

Open model: due times come from a schedule that waits for nobody (Schroeder, Wierman and Harchol-Balter 2006,
NSDI), so a server that stalls finds them waiting; one that cannot start on time is late, not dropped. Closed
model: a request is due when a slot is free. No limits, no retries, no robots; redirects only if asked for.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final, Protocol

from fetcher.feeds import Wait
from fetcher.feeds._hops import next_hop
from fetcher.headers import Plan
from fetcher.model import FOLLOWED, Options, Request, Result

ORDERS: Final = ("in-order", "shuffle", "weighted")


class Meter(Protocol):
    """What hears of every answer after the warm-up; see `loadtest.meter`."""

    def add(self, result: Result, due: float, started: float, finished: float, lateness: float) -> None:
        """One answer."""

    def cut(self, due: float, started: float | None, end: float) -> None:
        """One that had none when the test ended; `started` is None if it never went out."""


class Arrivals:
    """Requests for these targets; `offsets` are their due times after `start`, None for the closed model."""

    def __init__(
        self,
        targets: Sequence[Request],
        options: Options,
        meter: Meter,
        offsets: Iterator[float] | None,
        *,
        width: int,
        start: float,
        count: int = 0,
        order: str = "in-order",
        seed: int = 0,
        share: tuple[int, int] = (0, 1),  # worker so-and-so of so many: they take turns in the list
        measured: float = 0.0,
    ) -> None:
        self.meter = meter
        self.start = start
        self.begun = self.ended = 0
        self.opened = 0  # connections, those of the warm-up too
        self._measured = start + measured  # what ended before is of the warm-up
        self._offsets = offsets
        self._next = next(offsets, None) if offsets is not None else None
        self._left = count or -1
        self._width = width
        self._free_at = start  # since when a slot has been free
        self._plan = Plan(options) if options.max_redirects else None
        self._hops: deque[Request] = deque()
        self._spare: list[list[Request]] = [[] for _ in targets]  # used ones, to be used again
        self._rows = islice(_ordered(len(targets), order, seed), share[0], None, share[1])
        self._targets = targets

    def take(self, now: float) -> Request | Result | Wait | None:
        """The next request that is due."""
        if self._hops:
            return self._hops.popleft()
        if not self._left:
            return None
        due = now
        if self._offsets is not None:
            if self._next is None:
                return None
            due = self.start + self._next
            if due > now:
                return Wait(due - now, "schedule")
            self._next = next(self._offsets, None)
        self._left -= 1
        row = next(self._rows)
        spare = self._spare[row]
        request = spare.pop() if spare else replace(self._targets[row], row=row)
        request.due = due
        request.lateness = now - max(due, self._free_at)
        self.begun += 1
        return request

    def late(self, now: float) -> Result | None:  # noqa: ARG002
        """Nothing here has a deadline."""
        return None

    def done(self, result: Result, now: float) -> Result | None:
        """Measured, and forgotten."""
        request = result.request
        assert request is not None
        self.opened += not result.reused and result.ip is not None and result.error != "cancelled"
        if self._plan is not None and result.status in FOLLOWED and result.error is None:
            step = next_hop(request, result, self._plan)
            if isinstance(step, Request):
                if request.fresh:  # no connection is kept
                    step.fresh = True
                    step.headers = (*step.headers, ("Connection", "close"))
                self._hops.append(step)
                return None
            if step is not None:
                result.error, result.message = step.kind, step.message
        if self.begun - self.ended >= self._width:
            self._free_at = now
        self.ended += 1
        if now < self._measured:
            pass
        elif result.error == "cancelled":
            self.meter.cut(request.due, request.began, now)
        elif (finished := request.began + result.elapsed) >= self._measured:
            self.meter.add(result, request.due, request.began, finished, request.lateness)
        if result.error is None and not request.hops:  # no engine touches it any more
            request.began, request.attempts, request.tries = -1.0, 0, 0
            self._spare[request.row].append(request)
        return None

    def unsent(self, end: float) -> int:
        """Count what was due by then and never started, as waiting still."""
        found = 0
        while self._left and self._next is not None and (due := self.start + self._next) < end:
            if end > self._measured:
                self.meter.cut(due, None, end)
                found += 1
            self._next = next(self._offsets, None) if self._offsets is not None else None
            self._left -= 1
        return found


def _ordered(count: int, order: str, seed: int) -> Iterator[int]:
    """Indexes of targets without an end: in the order of the list, shuffled each time, or drawn at random.

    Weighted: a URL that stands in the list twice is drawn twice as often.
    """
    rng = random.Random(seed)  # noqa: S311 - nothing is secret here
    rows = list(range(count))
    while True:
        if order == "shuffle":
            rng.shuffle(rows)
        yield from rng.choices(rows, k=count) if order == "weighted" else rows
