"""One process per request in flight, with requests: for work on the bodies that needs many CPUs.

Each worker has a ProcessPoolExecutor of its own: so a death has one suspect and costs the others nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import deque
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, Self

from fetcher.engines import Engine, _leaving
from fetcher.engines._forked import Server
from fetcher.engines._network import Network
from fetcher.engines._requests import failed
from fetcher.engines._slot import Answer, Job, Slot
from fetcher.errors import Fault, UsageError
from fetcher.model import IDEMPOTENT, Options, Request, Result

CONCURRENCY = max(4, 2 * (os.cpu_count() or 1))
LIBRARIES = ("requests", "urllib3")
DESCRIPTORS: Final = 10  # pipes of the pool and of the worker

DEATHS: Final = 2  # of workers that one URL may cost
GRACE: Final = 5.0  # seconds beyond its timeout that a worker may be silent
START: Final = 30.0  # seconds more for the first answer of a new worker
CANCEL: Final = 0.5  # seconds a worker has to end by itself
LEAVE: Final = 1.0  # seconds for all workers, once killed, to be waited for
REST: Final = 5.0  # seconds without a try to start more workers than could be started
TICK: Final = 0.1


def engine(options: Options) -> AbstractContextManager[Engine]:
    """Workers are started as the load asks, at most `options.concurrency`."""
    if multiprocessing.current_process().daemon:
        raise UsageError(
            "--engine processes: a worker of a multiprocessing.Pool may not start processes of its own: "
            "take threads or asyncio there"
        )
    return Processes(options, options.concurrency or CONCURRENCY)


class Processes:
    """`width` slots, each with a worker once it is needed."""

    def __init__(self, options: Options, width: int) -> None:
        Network(options).close()  # what cannot be used is said here, not by a worker that dies of it
        self.width = width
        self._server = Server()
        self._ended: SimpleQueue[tuple[Slot, Answer]] = SimpleQueue()
        self._slots = [Slot(options, self._server, self._ended) for _ in range(width)]
        self._free = self._slots[::-1]  # a stack: who worked last works next
        self._busy: dict[Slot, Job] = {}
        self._todo: deque[Job] = deque()
        self._ready: list[Result] = []
        self._rest = 0.0  # until when those that run do it all
        self._ending = False
        self._abandoned = threading.Event()
        self._over = threading.Event()
        self._pid = os.getpid()

    def __enter__(self) -> Self:
        _leaving.alive.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _leaving.alive.discard(self)
        if not self._ending:
            self._end()

    def _end(self) -> None:
        """End all workers; those at work have a moment to leave nothing behind on the disk."""
        self._ending = True
        self.cancel()
        until = time.monotonic() + CANCEL
        while self._busy and time.monotonic() < until:
            self.wait(TICK)
        for slot in self._slots:
            slot.kill()
        until = time.monotonic() + LEAVE
        for slot in self._slots:
            slot.retire(max(until - time.monotonic(), 0.0))
        self._server.stop()  # what still waits for word of a worker ends with it
        self._over.set()

    def submit(self, request: Request) -> None:
        """Take this attempt on; its clock starts when a worker takes it up."""
        self._todo.append(Job(request))
        self._fill()

    def wait(self, timeout: float) -> list[Result]:
        """All that has finished; waits for the first, and looks after the workers."""
        if self._abandoned.is_set() and not self._ending:
            self._end()
        until = time.monotonic() + timeout
        results, self._ready = self._ready, []
        while True:
            self._watch()
            left = 0.0 if results else min(max(until - time.monotonic(), 0.0), TICK)
            with suppress(Empty):
                ended = self._ended.get(timeout=left)
                while True:
                    results += self._settle(*ended)
                    ended = self._ended.get_nowait()
            self._fill()
            results += self._ready
            self._ready = []
            if results or time.monotonic() >= until:
                return results

    def cancel(self) -> None:
        """End everything in flight; workers that are not heard of soon are killed by `wait`."""
        self._ready += [self._failed(job, Fault("cancelled")) for job in self._todo]
        self._todo.clear()
        for slot, job in self._busy.items():
            job.cancelled = True
            job.due = time.monotonic() + CANCEL
            slot.terminate()

    def abandon(self) -> None:
        """Have all workers ended, by the loop's thread, which still looks in here."""
        if os.getpid() != self._pid:
            return  # in a child that the caller has forked: it has neither that thread nor workers
        self._abandoned.set()
        if not self._over.wait(4 * CANCEL):
            for slot in self._slots:
                slot.kill()
            self._server.kill()

    def _fill(self) -> None:
        while self._todo and self._free and not self._ending:
            if self._busy and self._free[-1].cold and time.monotonic() < self._rest:
                return
            job, slot = self._todo.popleft(), self._free.pop()
            job.lost = float("inf")
            job.due = time.monotonic() + job.request.timeout + GRACE + (0.0 if slot.proven else START)
            try:
                slot.start(job)
            except BrokenProcessPool:  # it died at rest, just now
                slot.kill()
                self._free.append(slot)
                self._todo.appendleft(job)
            except Exception as error:  # noqa: BLE001 - no descriptor, process, thread or memory left
                slot.kill()
                self._free.insert(0, slot)
                if self._busy:
                    self._rest = time.monotonic() + REST
                    self._again(job)
                else:
                    self._ready.append(self._failed(job, error))
            else:
                self._busy[slot] = job

    def _watch(self) -> None:
        """Kill workers that are overdue: that ends their attempt, and if nobody says so, we do."""
        now = time.monotonic()
        for slot, job in self._busy.items():
            if slot.deaf or now > job.lost:
                job.lost = float("inf")
                slot.give_up()
            elif now > job.due:
                job.due = float("inf")
                job.lost = now + GRACE
                slot.kill()

    def _again(self, job: Job) -> None:
        request = job.request
        if request.deadline:
            request.timeout = max(min(request.timeout, request.deadline - time.monotonic()), 0.001)
        self._todo.appendleft(job)

    def _settle(self, slot: Slot, answer: Answer) -> list[Result]:
        """What has become of the attempt in this slot: its result, or nothing yet if it is made again."""
        if answer is not slot.answer:  # it was given up
            return []
        job = self._busy.pop(slot)
        try:
            began, values = answer.result()
        except (BrokenProcessPool, CancelledError):
            slot.kill()
            self._free.insert(0, slot)
            return self._died(job)
        except Exception as error:  # noqa: BLE001 - what a reader has found cannot be sent
            self._free.append(slot)
            return [self._failed(job, error)]
        slot.proven = True
        self._free.append(slot)
        if job.cancelled:
            slot.kill()  # it would cancel whatever came next
        result = Result(*values)
        request = result.request = job.request
        if request.deadline:
            request.deadline += began - request.began
        request.began = began
        return [result]

    def _died(self, job: Job) -> list[Result]:
        job.deaths += 1
        if job.cancelled:
            return [self._failed(job, Fault("cancelled"))]
        if job.deaths < DEATHS and job.request.method in IDEMPOTENT:
            job.request.attempts += 1  # the server may have seen the first
            self._again(job)
            return []
        words = "twice over this URL" if job.deaths > 1 else f"during a {job.request.method}"
        return [self._failed(job, Fault("worker_died", f"the worker process died {words}"))]

    def _failed(self, job: Job, error: BaseException) -> Result:
        return failed(job.request, error, "processes")
