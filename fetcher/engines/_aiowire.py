"""One connection of the asyncio engine: the request out, raw bytes from aiohttp's transport to the Exchange.

`Wire` takes the place of the protocol class in which aiohttp parses responses. So every byte is judged and
handed to the readers as it arrives, nothing piles up, and aiohttp's parser is asked only about CONNECT.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from aiohttp.client_proto import ResponseHandler

from fetcher.engines._exchange import Exchange
from fetcher.errors import Fault

PIECE: Final = 256 << 10  # bytes of a request body that are handed over at once


class Wire(ResponseHandler):
    """One connection: what arrives goes to the exchange it is at; bytes that nobody asked for close it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lost: Callable[[Wire], None]) -> None:
        super().__init__(loop)
        self.served = 0
        self.ip: str | None = None
        self._lost = lost
        self._exchange: Exchange | None = None
        self._answer: asyncio.Future[BaseException | None] | None = None
        self._upload: asyncio.Task[None] | None = None
        self._uploaded = True
        self._poll: select.poll | None = None
        self._more: Iterator[None] | None = None  # what is left to decode of the bytes that came last
        self._after: list[Callable[[], None]] = []  # what the transport said meanwhile
        self._early = b""  # what came before the first request: some speak first
        self._early_end: bool | None = None  # ... and whether it was their last word, and a clean one

    def ask(self, exchange: Exchange, head: bytes, body: bytes) -> asyncio.Future[BaseException | None]:
        """Send the request; the future gives None once the response is whole, or else what went wrong."""
        self.served += 1
        self._exchange = exchange
        self._answer = self._loop.create_future()
        if self.transport is not None and self._early_end is None:
            if len(body) <= PIECE:
                self.transport.write(head + body)
            else:
                self.transport.write(head)
                self._upload = self._loop.create_task(self._send(body))
        if self._early:
            self.data_received(self._early)
        if self._early_end is not None:
            self._end(clean=self._early_end)
        elif self.transport is None:
            self.finish(ConnectionResetError("the connection closed before the request was sent"))
        return self._answer

    async def _send(self, body: bytes) -> None:
        """A large body piece by piece: what the socket does not take yet is not copied into a buffer."""
        with memoryview(body) as view:
            for start in range(0, len(body), PIECE):
                await self._drain_helper()
                if self.transport is None:
                    return
                self.transport.write(view[start : start + PIECE])

    def finish(self, error: BaseException | None) -> None:
        """The exchange has ended like this. Does nothing if it had ended before."""
        self._exchange, waiter = None, self._answer
        self._more = None
        self._uploaded = self._upload is None or self._upload.done()
        if self._upload is not None:
            self._upload.cancel()
            self._upload = None
        if waiter is not None and not waiter.done():
            waiter.set_result(error)

    def drop(self) -> None:
        """Close at once: `close` would first send what is unsent, to a peer that may never read it."""
        if self.transport is not None:
            self.transport.abort()

    def stirred(self) -> bool:
        """Whether bytes have come since the last response, or the peer has closed: not to be used again.

        The loop may not know yet: a task that is ready when it begins to turn runs before anything is read.
        """
        if self.transport is None:
            return True
        descriptor = self.transport.get_extra_info("socket").fileno()
        if not hasattr(select, "poll"):  # Windows
            return bool(select.select([descriptor], [], [], 0)[0])
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLIN)
        return bool(self._poll.poll(0))

    @property
    def sent(self) -> bool:
        """Whether the whole request has left: a server may answer before it has read it.

        Who spoke first may yet answer it: never, then.
        """
        if self._early or not self._uploaded or self.transport is None:
            return False
        return not self.transport.get_write_buffer_size()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, TLS included."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.ip = peer[0] if peer else None

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        exchange = self._exchange
        if exchange is None:
            if self._parser is not None:
                super().data_received(data)  # a proxy's answer to CONNECT, which aiohttp itself reads
            elif self.served or len(self._early) > PIECE:
                self.drop()
            else:
                self._early += data
            return
        if self._more is not None:  # its transport would not stop at once
            self._after.append(partial(self.data_received, data))
            return
        try:
            self._more = exchange.feed(data)
        except Exception as error:  # noqa: BLE001 - a Fault, or a bug; either ends this attempt, not the loop
            self.finish(error)
        else:
            if self._more is not None:
                self._pause(self._more)
            elif exchange.done:
                self.finish(None)

    def _pause(self, more: Iterator[None]) -> None:
        """Much is to be decoded: a step at each turn of the loop, and nothing more is read meanwhile."""
        if self.transport is not None:
            self.transport.pause_reading()
        self._loop.call_soon(self._go_on, more)

    def _go_on(self, more: Iterator[None]) -> None:
        exchange = self._exchange
        if more is not self._more or exchange is None:
            return  # the attempt has ended: out of time, or cancelled
        try:
            next(more)
        except StopIteration:
            self._resume(exchange)
        except Exception as error:  # noqa: BLE001 - as in data_received
            self.finish(error)
        else:
            self._loop.call_soon(self._go_on, more)

    def _resume(self, exchange: Exchange) -> None:
        """All is decoded; now for what came meanwhile."""
        self._more = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()
        if exchange.done:
            self.finish(None)
        after, self._after = self._after, []
        for call in after:
            call()

    def eof_received(self) -> None:
        """The peer has closed its side."""
        super().eof_received()
        tls = self.transport.get_extra_info("ssl_object") if self.transport is not None else None
        self._end(clean=tls is None or _notified(tls))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Closed, by whichever side."""
        super().connection_lost(exc)
        self._lost(self)
        if exc is None:
            self._end(clean=False)  # without eof_received: uvloop, where TLS ended without close_notify
        elif self._more is not None:
            self._after.append(partial(self.finish, exc))
        else:
            self.finish(exc)

    def _end(self, *, clean: bool) -> None:
        self.force_close()
        if self._more is not None:
            self._after.append(partial(self._end, clean=clean))
            return
        if self._exchange is None:
            if not self.served:
                self._early_end = clean
            return
        try:
            self._exchange.eof()
            if not clean:
                raise Fault("truncated", "the TLS connection ended without close_notify")
        except Exception as error:  # noqa: BLE001 - as in data_received
            self.finish(error)
        else:
            self.finish(None)


def _notified(tls: Any) -> bool:
    """Whether the peer sent close_notify: asyncio calls eof_received with and without."""
    try:
        return bool(tls.read(1) == b"")
    except ssl.SSLError:
        return False
