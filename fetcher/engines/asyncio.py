"""One event loop over aiohttp's connections: slow servers and many of them, for one thread's price.

The loop turns only while `wait` runs, in the thread that calls it, so it meets no other loop of the process.
Attempts are made by workers (`_aioworker`), created when needed, over aiohttp's connections (`_aiohttp`). One
alarm serves all limits in time.
"""

from __future__ import annotations

import asyncio
import math
import os
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from socket import SO_ERROR, SOL_SOCKET, socket
from typing import Any, Final

from fetcher import descriptors
from fetcher.engines import _tls
from fetcher.engines._aiohttp import Connector
from fetcher.engines._aiosteps import Shaking
from fetcher.engines._aioworker import Worker
from fetcher.engines._exchange import Exchange
from fetcher.errors import Fault
from fetcher.model import Options, Request, Result
from fetcher.resolve import Resolver

CONCURRENCY: Final = 64
LIBRARIES = ("aiohttp", "uvloop")
DESCRIPTORS: Final = 1
LEAVING: Final = 0.5  # seconds that connections get to close, at the end


@contextmanager
def engine(options: Options) -> Iterator[_Asyncio]:
    """An engine for one run."""
    _tls.check(options)
    running = _Asyncio(options)
    try:
        yield running
    finally:
        running.leave()


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop of uvloop where it is installed, unless FETCH_NO_UVLOOP=1."""
    if os.environ.get("FETCH_NO_UVLOOP") != "1":
        try:
            import uvloop
        except ImportError:
            pass
        else:

            class Loop(uvloop.Loop):
                sock_connect = sock_connect

            return Loop()
    return asyncio.new_event_loop()


async def sock_connect(loop: asyncio.AbstractEventLoop, sock: socket, address: Any) -> None:
    """Connect. uvloop's own has even an address looked up, in libuv's threads, and those never end."""
    with suppress(BlockingIOError):
        sock.connect(address)
        return
    up = asyncio.Event()
    loop.add_writer(sock, up.set)
    try:
        await up.wait()
    finally:
        loop.remove_writer(sock)
    if error := sock.getsockopt(SOL_SOCKET, SO_ERROR):
        raise OSError(error, os.strerror(error))


class _Asyncio:
    """See the contract in `fetcher.engines`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.width = options.concurrency or CONCURRENCY
        self.resolver = Resolver(options)
        self.loop = new_loop()
        try:
            connector = partial(
                Connector, self.loop, self.resolver, proxy=options.proxy, tls=lambda: self._tls
            )
            self.pool = connector(most_idle=descriptors.idle(self.width))
            self.single = connector(most_idle=0)  # for Request.fresh
        except BaseException:
            self.loop.close()
            raise
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._ready: list[Result] = []
        self._stopped = True
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = math.inf

    def submit(self, request: Request) -> None:
        """Take this attempt on."""
        worker = self._idle.pop() if self._idle else Worker(self.loop, self._connector, self._done)
        self._busy.add(worker)
        worker.begin(Exchange(request, self.options, "asyncio"))
        self._set_alarm(worker.due)

    def wait(self, timeout: float) -> list[Result]:
        """What has finished; the loop turns until something has, and one turn more to collect the batch."""
        if not self._ready:
            self._stopped = False
            limit = self.loop.call_later(max(timeout, 0), self._stop)
            self.loop.run_forever()
            limit.cancel()
            self._stopped = True
        ready, self._ready = self._ready, []
        return ready

    def cancel(self) -> None:
        """Everything in flight ends as `cancelled`, in the next turns of the loop."""
        for worker in list(self._busy):
            worker.fail(Fault("cancelled"))

    def leave(self) -> None:
        """Leave no task, connection or thread."""
        try:
            self.cancel()
            until = time.monotonic() + LEAVING
            while self._busy and time.monotonic() < until:  # readers hear that their body will not be whole
                self.wait(0.1)
            self.loop.run_until_complete(self._leave())
        finally:
            self.resolver.close()
            self.loop.close()

    # Inside.

    def _done(self, worker: Worker, result: Result) -> None:
        """The attempt has ended, the worker is free."""
        self._busy.discard(worker)
        self._idle.append(worker)
        if not self._ready:
            self.loop.call_soon(self._stop)
        self._ready.append(result)

    def _connector(self, request: Request) -> Connector:
        return self.single if request.fresh else self.pool

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        """What all https connections share; made when the first is needed."""
        context = _tls.context(self.options)
        context.sslobject_class = Shaking
        return context

    def _stop(self) -> None:
        """Stop the loop once: a second stop would be left over, and end the next run as it begins."""
        if not self._stopped:
            self._stopped = True
            self.loop.stop()

    def _set_alarm(self, due: float) -> None:
        if due < self._alarm_at:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm_at = due
            self._alarm = self.loop.call_later(max(due - time.monotonic(), 0.001), self._ring)

    def _ring(self) -> None:
        """Some attempt may be out of time. All are looked at, once in as long as the oldest still has."""
        now = time.monotonic()
        self._alarm, self._alarm_at = None, math.inf
        for worker in list(self._busy):
            if worker.due <= now:
                worker.fail(TimeoutError())
        self._set_alarm(min((worker.due for worker in self._busy), default=math.inf))

    async def _leave(self) -> None:
        tasks = [worker.task for worker in (*self._idle, *self._busy)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connector in (self.pool, self.single):
            connector.abort()
            await asyncio.wait({asyncio.ensure_future(connector.close())}, timeout=LEAVING)
        await asyncio.sleep(0)  # uvloop lets go of descriptors one turn later
