"""One task of the asyncio engine: makes attempts, one after the other, and ends each with a Result."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from aiohttp import ClientError, ClientHttpProxyError

from fetcher.engines._aiohttp import Connector
from fetcher.engines._aiosteps import ATTEMPT, Attempt
from fetcher.engines._aiowire import Wire
from fetcher.engines._exchange import Exchange
from fetcher.engines._faults import kind_of
from fetcher.errors import Fault
from fetcher.model import Request, Result


class Worker:
    """Makes an attempt, hands its result to `done`, waits for the next. `due` is when it is out of time."""

    __slots__ = (
        *("due", "task"),
        *("_begun", "_connector", "_done", "_exchange", "_loop", "_parked", "_verdict", "_wire"),
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connector: Callable[[Request], Connector],
        done: Callable[[Worker, Result], None],
    ) -> None:
        self._loop = loop
        self._connector = connector
        self._done = done
        self._parked: asyncio.Future[None] = loop.create_future()
        self.task = loop.create_task(self._work())

    def begin(self, exchange: Exchange) -> None:
        """Take this attempt on. The loop does not turn now, so it starts when `wait` turns it."""
        self._exchange = exchange
        limit = exchange.options.connect_timeout or math.inf
        self.due = exchange.began + min(exchange.request.timeout or math.inf, limit)
        self._begun = False
        self._verdict: BaseException | None = None
        self._wire: Wire | None = None
        self._parked.set_result(None)

    def fail(self, error: BaseException) -> None:
        """End the attempt with this error, unless it has ended by itself."""
        self.due = math.inf
        if self._wire is not None:
            self._wire.finish(error)
        elif self._verdict is None:
            self._verdict = error
            if self._begun:
                self.task.cancel()

    async def _work(self) -> None:
        while True:
            await self._parked
            result = await self._attempt(self._exchange)
            del self._exchange  # and what its readers hold
            self._parked = self._loop.create_future()
            self._done(self, result)

    async def _attempt(self, exchange: Exchange) -> Result:
        self._begun = True
        error: BaseException | None
        try:
            error = self._verdict or await self._ask(exchange)
            if error is None:
                return exchange.result()
        except asyncio.CancelledError as stopped:
            if self._verdict is None and self.task.cancelling():
                raise  # the engine is left
            error = stopped
        except Exception as failure:  # noqa: BLE001 - a value from here on
            error = failure
        if self._verdict is not None:
            error = self._verdict
            while self.task.cancelling():
                self.task.uncancel()
        elif exchange.options.proxy:
            error = _of_proxy(error, exchange)
        return _failed(exchange, error)

    async def _ask(self, exchange: Exchange) -> BaseException | None:
        """None once the response is whole, or what went wrong; also raises what went wrong."""
        request = exchange.request
        attempt = Attempt(exchange)
        ATTEMPT.set(attempt)
        connector = self._connector(request)
        origin = connector.origin(request.scheme, request.authority)
        connection, wire = await connector.lend(origin)
        error: BaseException | None = Fault("internal")
        try:
            if wire.served:
                exchange.reused = True
            else:
                attempt.step("connect" if exchange.connect is None else "tls")
            exchange.ip = wire.ip
            exchange.phase = "sent"
            self.due = exchange.began + (request.timeout or math.inf)
            self._wire = wire
            head = origin.message(request, connector.proxy)
            error = await wire.ask(exchange, head, request.data or b"")
        finally:
            if error is None and exchange.reusable and wire.sent:
                connector.take_back(connection, origin)
            else:
                connector.discard(connection)
        return error


def _of_proxy(error: BaseException, exchange: Exchange) -> BaseException:
    """Whatever fails before the proxy has let us through is the proxy's fault, or this machine's."""
    if exchange.phase == "sent" or exchange.connect is not None:
        return error
    if isinstance(error, ClientHttpProxyError):
        return Fault("proxy_error", f"the proxy answered {error.status} {error.message}")
    fault = kind_of(error, phase=exchange.phase, started=False)
    known = isinstance(error, ClientError | OSError | Fault)
    if not known or fault.kind.startswith(("local_", "proxy_")):
        return error
    return Fault("proxy_error", f"no connection through the proxy: {fault.message}")


def _failed(exchange: Exchange, error: BaseException) -> Result:
    """The failed attempt's Result, even when a reader cannot let go of its body."""
    try:
        return exchange.failed(error)
    except Exception as bug:  # noqa: BLE001 - one record for every request
        return exchange.request.answer(time.monotonic(), "internal", repr(bug), engine=exchange.engine)
