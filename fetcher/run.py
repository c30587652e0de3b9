"""One run in a thread of its own: the loop, its engine, and how it ended."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from fetcher import engines, readers
from fetcher.descriptors import fit
from fetcher.drive import Spent, drive
from fetcher.engines import Engine
from fetcher.errors import LocalFault
from fetcher.feeds import Feed, Root, Sitemaps
from fetcher.feeds.limits import Limits
from fetcher.feeds.redirects import Redirects
from fetcher.feeds.retry import Retry
from fetcher.model import Options, Result
from fetcher.outbox import Outbox

DRAIN = 5.0  # seconds that the first Ctrl-C gives to what is in flight
BUSY = 0.85  # of one CPU: above this share the client itself was the limit
SENTENCES = {
    "reader": "{share} was spent waiting for the reader of the results, who was slower",
    "tail": "{share} was spent waiting for the last answers, with nothing left to start",
    "retry": "{share} was spent in pauses before asking again: --retries 0 asks once",
    "stop": "{share} was spent waiting for what was in flight when the run was stopped",
    "input": "{share} was spent waiting for the input to be read",
}
LIMITS = {
    "per-host": "per-host limit of {host}: raise --per-host",
    "host-rate": "rate limit of {host}: raise --host-rate",
    "rate": "rate limit of the whole run: raise --rate",
    "retry-after": "pause that {host} asked for (Retry-After)",
    "crawl-delay": "crawl-delay of {host} (robots.txt)",
}
# What a disk says that will take none of the later bodies either.
FULL = tuple(os.strerror(getattr(errno, name, errno.ENOSPC)) for name in ("ENOSPC", "EDQUOT", "EROFS"))
LEAVE = 2.0  # seconds in which everything in flight has been cancelled and collected


class Run:
    """`with Run(...) as run`: starts at once; leaving stops it and leaves nothing behind.

    `spent` says where its time went; `root` and `limits` are the two feeds that count.
    """

    def __init__(
        self,
        root: Root,
        engine: str,
        options: Options,
        outbox: Outbox,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        engine = engine.lower() if isinstance(engine, str) else engine
        module = engines.pick(engine)
        engines.speaks(engine, options.http)
        each = module.DESCRIPTORS + bool(options.save)
        options.concurrency, self.warning = fit(options.concurrency or module.CONCURRENCY, each)
        self.name = engine
        self.options = options
        self.outbox = outbox
        outbox.capacity += options.concurrency  # what is in flight must find room too
        if options.save:
            from fetcher.readers import save

            save.prepare(options.save)
            outbox.withhold = self._is_full
        readers.pick_all(root.readers)  # imported now: later there may be no descriptor left to import with
        self.root = root
        self.limits, self.feed = chain(root, options, root.sitemaps)
        self.notes: list[str] = []  # none: what goes on among processes is told by `partition.split`
        self.spent: Spent = {}
        self.looped = 0.0  # seconds from the engine's start to its end, and the CPU seconds of that time
        self.used = 0.0
        self.total: int | None = None  # rows of the whole input, left ones too; None: its end was not read
        self.engine: Engine | None = None
        self._module = module
        self._clock = clock
        self._error: BaseException | None = None
        self._full: LocalFault | None = None
        self._thread = threading.Thread(target=self._run, name="fetch-loop", daemon=True)

    def __enter__(self) -> Self:
        try:
            self.root.start()
            self._thread.start()
        except RuntimeError as error:  # what Python raises where the system gives it no more threads
            self.root.close()
            cure = "end other programs, or raise the limit (ulimit -u, ulimit -v), and run again"
            raise LocalFault(f"{error}: {cure}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.outbox.stop()
        self._thread.join(LEAVE)
        self.root.close()

    def stop(self, patience: float = 0.0) -> None:
        """Start nothing new; what is in flight may take `patience` seconds more, then it is cancelled."""
        self.outbox.stop(patience)

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self.outbox.stop_at is not None

    @property
    def full(self) -> tuple[tuple[str, int], ...]:
        """Hosts whose waiting rows filled the look-ahead, and how many rows."""
        return self.limits.full

    def results(self, timeout: float | None = None) -> list[Result] | None:
        """What has come since; None once the run has ended well. Raises what ended it badly."""
        batch = self.outbox.get(timeout)
        if batch or not self.outbox.finished or self.outbox.waiting:
            return batch
        if self._error is not None:
            raise self._error
        if self.root.error is not None:
            raise self.root.error
        return None

    def __iter__(self) -> Iterator[Result]:
        while (batch := self.results()) is not None:
            yield from batch

    def limited_by(self, seconds: float) -> str:
        """One sentence on what limited a run that took so many seconds, its start included."""
        if self.looped < seconds / 2:
            return f"start-up took most of the {seconds:.2f} s"
        busy = self.used / self.looped if self.looped else 0.0
        if busy > BUSY:
            return f"fetch itself was the limit: it used {busy:.0%} of one CPU; another engine may need less"
        why, most = max(self.spent.items(), key=lambda pair: pair[1], default=("", 0.0))
        share = f"{most / self.looped:.0%} of the time"
        if why == "slots":
            width = min(self.engine.width, self.options.concurrency) if self.engine else 0
            if self.total is not None and self.total <= width:
                return f"{share} was spent waiting for servers; every URL was under way at once"
            may_grow = width == self.options.concurrency and self._module.CONCURRENCY > 1
            more = "raise --concurrency" if may_grow else "another engine has more slots"
            return f"{share} was spent waiting for servers, {width} at once: {more}"
        blocked = self.limits.blocked_by()
        # With all that is left parked for a host, the loop has nothing to start: it takes that for the tail.
        if blocked is not None and (why == "limits" or (why == "tail" and blocked[2] > most / 2)):
            reason, host, _ = blocked
            return f"{share} was spent waiting for the {LIMITS[reason].format(host=host)}"
        return SENTENCES.get(why, SENTENCES["input"]).format(share=share)

    def _is_full(self, result: Result) -> bool:
        """Whether its body found the disk of --save full: then it gets no record, and nothing new starts."""
        if result.error != "local_disk" or not (why := result.message or "").endswith(FULL):
            return False
        if self._full is None:
            cure = "what was saved and recorded so far stays; free space there and run again"
            self._full = LocalFault(f"--save {self.options.save}: {why.rpartition(': ')[2]}; {cure}")
            self.outbox.stop()
        return True

    def _run(self) -> None:
        began, cpu = time.monotonic(), cpu_seconds()
        try:
            with self._module.engine(self.options) as engine:
                self.engine = engine
                try:
                    drive(self.feed, engine, self.options, self.outbox, self._clock, self.spent)
                except BaseException:
                    engine.cancel()
                    raise
            self._error = self._full
        except BaseException as error:  # noqa: BLE001  (raised in the caller's thread by `results`)
            self._error = error
        finally:
            self.looped, self.used = time.monotonic() - began, cpu_seconds() - cpu
            self.total = self.root.total  # before it is closed, which forgets what is left
            self.outbox.finish()


def cpu_seconds() -> float:
    """User and system seconds of this process and of its children that have ended and been waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def chain(root: Feed, options: Options, sitemaps: Sitemaps | None = None) -> tuple[Limits, Feed]:
    """The feeds round a root, and the outermost of them: Limits(Retry(Robots(Redirects(root)))).

    `sitemaps` hears of those that a robots.txt names.

    Without Redirects where none is followed: then a redirect is the answer, and in a crawl a link as well.
    """
    feed: Feed = Redirects(root, options) if options.max_redirects else root
    if options.robots:
        from fetcher.feeds.robots import Robots

        def delay(host: str, seconds: float) -> None:
            limits.set_delay(host, seconds)

        feed = Robots(feed, options, delay, sitemaps=sitemaps)
    limits = Limits(Retry(feed, options), options)
    return limits, limits
