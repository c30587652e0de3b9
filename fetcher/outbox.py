"""Where results go, and who waits for whom: sinks that cannot block, then a bounded queue to a reader.

The loop puts results in; it never waits here. A slow reader fills the queue; then `has_room` is false and the
loop starts nothing new, but goes on serving what is in flight, so no timeout and no `elapsed` is falsified by
a reader who sleeps. The reader says through `stop` that it wants no more.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from fetcher.model import Result
from fetcher.sinks import Write

CAPACITY = 512  # results a slow reader may be behind: some 3 kB each


class Outbox:
    """The loop's side is `put`, `has_room`, `stopping`, `finish`; the reader's `get` and `stop`."""

    def __init__(
        self,
        sinks: Sequence[Write] = (),
        *,
        queued: bool = True,
        capacity: int = CAPACITY,
        notify: Callable[[], None] | None = None,
    ) -> None:
        self.sinks = sinks
        self.queued = queued
        self.capacity = capacity
        self.withhold: Callable[[Result], bool] | None = None  # what else shall get no record
        self.notify = notify  # called in the loop's thread whenever something is there to get
        self.stop_at: float | None = None  # monotonic; the loop cancels what is in flight at this time
        self.finished = False
        self._queue: deque[Result] = deque()
        self._filled = threading.Condition()

    # The loop's side.

    def put(self, results: Sequence[Result]) -> None:
        """Hand results on, in order. Raises only what a sink raises (a full disk).

        Rows that were stopped, by the user or by a fault of this machine that ends the run (`withhold`), get
        no record, so that a resumed run asks them again.
        """
        if self.withhold is not None:
            results = [result for result in results if not self.withhold(result)]
        if self.stop_at is not None:
            results = [result for result in results if result.error != "cancelled"]
        if not results:
            return
        for write in self.sinks:
            write(results)
        if self.queued:
            self._queue.extend(results)
            self._wake()

    def has_room(self, running: int) -> bool:
        """Whether one more may start: what is in flight must find room when it comes back."""
        return self.stop_at is None and (not self.queued or len(self._queue) + running < self.capacity)

    def finish(self) -> None:
        """Nothing more will come."""
        self.finished = True
        self._wake()

    def _wake(self) -> None:
        with self._filled:
            self._filled.notify_all()
        if self.notify is not None:
            self.notify()

    # The reader's side.

    @property
    def waiting(self) -> int:
        """How many results are there to get."""
        return len(self._queue)

    def stop(self, patience: float = 0.0) -> None:
        """Start nothing new; what is in flight may take `patience` seconds more, then it is cancelled."""
        at = time.monotonic() + patience
        self.stop_at = at if self.stop_at is None else min(self.stop_at, at)

    def get(self, timeout: float | None = None) -> list[Result]:
        """What has come since; waits for the first. Empty at the end, or when `timeout` seconds are over."""
        with self._filled:
            self._filled.wait_for(lambda: self._queue or self.finished, timeout)
        batch = []
        while self._queue:
            batch.append(self._queue.popleft())
        return batch
