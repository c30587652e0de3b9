"""One list over several processes as it is read: each host to one of them, their lines back as they come."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from types import TracebackType
from typing import Any, Final, Self

from fetcher import engines, menu
from fetcher.errors import FetchError
from fetcher.feeds.rows import Row, Rows
from fetcher.model import COLUMNS, MORE, Options, Result, columns
from fetcher.outputs import Output
from fetcher.partition.carried import line
from fetcher.partition.hosts import Hosts
from fetcher.partition.posted import END
from fetcher.partition.shares import check as check
from fetcher.partition.shares import job, shared
from fetcher.partition.told import WHOLE, Told, results
from fetcher.partition.worker import HANGS, Word, Words, Worker
from fetcher.tally import Tally

DEALT: Final = 2000  # rows dealt before what has come back is looked at again
POLL: Final = 0.02  # seconds between two looks at an input that has nothing yet


class Split:
    """A run as `run.Run` is one, over several processes: `with Split(...) as run`.

    Results go to `outputs` and are counted in `tally` while `results` is asked for; without `outputs` that
    gives them. Where a process dies, another takes its place and asks what was not answered.
    """

    def __init__(
        self,
        root: Rows,
        engine: str,
        options: Options,
        workers: int,
        tally: Tally,
        outputs: Sequence[Output] | None = None,
    ) -> None:
        engine = engine.lower() if isinstance(engine, str) else engine
        menu.check(engines, engine)
        check(workers, options)
        self.root, self.options = root, options
        self.tally, self.outputs = tally, outputs
        self.warning = ""  # none yet: what the processes warn of is among the notes
        self.stopping = False
        self.full: tuple[tuple[str, int], ...] = ()
        self.clear: Callable[[], object] = bool  # called before outputs are written to
        self.notes: list[str] = []  # what went on among the processes, for the summary
        self._ready = [output for output in outputs or () if output.form.apart]
        self._others = [output for output in outputs or () if not output.form.apart]
        shown = (*COLUMNS, *MORE) if outputs is None else columns(options)
        forms = [output.form for output in self._ready] + [WHOLE] * bool(self._others or not self._ready)
        self._jobs = [job(engine, shared(options, workers, n), shown, forms) for n in range(workers)]
        self._workers: list[Worker] = []
        self._hosts = Hosts(workers)
        self._heard: Words = queue.Queue(4 * workers)
        self._held: Row | None = None  # the next one, whose process has enough
        self._dealt = False  # the whole list
        self._waited: dict[str, float] = {}  # host -> seconds that it held up others
        self._looked = 0.0  # when that was seen last
        self._patience: float | None = None  # what the processes have not heard yet of `stop`
        self._until: float | None = None  # then all must have said their last word
        self._failure: FetchError | None = None

    def __enter__(self) -> Self:
        try:
            for number, one in enumerate(self._jobs, 1):
                self._workers.append(Worker(f"process {number} of {len(self._jobs)}", one, self._heard))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.root.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping = True
        self.root.close()
        for worker in self._workers:
            threading.Thread(target=worker.close).start()
        while not all(worker.closed for worker in self._workers):
            self._next(POLL)  # one that still tells must be heard, to end

    def stop(self, patience: float = 0.0) -> None:
        """Ask nothing new; what is in flight may take `patience` seconds more."""
        self.stopping, self._patience = True, patience  # told by `results`: this may be a signal's handler
        for worker in self._workers:
            worker.expect(patience + HANGS)  # which may be waiting for one that takes nothing

    def results(self, timeout: float | None = None) -> list[Result] | None:
        """What has come since, if there are no outputs; None once all has come. Raises as `Run.results`."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            if all(worker.over is not None for worker in self._workers):
                self._end()
                return None
            if self._patience is not None:
                patience, self._patience = self._patience, None
                self._until = time.monotonic() + patience + HANGS
                self._tell({"stop": patience})
            if not self.stopping and not self._dealt:
                self._deal()
            found = self._hear(timeout if self.stopping or self._dealt else POLL)
            if self._until is not None and time.monotonic() > self._until:
                for worker in self._workers:
                    worker.fail()
            if found or (until is not None and time.monotonic() >= until):
                return found

    def __iter__(self) -> Iterator[Result]:
        while (batch := self.results()) is not None:
            yield from batch

    def limited_by(self, seconds: float) -> str:
        """One sentence on what limited the run: of the process that took longest, or of the one list."""
        if self._waited:
            host, waited = max(self._waited.items(), key=itemgetter(1))
            if waited > seconds / 2:
                share = f"{waited / seconds:.0%} of the time"
                return f"{share} the list waited for {host}: all URLs of a host are asked by one process"
        over = [worker.over for worker in self._workers if worker.over and worker.over["limit"]]
        if not over:
            return ""
        longest = max(over, key=lambda one: float(one["looped"]))
        if longest["looped"] < seconds / 2:
            return f"start-up took most of the {seconds:.2f} s"
        return f"{longest['limit']} (the process that took longest, of {len(self._workers)})"

    def _end(self) -> None:
        over = [worker.over for worker in self._workers if worker.over]
        if sum(worker.used for worker in self._workers) == 1 < min(len(over), self.tally.done):
            self.notes.append(f"one of the {len(over)} processes asked all: a host is asked by one of them")
        self.full = tuple((host, count) for one in over for host, count in one["full"])
        if error := self._failure or self.root.error:
            raise error

    def _next(self, timeout: float | None) -> Word | None:
        try:
            return self._heard.get(timeout=timeout)
        except queue.Empty:
            return None

    def _hear(self, timeout: float | None) -> list[Result]:
        """Take what has been said, waiting for the first word; of all that, what there are no outputs for."""
        found: list[Result] = []
        for _ in range(1 + self._heard.qsize()):
            if (word := self._next(timeout)) is None:
                break
            if word.told is not None:
                word.worker.took(word.told)
                found += self._take(word.told)
            elif word.worker.over is None:
                self._died(word.worker)
            timeout = 0.0
            if self._until is not None:
                self._until = max(self._until, time.monotonic() + HANGS)
        return found

    def _deal(self) -> None:
        """Send rows on, until none is there or one's process has enough."""
        now = time.monotonic()
        if self._held is not None and any(worker.idle for worker in self._workers):
            host = self._hosts.of(self._held.item)[0]
            self._waited[host] = self._waited.get(host, 0.0) + now - self._looked
        for _ in range(DEALT):
            row = self._held or self.root.numbered()
            if not isinstance(row, Row):
                self._dealt = row is None
                break
            worker = self._workers[self._hosts.of(row.item)[1]]
            if worker.busy:
                self._held = row
                break
            self._held = None
            worker.give(row.number, line(row))
        self._looked = now
        for worker in self._workers:
            worker.send()
        if self._dealt:
            self._tell(END)

    def _tell(self, order: dict[str, Any]) -> None:
        for worker in self._workers:
            worker.tell(order)

    def _take(self, told: Told) -> list[Result]:
        """Results, counted and written; those that there are no outputs for."""
        if warning := (told.note or {}).get("warning"):
            self.notes = list(dict.fromkeys([*self.notes, f"in each process {warning}"]))
        self.tally.merge(told.tally)
        if told.rows:
            self.clear()
        for output, data in zip(self._ready, told.lines, strict=False):
            output.pass_on(data, len(told.rows))
        if len(told.lines) == len(self._ready):
            return []
        found = results(told.lines[-1])
        for output in self._others:
            output(found)
        return found if self.outputs is None else []

    def _died(self, worker: Worker) -> None:
        """Another takes its place; if it cannot, the others tell what they have, and the run fails."""
        try:
            note = worker.died(self.stopping)
        except FetchError as failure:
            self._failure = self._failure or failure
            worker.fail()
            self.stop()
            return
        self.notes += [note] if note else []
