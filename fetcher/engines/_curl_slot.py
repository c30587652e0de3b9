"""One easy handle of the curl engine and the attempt it is at: fed by libcurl, and judged at its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import pycurl

from fetcher.engines._curl_aim import Aim
from fetcher.engines._curl_faults import fault_of
from fetcher.engines._curl_idle import Ends, Idle
from fetcher.engines._curl_measures import is_multiplexed, judge, keep, measure, serves_on
from fetcher.engines._curl_setup import Setup
from fetcher.engines._exchange import Exchange
from fetcher.model import IDEMPOTENT, Result

# The peer has closed, and where the response ended is ours to say.
CLOSED: Final = (0, pycurl.E_PARTIAL_FILE, pycurl.E_GOT_NOTHING)
REFUSED: Final = -1  # what a write function says to end the transfer
LOOKS: Final = 4  # steps after which an answer is no longer looked at with suspicion
GO_ON: Final = int(pycurl.PREREQFUNC_OK)
STOP: Final = int(pycurl.PREREQFUNC_ABORT)


class Slot(Aim):
    """A handle and the attempt it is at; `ended` is libcurl's word while there is still a body to decode."""

    __slots__ = (
        "_ends",
        "_fault",
        "_idle",
        "_judged",
        "_looks",
        "_more",
        "_received",
        "_sent",
        "_unpacking",
        "ended",
    )

    def __init__(self, setup: Setup, idle: Idle, unpacking: list[Slot], sent: list[Slot]) -> None:
        self._idle = idle
        self._unpacking = unpacking  # these two are the engine's
        self._sent = sent
        self.ended: tuple[int, str] | None = None
        self._more: Iterator[None] | None = None  # what is left to decode of the bytes that came last
        self._fault: BaseException | None = None
        self._judged = False  # whether the exchange has been given the lines
        self._ends: Ends = ()  # of the connection
        self._received = -1  # bytes over it before this request
        self._looks = 0  # for an answer that was there before it
        super().__init__(setup)

    def _new_handle(self) -> None:
        super()._new_handle()
        self.handle.setopt(pycurl.WRITEFUNCTION, self._write)
        self.handle.setopt(pycurl.PREREQFUNCTION, self._connected)

    # What libcurl calls.

    def _connected(self, *ends: Any) -> int:
        """The connection is up, new or pooled, and the request would go out now."""
        exchange = self.exchange
        self._idle.end(self._ends, self)
        if self._idle.stirs(ends):
            if exchange.request.scheme == "https" and self._idle.speaks(ends):
                self._setup.surplus.add(exchange.request.host)
            self._idle.forget(ends)
            self.stirred = True
            return STOP
        once = exchange.options.private_only or exchange.request.method not in IDEMPOTENT
        if exchange.phase == "sent" and once:
            # A pooled connection was closed under the request: libcurl would send it twice, and a load test
            # counts what is sent.
            exchange.reused = True
            return STOP
        exchange.phase = "sent"
        exchange.ip = ends[0]
        self.lines.clear()  # of a proxy's answer to CONNECT
        self._ends = ends
        self._idle.begin(ends, self)
        if exchange.request.scheme == "https":
            self._looks, self._received = 0, self._idle.received(ends)
            if self._received >= 0:
                self._sent.append(self)
        return GO_ON

    def _write(self, data: bytes) -> int | None:
        if self._more is not None:  # HTTP/2: more of what one read brought comes after the pause
            return int(pycurl.WRITEFUNC_PAUSE)
        try:
            if not self._judged:
                self._judge()
            self._more = self.exchange.feed(data)
        except Exception as error:  # noqa: BLE001 - pycurl would print it; `result` makes a value of it
            self._fault = error
            return REFUSED
        if self._more is not None:
            self.handle.pause(pycurl.PAUSE_RECV)
            self._unpacking.append(self)
        return None

    def _judge(self) -> None:
        """Hand the head over."""
        self._judged = True
        judge(self.exchange, self.lines, self._setup.options.http)

    def _judge_late(self) -> None:
        """The same for an answer without a body, which has called no one; never raises."""
        try:
            if self.lines and not self._judged and self.exchange.phase == "sent":
                self._judge()
        except Exception as error:  # noqa: BLE001 - as in _write
            self._fault = error

    def leaves(self) -> bool:
        """Whether its connection, which libcurl has given to another already, may serve again."""
        self._judge_late()
        return self._fault is None and serves_on(self.exchange)

    # After.

    def may_be_early(self) -> bool:
        """Whether to look again after the next step: the TLS library may have tickets to read first."""
        self._looks += 1
        return not self.lines and self._looks < LOOKS

    def is_early(self) -> bool:
        """Whether what is taken for the answer was there before the request: surplus of the last answer.

        Over TLS it may lie decrypted inside the TLS library, where no look at the socket finds it. But then
        libcurl hands it over at once, though nothing has come since the request was sent.
        """
        if not self.lines or self._received < 0 or self._idle.received(self._ends) != self._received:
            return False
        self._idle.distrust(self._ends)
        self._setup.surplus.add(self.exchange.request.host)
        self.exchange = Exchange(self.exchange.request, self._setup.options, "curl", self.exchange.began)
        self._judged = False
        self._more = self.ended = self._fault = None
        self.stirred = True
        return True

    def spoilt(self, error: BaseException) -> Result:
        """It could not even be started."""
        self._plain = False
        return self.exchange.failed(error)

    def unpack(self) -> bool:
        """One step of a body that unpacks into much; whether that was the last, well or not."""
        exchange = self.exchange
        try:
            if self._more is not None:
                next(self._more)
            if time.monotonic() < exchange.began + exchange.request.timeout:
                return False
            self._fault = TimeoutError()
        except StopIteration:
            pass
        except Exception as error:  # noqa: BLE001 - as in _write
            self._fault = error
        self._more = None
        return True

    def waits(self, code: int, message: str) -> bool:
        """Whether this end of the transfer must wait for the body to be decoded."""
        if self._more is None or code not in CLOSED:
            return False
        self.ended = (code, message)
        return True

    @property
    def is_spoilt(self) -> bool:
        """Whether what came is to be refused already."""
        return self._fault is not None

    def odd(self) -> bool:
        """Whether what has come so far cannot become a response."""
        return bool(self.lines) and not self._judged and not self.lines[0].startswith(b"HTTP/")

    def result(self, code: int, message: str) -> Result:
        """What this transfer came to; libcurl's code counts only where the bytes themselves say nothing."""
        try:
            self._conclude(code, message)
        except Exception as error:  # noqa: BLE001 - a Fault, or a bug; a value from here on
            self._plain = False  # libcurl may carry half a line over into the next head of this handle
            self._fault = None
            return self.exchange.failed(error)
        return self.exchange.result()

    def _conclude(self, code: int, message: str) -> None:
        """Raises what is wrong with the transfer."""
        exchange = self.exchange
        try:
            self._judge_late()
            if self._fault is not None:
                raise self._fault
        finally:
            measure(exchange, self.handle)
        if self._more is not None:
            raise TimeoutError
        if exchange.done:
            keep(exchange, self.handle, self._idle, self._ends)
        elif code in CLOSED and not (code and is_multiplexed(exchange)):
            exchange.eof()
        else:
            raise fault_of(code, message, self.handle, exchange, self.lines)

    def rest(self) -> None:
        """Between two attempts."""
        self._idle.end(self._ends, self)
        self.lines.clear()
        self._judged = False
        self._more = self.ended = self._fault = None
        self.exchange = None  # type: ignore[assignment]
        if not self._plain:
            self.handle.close()
            self._new_handle()
