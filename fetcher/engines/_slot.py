"""One worker process, inside an executor of its own: started when needed, replaced when it has died."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final

from fetcher.engines import _worker
from fetcher.engines._forked import Context, Server
from fetcher.model import Options, Request

Answer = Future[tuple[float, _worker.Values]]


RETIRE: Final = 1.0  # seconds for the threads of an executor to see that its worker has ended


class Job:
    """One attempt, and the workers it has cost so far."""

    __slots__ = ("cancelled", "deaths", "due", "lost", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.deaths = 0
        self.cancelled = False
        self.due = float("inf")  # when the worker is to be killed
        self.lost = float("inf")  # when nobody is expected any more to say that it has ended


class Slot:
    """Runs one job at a time; how it ended goes into the queue `ended`."""

    def __init__(self, options: Options, server: Server, ended: SimpleQueue[tuple[Slot, Answer]]) -> None:
        self.options = options
        self.ended = ended
        self.answer: Answer | None = None  # of the job it is at
        self.proven = False  # its worker has answered once
        self._spent = False  # this worker is dead, or dying
        self._server = server
        self._context = Context(server)
        self._executor: ProcessPoolExecutor | None = None

    @property
    def cold(self) -> bool:
        """Whether the next job has to wait for a new worker."""
        return self._executor is None or self._spent

    @property
    def deaf(self) -> bool:
        """Whether nobody is left who would say how its job has ended: the executor's own thread has died."""
        manager = _manager(self._executor)
        return manager is not None and not manager.is_alive() and not (self.answer and self.answer.done())

    def start(self, job: Job) -> None:
        """Give the job to the worker. Raises OSError or RuntimeError where none can be started."""
        worker = self._context.worker
        if self._executor is not None and (self._spent or worker is None or not worker.is_alive()):
            self.retire()
        if self._executor is None:
            self._server.ensure_running()
            executor = ProcessPoolExecutor(1, self._context, _worker.begin, (self.options,))
            _start_feeder(executor)
            self._executor = executor
        values = _worker.pack_request(job.request)
        self.answer = self._executor.submit(_worker.attempt, values)
        self.answer.add_done_callback(lambda answer: self.ended.put((self, answer)))

    def terminate(self) -> None:
        """Ask the worker to cancel its attempt."""
        self._signal(_worker.CANCEL)

    def kill(self) -> None:
        """End the worker now, stopped or not; its job, if any, ends as a death."""
        self._spent = True
        self._signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    def give_up(self) -> None:
        """End the job as a death although nobody says so; who does it later is not heard."""
        self.kill()
        self.answer = Future()
        self.answer.set_exception(BrokenProcessPool("nothing was heard of the worker"))
        self.ended.put((self, self.answer))

    def retire(self, seconds: float = RETIRE) -> None:
        """Clear away what is left of a worker that has been killed, or has died."""
        if self._executor is not None:
            self.kill()
            _discard(self._executor, seconds)
        self._executor = self._context.worker = None
        self._spent = self.proven = False

    def _signal(self, number: int) -> None:
        worker = self._context.worker
        if worker is not None and worker.pid is not None and worker.is_alive():
            with suppress(ProcessLookupError):
                os.kill(worker.pid, number)


def _start_feeder(executor: Any) -> None:
    """Start the thread that writes to the worker from here, where it is noticed if there are no more threads.

    The executor would do it in its manager thread, which dies of that and leaves its jobs to wait for ever.
    """
    queue = executor._call_queue
    with queue._notempty:
        queue._start_thread()


def _manager(executor: Any) -> threading.Thread | None:
    return getattr(executor, "_executor_manager_thread", None)


def _discard(executor: Any, seconds: float) -> None:
    """Shut down an executor whose worker was killed. Its manager thread may hang, or be none."""
    manager = _manager(executor)
    queue, results = executor._call_queue, executor._result_queue
    if manager is not None and manager.is_alive():
        manager.join(seconds)
    executor.shutdown(wait=False)
    if manager is None or not manager.is_alive():
        if not queue._closed:  # so the feeder was told nothing yet
            queue._reader.close()  # it may be writing what nobody reads any more
            queue.close()
        results.close()
