"""One run in a thread of its own: the loop, its engine, and how it ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from fetcher import engines
from fetcher.descriptors import fit
from fetcher.drive import Spent, drive
from fetcher.engines import Engine
from fetcher.feeds import Feed
from fetcher.feeds.limits import Limits
from fetcher.feeds.redirects import Redirects
from fetcher.feeds.retry import Retry
from fetcher.feeds.rows import Rows
from fetcher.model import Options, Result
from fetcher.outbox import Outbox
from fetcher.pump import Pump, Ready

DRAIN = 5.0  # seconds that the first Ctrl-C gives to what is in flight
BUSY = 0.85  # of one CPU: above this share the client itself was the limit
LIMITS = {
    "per-host": "per-host limit of {host}: raise --per-host",
    "host-rate": "rate limit of {host}: raise --host-rate",
    "rate": "rate limit of the whole run: raise --rate",
    "retry-after": "pause that {host} asked for (Retry-After)",
    "crawl-delay": "crawl-delay of {host} (robots.txt)",
}
LEAVE = 2.0  # seconds in which everything in flight has been cancelled and collected


class Run:
    """`with Run(...) as run`: starts at once; leaving stops it and leaves nothing behind.

    `spent` says where its time went; `rows` and `limits` are the two feeds that count.
    """

    def __init__(
        self,
        inlet: Pump | Ready,
        engine: str,
        options: Options,
        outbox: Outbox,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        module = engines.pick(engine)
        each = 2 if options.save else 1
        options.concurrency, self.warning = fit(options.concurrency or module.CONCURRENCY, each)
        self.name = engine
        self.options = options
        self.outbox = outbox
        if options.save:
            from fetcher.readers import save

            save.prepare(options.save)
        self.rows = Rows(inlet, options)
        self.limits, self.feed = chain(self.rows, options)
        self.spent: Spent = {}
        self.engine: Engine | None = None
        self._module = module
        self._inlet = inlet
        self._clock = clock
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fetch-loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.outbox.stop()
        self._thread.join(LEAVE)
        self._inlet.close()

    def results(self, timeout: float | None = None) -> list[Result] | None:
        """What has come since; None once the run has ended well. Raises what ended it badly."""
        batch = self.outbox.get(timeout)
        if batch or not self.outbox.finished or self.outbox.waiting:
            return batch
        if self._error is not None:
            raise self._error
        if self._inlet.error is not None:
            raise self._inlet.error
        return None

    def __iter__(self) -> Iterator[Result]:
        while (batch := self.results()) is not None:
            yield from batch

    def limited_by(self, seconds: float, cpu: float) -> str:
        """One sentence on what limited a run of so many seconds that used so much CPU time."""
        busy = cpu / seconds if seconds > 0 else 0.0
        why, most = max(self.spent.items(), key=lambda pair: pair[1], default=("", 0.0))
        if busy > BUSY and self.engine is not None:
            return f"this machine was the limit: fetch used {busy:.0%} of one CPU: try another engine"
        if most < seconds / 4:
            return f"start-up took most of the {seconds:.2f} s"
        share = f"{most / seconds:.0%} of the time"
        if why == "reader":
            return f"{share} was spent waiting for the reader of the results, who was slower"
        if why == "tail":
            return f"{share} was spent waiting for the last answers, with nothing left to start"
        if why == "slots":
            return (
                f"{share} all {self.options.concurrency} slots were waiting for servers: raise --concurrency"
            )
        blocked = self.limits.blocked_by()
        if why == "limits" and blocked is not None:
            reason, host, _ = blocked
            return f"{share} was spent waiting for the {LIMITS.get(reason, reason).format(host=host)}"
        if why == "retry":
            return f"{share} was spent in pauses before asking again: --retries 0 asks once"
        return f"{share} was spent waiting for more input"

    def _run(self) -> None:
        try:
            with self._module.engine(self.options) as engine:
                self.engine = engine
                try:
                    drive(self.feed, engine, self.options, self.outbox, self._clock, self.spent)
                except BaseException:
                    engine.cancel()
                    raise
        except BaseException as error:  # noqa: BLE001  (raised in the caller's thread by `results`)
            self._error = error
        finally:
            self.outbox.finish()


def chain(rows: Feed, options: Options) -> tuple[Limits, Feed]:
    """The feeds of get, and the outermost of them: Limits(Retry(Robots(Redirects(rows))))."""
    feed: Feed = Redirects(rows, options)
    if options.robots:
        from fetcher.feeds.robots import Robots

        def delay(host: str, seconds: float) -> None:
            limits.set_delay(host, seconds)

        feed = Robots(feed, options, delay)
    limits = Limits(Retry(feed, options), options)
    return limits, limits
