"""One worker process, inside an executor of its own: started when needed, replaced when it has died."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import suppress
from queue import SimpleQueue

from fetcher.engines import _worker
from fetcher.engines._forked import Context, Server
from fetcher.model import Options, Request

Answer = Future[tuple[float, _worker.Values]]


class Job:
    """One attempt, and the workers it has cost so far."""

    __slots__ = ("cancelled", "deaths", "due", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.deaths = 0
        self.cancelled = False
        self.due = float("inf")  # when the worker is to be killed


class Slot:
    """Runs one job at a time; how it ended goes into the queue `ended`."""

    def __init__(self, options: Options, server: Server, ended: SimpleQueue[tuple[Slot, Answer]]) -> None:
        self.options = options
        self.ended = ended
        self.answer: Answer | None = None  # of the job it is at
        self.proven = False  # its worker has answered once
        self._spent = False  # this worker is dead, or dying
        self._context = Context(server)
        self._executor: ProcessPoolExecutor | None = None

    def start(self, job: Job) -> None:
        """Give the job to the worker. Raises OSError where none can be started."""
        worker = self._context.worker
        if worker is not None and (self._spent or not worker.is_alive()):
            self.retire()
        if self._executor is None:
            self._executor = ProcessPoolExecutor(1, self._context, _worker.begin, (self.options,))
        values = _worker.pack_request(job.request)
        self.answer = self._executor.submit(_worker.attempt, values)
        self.answer.add_done_callback(lambda answer: self.ended.put((self, answer)))

    def terminate(self) -> None:
        """Ask the worker to cancel its attempt."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the worker now, stopped or not; its job, if any, ends as a death."""
        self._spent = True
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def retire(self) -> None:
        """Clear away what is left of a worker that has been killed, or has died."""
        if self._executor is not None:
            self.kill()
            self._executor.shutdown()
        self._executor = self._context.worker = None
        self._spent = self.proven = False

    def _signal(self, number: int) -> None:
        worker = self._context.worker
        if worker is not None and worker.pid is not None and worker.is_alive():
            with suppress(ProcessLookupError):
                os.kill(worker.pid, number)
