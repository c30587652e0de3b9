"""What the requests engines share: one attempt through a requests.Session, and the threads that make them.

Of requests there is the Session and its adapters, of urllib3 the pools and connections; the bytes are sent
as they are given and read by our reader (`_connection`). A worker has a Session of its own, because requests
does not promise that threads may share one.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Final, Self, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager

from fetcher import descriptors
from fetcher.engines import _leaving
from fetcher.engines._connection import Pool, PoolTLS, Wired
from fetcher.engines._exchange import Exchange
from fetcher.engines._faults import kind_of
from fetcher.engines._network import Attempt, Network
from fetcher.errors import KINDS, Fault
from fetcher.model import Options, Pairs, Request, Result
from fetcher.resolve import descriptors_left

Job = tuple[Request, float, threading.Event]  # with the time it was submitted
KEPT: Final = 100  # hosts to which a worker keeps a connection, if there are descriptors enough


class Prepared(requests.PreparedRequest):
    """A request as requests wants it, with the attempt it is for."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__()
        request = attempt.exchange.request
        self.attempt = attempt
        self.method = request.method
        self.url = request.wire
        self.body = request.data


class Adapter(HTTPAdapter):
    """Sends a Prepared over connections of ours, and reads the whole answer into its exchange."""

    def __init__(self, network: Network, kept: int) -> None:
        self.proxy = network.proxy
        super().__init__(pool_connections=kept, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **_: Any) -> None:
        """Make the pools: of `connections` hosts one connection each, the longest unused goes first."""
        self.poolmanager = PoolManager(connections, maxsize=maxsize, block=block)
        self.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": PoolTLS}

    def send(self, request: requests.PreparedRequest, *_args: Any, **_more: Any) -> requests.Response:
        """The answer, as far as requests needs to know it. Raises what went wrong, unwrapped."""
        assert isinstance(request, Prepared)
        attempt = request.attempt
        asked = attempt.exchange.request
        target = asked.target
        extra: Pairs = ()
        host, _, port = asked.host.rpartition(":")
        if port == "0":  # urllib3 would take it for "not given"
            raise Fault("connect_refused", "nothing can listen at port 0")
        if self.proxy and asked.scheme == "http":
            target = f"http://{asked.authority}{target}"
            host, port, extra = self.proxy.host, str(self.proxy.port), self.proxy.headers
        pool = self.poolmanager.connection_from_host(host, int(port), asked.scheme)
        connection = cast(Wired, pool._get_conn())  # drops one where the end, or more, has come
        reusable = False
        try:
            connection.exchange(attempt, target, extra)
            reusable = connection.reusable
        finally:
            if not reusable:
                connection.close()
            pool._put_conn(connection)
        response = requests.Response()
        response.url = asked.wire
        response.request = request
        if attempt.exchange.reader.head is not None:
            response.status_code = attempt.exchange.reader.head.status
        return response


class Attempts:
    """A worker's own Session: makes one attempt at a time."""

    def __init__(self, options: Options, engine: str, network: Network, workers: int = 1) -> None:
        self.options = options
        self.engine = engine
        self.network = network
        self.session = requests.Session()
        self.session.trust_env = False  # no proxy, netrc or authorities but ours
        adapter = Adapter(network, kept(workers))
        self.session.mount("http://", adapter)
        self.session.mount("https://", adapter)

    def run(self, request: Request, cancelled: threading.Event, began: float | None = None) -> Result:
        """One attempt. Never raises. `cancelled`, set by anyone, ends it within half a second."""
        exchange = Exchange(request, self.options, self.engine)
        exchange.began = exchange.began if began is None else began
        try:
            attempt = Attempt(exchange, self.network, cancelled)
            self.session.send(Prepared(attempt), stream=True, allow_redirects=False, proxies={}, timeout=None)
            return exchange.result()
        except BaseException as error:  # noqa: BLE001
            return exchange.failed(error)

    def close(self) -> None:
        """Close all connections."""
        self.session.close()


def kept(workers: int) -> int:
    """How many idle connections one of so many workers of this process may keep."""
    return max(1, min(KEPT, descriptors.idle(workers) // workers))


class Workers:
    """An engine of threads, started as the load asks, each with a Session of its own."""

    def __init__(self, options: Options, name: str, width: int) -> None:
        self.width = width
        self._options = options
        self._name = name
        self._network = Network(options)
        self._own = threading.local()
        self._all: list[Attempts] = []
        self._ended: SimpleQueue[Result] = SimpleQueue()
        self._cancelled = threading.Event()
        self._abandoned = False
        self._any = False  # a thread runs
        self._short = False  # fewer run than could
        self._threads = ThreadPoolExecutor(width, thread_name_prefix=f"fetch-{name}")

    def __enter__(self) -> Self:
        _leaving.alive.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _leaving.alive.discard(self)
        self.cancel()
        self._network.close()
        self._threads.shutdown(cancel_futures=True)
        for attempts in self._all:
            attempts.close()

    def submit(self, request: Request) -> None:
        """Take this attempt on; its clock starts now, or when one of too few threads takes it up."""
        job: list[Job] = [(request, time.monotonic(), self._cancelled)]
        try:
            self._threads.submit(self._run, job)
            self._any = True
        except RuntimeError as error:  # no more threads: those that run will do it, if there are any
            self._short = True
            if not self._any:
                job.clear()
                self._ended.put(failed(request, Fault("local_memory", str(error)), self._name))

    def wait(self, timeout: float) -> list[Result]:
        """All that has finished; waits for the first."""
        results: list[Result] = []
        with suppress(Empty):
            results.append(self._ended.get(timeout=max(timeout, 0.0)))
            while True:
                results.append(self._ended.get_nowait())
        return results

    def cancel(self) -> None:
        """End everything in flight."""
        self._cancelled.set()
        self._cancelled = threading.Event()  # for what may be submitted from now on
        if self._abandoned:
            self._cancelled.set()

    def abandon(self) -> None:
        """The same for good, from any thread."""
        self._abandoned = True
        self._cancelled.set()

    def _run(self, job: list[Job]) -> None:
        try:
            request, began, cancelled = job.pop()
        except IndexError:
            return  # answered already
        try:
            attempts: Attempts | None = getattr(self._own, "attempts", None)
            if attempts is None:
                attempts = self._own.attempts = Attempts(self._options, self._name, self._network, self.width)
                self._all.append(attempts)
            if self._short:
                began = time.monotonic()
                if request.deadline:
                    request.timeout = max(min(request.timeout, request.deadline - began), 0.001)
            result = attempts.run(request, cancelled, began)
        except BaseException as error:  # noqa: BLE001 - nothing may cost a URL its record
            result = failed(request, error, self._name)
        self._ended.put(result)


def failed(request: Request, error: BaseException, engine: str) -> Result:
    """The Result of an attempt that failed before it left this process: no server's or network's fault."""
    fault = kind_of(error, phase="connect", started=False)
    # RuntimeError itself is what Python raises where the system gives it no more threads.
    if fault is not error and (KINDS[fault.kind].whose != "here" or type(error) is RuntimeError):
        words = f"no worker could be started: {str(error) or repr(error)}"
        fault = Fault("local_memory" if descriptors_left() else "local_fd_limit", words)
    return request.answer(time.monotonic(), fault.kind, fault.message, engine=engine)
