"""One worker of a load test: a loop of its own, and once a second a line of what it measured."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from typing import Any, Final

from fetcher import engines
from fetcher.child import deaf, leash, orders
from fetcher.drive import drive
from fetcher.engines import Engine
from fetcher.errors import FetchError, LocalFault
from fetcher.feeds.arrivals import Arrivals
from fetcher.loadtest.meter import Meter
from fetcher.loadtest.plan import Load, read
from fetcher.loadtest.schedule import schedule
from fetcher.model import Options, Request, Result
from fetcher.outbox import Outbox
from fetcher.usage import own

EVERY: Final = 1.0  # seconds between two snapshots


class Clocked:
    """An engine whose waits are short enough for the clock of the test, and ring it."""

    def __init__(self, engine: Engine, ring: Any) -> None:
        self._engine = engine
        self._ring = ring
        self.submit, self.cancel = engine.submit, engine.cancel

    @property
    def width(self) -> int:
        """Of the engine."""
        return self._engine.width

    def wait(self, timeout: float) -> list[Result]:
        """As the engine does, but not beyond the next ring."""
        left = self._ring(time.monotonic())
        results = self._engine.wait(min(timeout, left))
        self._ring(time.monotonic())
        return results


class Worker:
    """The test of one process, from the task to its last line."""

    def __init__(self, given: dict[str, Any], targets: list[Request], load: Load, options: Options) -> None:
        self.load = load
        self.options = options
        self.worker = given["worker"]
        self.module = engines.pick(given["engine"])
        options.concurrency = given["concurrency"]
        self.targets = targets
        self.outbox = Outbox(queued=False)
        self.lines: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def run(self, start: float) -> None:
        """Run it; `start` is monotonic, and the same for all workers."""
        load = self.load
        planned = schedule(load)
        due = planned.offsets(self.worker, load.workers) if planned else None
        self.end = start + load.duration if load.duration else float("inf")
        self.next = start + EVERY
        self.opened = start + load.warmup
        self.opened_before = 0
        self.cpu = own()
        self.measured_cpu: float | None = None
        with self.module.engine(self.options) as engine:
            width = min(engine.width, self.options.concurrency)
            self.meter = Meter(width, self.opened, [target.url for target in self.targets])
            self.feed = Arrivals(
                self.targets,
                self.options,
                self.meter,
                due,
                width=width,
                start=start,
                count=load.count,
                order=load.order,
                seed=load.seed,
                share=(self.worker, load.workers),
                measured=load.warmup,
            )
            time.sleep(max(start - time.monotonic(), 0.0))
            clocked = Clocked(engine, self.ring)
            drive(self.feed, clocked, self.options, self.outbox)
            now = min(time.monotonic(), max(self.end, start))
            unsent = self.feed.unsent(now)
            self.lines.put(self.snapshot(time.monotonic()) | {"last": True, "unsent": unsent})
        self.lines.put(None)

    def ring(self, now: float) -> float:
        """Stop at the end, tell of each second; how long until there is something to do again."""
        if now >= self.end:
            self.outbox.stop(0.0)
        if self.measured_cpu is None and now >= self.opened:
            self.measured_cpu = own()
        if now >= self.next:
            self.lines.put(self.snapshot(now))
            self.next += EVERY * (1 + (now - self.next) // EVERY)
        return max(min(self.next, self.end if self.outbox.stop_at is None else self.next) - now, 0.0)

    def snapshot(self, now: float) -> dict[str, Any]:
        """What was measured since the last one."""
        used = own()
        measured = self.meter.snapshot(now)
        measured["opened"], self.opened_before = self.feed.opened - self.opened_before, self.feed.opened
        found = {
            "worker": self.worker,
            "now": now,
            "cpu": used - self.cpu,
            "cpu_measured": used - self.measured_cpu if self.measured_cpu is not None else 0.0,
            "in_flight": self.feed.begun - self.feed.ended,
            "begun": self.feed.begun,
            "meter": measured,
        }
        self.cpu = used
        return found


def main() -> int:
    """Do what stands on the first line of stdin, from the time on that the second one says."""
    deaf()
    told = orders()
    given = json.loads(told.readline())
    try:
        worker = Worker(given, *read(given))
        _say({"ready": True})
        line = told.readline()
        if not line.strip():
            return 0
        leash(told, lambda: worker.outbox.stop(0.0))  # all that can be said now
        teller = threading.Thread(target=_tell, args=(worker.lines,))
        teller.start()
        try:
            worker.run(json.loads(line)["start"])
        finally:
            worker.lines.put(None)
            teller.join()
    except FetchError as error:
        sys.stderr.write(f"{error}\n")
        return 4 if isinstance(error, LocalFault) else 2
    return 0


def _tell(lines: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    while (line := lines.get()) is not None:
        _say(line)


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
