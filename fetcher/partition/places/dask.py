"""Parts on the workers of a Dask cluster: one that runs, or one of this machine (`local`)."""

from __future__ import annotations

import logging
import os
import queue
import signal
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import resource_tracker
from typing import Any, Final

import distributed
from distributed import Client, Future, LocalCluster

from fetcher.errors import LocalFault, UsageError, first_line
from fetcher.partition import Job
from fetcher.partition.places import Heard, tried
from fetcher.partition.places._cluster import (
    LOCAL,
    check,
    check_answer,
    check_directory,
    check_peers,
)
from fetcher.partition.turns import Turns
from fetcher.tally import Tally

GLANCE: Final = 0.1  # seconds between two looks whether somebody wants something else
CONNECT: Final = 5.0  # seconds that a scheduler may take to answer
LEAVE: Final = 3.0  # seconds that workers have to end what nobody wants any more: each hears it within one
AHEAD: Final = 1000  # parts that the scheduler knows of; it need not hold all of a long list
LOGGERS: Final = ("distributed", "tornado", "asyncio")
NOTHING: Final = logging.CRITICAL + 1


@contextmanager
def place(workers: int, address: str) -> Iterator[Dask]:
    """The cluster at this address. Raises UsageError where it is open to others, or not of our version."""
    check(address)
    if not logging.getLogger("fetcher").isEnabledFor(logging.DEBUG):  # --debug
        _hush()
    with ExitStack() as stack:
        client = stack.enter_context(_client(stack, workers, address))
        check_peers(client, address)
        dask = Dask(client)
        try:
            yield dask
        finally:
            dask.close()


def _hush() -> None:
    """What Dask logs of lost workers and cancelled work is told in our own words."""
    warnings.filterwarnings("ignore", module=r"distributed\b")
    for name in list(logging.root.manager.loggerDict):  # some have a level of their own
        if name.partition(".")[0] in LOGGERS:
            logging.getLogger(name).setLevel(NOTHING)


def _client(stack: ExitStack, workers: int, address: str) -> Client:
    where: str | LocalCluster = address
    try:
        if address == LOCAL:
            where = stack.enter_context(_started(workers if workers > 1 else os.cpu_count() or 1))
        else:
            check_answer(address, CONNECT)
        return Client(where, timeout=CONNECT, set_as_default=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(f"--cluster {address}: no cluster could be started: {first_line(error)}") from error


def _started(workers: int) -> LocalCluster:
    """A cluster of this machine; its processes do not hear a Ctrl-C, which a terminal sends to all."""
    masks = hasattr(signal, "pthread_sigmask")  # threads and processes inherit it; Windows has none
    if masks:
        resource_tracker.ensure_running()  # its start would take the mask away
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address=None,
            host="127.0.0.1",
            silence_logs=logging.getLogger("distributed").level,
        )
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])


class Dask:
    """The workers of a cluster, each thread of which fetches a part in a process of its own."""

    def __init__(self, client: Client) -> None:
        self.workers = sum(client.nthreads().values())
        self._client = client
        self._run = uuid.uuid4().hex
        self._futures: dict[str, tuple[Future[None], int]] = {}
        self._heard: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._names: dict[int, str] = {}  # part -> worker
        self._running: set[int] = set()
        self._stops = 0
        client.subscribe_topic(self._run, self._event)

    def fetch(self, turns: Turns, most: int = 0) -> Iterator[Heard | None]:
        """What is heard of them. Raises LocalFault where the directory is not seen, or the scheduler goes."""
        ahead = most or max(AHEAD, 4 * self.workers)
        count = 0
        while not self._stops:
            while len(self._futures) < ahead and (job := turns.next()) is not None:
                if count == 0:
                    check_directory(self._client, job["directory"])
                self._begin(count, job)
                count += 1
            if turns.ended and not self._futures:
                return
            yield self._next(GLANCE)
        self.close()

    def stop(self) -> None:
        """Begin nothing new, and give up what is under way."""
        self._stops += 1

    def close(self) -> None:
        """Give up what is left, and wait a little until the workers have heard it."""
        left = [future for future, _ in self._futures.values()]
        self._futures.clear()
        if not left:
            return
        self._client.cancel(left, force=True)
        until, stops = time.monotonic() + LEAVE, self._stops
        while self._running and time.monotonic() < until and self._stops == stops:
            self._next(GLANCE)

    def _begin(self, number: int, job: Job) -> None:
        key = f"fetch-part-{self._run}-{job['part']}"
        future = self._client.submit(_part, Sealed(job), self._run, key=key, pure=False, priority=-number)
        self._futures[key] = future, job["part"]
        future.add_done_callback(lambda one: self._heard.put(("done", one.key)))

    def _next(self, wait: float) -> Heard | None:
        try:
            word, what = self._heard.get(timeout=wait)
        except queue.Empty:
            return None
        if word == "event":
            return self._said(what["part"], what["worker"], what["tally"], over=what["over"])
        found = self._futures.pop(what, None)
        if found is None:  # it was given up
            return None
        future, part = found
        self._running.discard(part)
        return _over(future, part, self._names.pop(part, ""))

    def _said(self, part: int, worker: str, tally: dict[str, Any] | None, *, over: bool) -> Heard | None:
        if over:
            self._running.discard(part)
            return None
        self._names[part] = worker
        self._running.add(part)
        return Heard(part, worker, tally) if tally is not None else None

    def _event(self, event: tuple[float, Any]) -> None:
        self._heard.put(("event", event[1]))


def _over(future: Future[None], part: int, worker: str) -> Heard:
    if future.status == "finished":
        return Heard(part, worker, None, "finished")
    if future.cancelled():  # not by us
        raise LocalFault(
            "the Dask scheduler has gone, or was restarted: start it, and run again with --resume"
        )
    error = future.exception()
    why = first_line(error)
    if isinstance(error, distributed.KilledWorker):
        last = error.last_worker.address
        why = f"its workers died, one after the other (the last: {last})"
    return Heard(part, worker, None, "failed", why)


class Sealed:
    """A Job that is logged and shown without what is in it: there may be secrets."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def __repr__(self) -> str:
        return f"part {self.job['part']}"


def _part(sealed: Sealed, topic: str) -> None:
    """Runs on a worker, in one of its threads: the process of one part, which says what it has as events."""
    worker = distributed.get_worker()
    key = worker.get_current_task()
    who = str(worker.name)

    def told(tally: dict[str, Any] | None, over: bool = False) -> None:
        said = {"part": sealed.job["part"], "worker": who, "tally": tally, "over": over}
        worker.log_event(topic, said)

    def unwanted() -> bool:
        """Whether it was cancelled, or who asked for it has gone."""
        task = worker.state.tasks.get(key)
        return task is None or task.state != "executing"

    told(Tally().record())  # it has begun; where a worker has died before, anew
    try:
        while tried(sealed.job, told, unwanted) != "finished" and not unwanted():
            pass  # cancelled, and then given to this worker again
    finally:
        told(None, over=True)
