"""One attempt and its answer: raw bytes in, a Result out, without I/O; every engine is judged here.

An engine makes an Exchange when it starts an attempt, notes on it what it sees (phase, address, timings),
feeds it the bytes that arrive, and ends with `result()`, or with `failed(exception)`. Both are final.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from fetcher import readers
from fetcher.decode import Decoder, codings
from fetcher.engines._faults import kind_of
from fetcher.errors import Fault
from fetcher.framing import Head, Reader
from fetcher.model import FOLLOWED, Options, Request, Result
from fetcher.readers import Reader as BodyReader

GIB: Final = 1 << 30
MIB64: Final = 64 << 20
GLIMPSES: Final = {"external": 1 << 16}  # of a link that leads out of a crawl only the head is wanted
STEP: Final = 16  # decoded pieces, of at most about 64 KiB: 1 to 5 ms


class Exchange:
    """The state of one attempt; `phase` is "lookup", "connect" (TCP and TLS) or "sent" (it has gone out)."""

    __slots__ = (
        *("request", "options", "engine", "phase", "ip", "dns", "connect", "tls", "ttfb", "reused"),
        *("began", "reader", "wire_size", "_cap", "_decoder", "_bodies", "_head"),
    )

    def __init__(self, request: Request, options: Options, engine: str, began: float | None = None) -> None:
        self.request = request
        self.options = options
        self.engine = engine
        self.began = time.monotonic() if began is None else began
        self.phase = "lookup"
        self.ip: str | None = None
        self.dns: float | None = None  # seconds; null on a reused connection
        self.connect: float | None = None
        self.tls: float | None = None
        self.ttfb: float | None = None
        self.reused = False
        self.reader = Reader(request.method)
        self.wire_size = 0
        self._cap = GIB
        self._head: Head | None = None
        self._decoder: Decoder | None = None
        self._bodies: list[BodyReader] = []

    # What the engine asks.

    @property
    def started(self) -> bool:
        """Whether a whole status line has come: the only start of an answer that all engines can see."""
        return self.reader.line

    @property
    def done(self) -> bool:
        """Whether the response has ended; nothing more may be fed."""
        return self.reader.done

    @property
    def reusable(self) -> bool:
        """Whether the connection may serve another request: no byte is left over, and none will come."""
        head = self.reader.head
        return self.reader.done and head is not None and not head.close and not self.reader.rest

    # What the engine tells.

    def feed(self, data: bytes) -> Iterator[None] | None:
        """Bytes have come. Raises Fault when they cannot be a response, or break a limit.

        Mostly None. But 300 bytes may unpack into a gigabyte: then what is left to do, in steps of some
        milliseconds, each of which may raise Fault too. Between two the engine looks at the clock and at its
        other attempts; until they are run to their end nothing more may be fed, and the attempt is not done.
        """
        if self.ttfb is None:
            self.ttfb = time.monotonic() - self.began
        more = None
        for piece in self.reader.feed(data):  # one at most
            more = self._body(piece)
        return more

    def eof(self) -> None:
        """The peer has closed. Raises Fault unless that was how the response ends."""
        self.reader.eof()

    def result(self) -> Result:
        """The response is complete. Never raises; a coding that was cut short is found here."""
        result = None
        try:
            if self._head is None:
                self._open()
            if self._decoder is not None:
                for piece in self._decoder.finish():
                    self._pass(piece)
            result = self._answer(None, None)
            result.wire_size = self.wire_size
            for body in self._bodies:
                body.done(result)
        except Exception as error:  # noqa: BLE001  (whatever a reader or a decoder did, the URL gets its record)
            return self.failed(error)
        return result

    def failed(self, error: BaseException) -> Result:
        """The attempt has failed with this exception: our Fault, an OSError, a timeout or a library's own."""
        for body in self._bodies:
            body.drop()
        self._bodies = []
        fault = kind_of(error, phase=self.phase, started=self.started)
        return self._answer(fault.kind, fault.message)

    # Inside.

    def _body(self, piece: bytes) -> Iterator[None] | None:
        if self._head is None:
            self._open()
        self.wire_size += len(piece)
        if self._decoder is None:
            if self.wire_size > self._cap:
                raise Fault("body_too_large", f"the body is over {self._cap:,} bytes (--max-size)")
            self._pass(piece)
            return None
        decoded = self._decoder.feed(piece)
        return None if self._step(decoded) else self._steps(decoded)

    def _steps(self, decoded: Iterator[bytes]) -> Iterator[None]:
        while True:
            yield
            if self._step(decoded):
                return

    def _step(self, decoded: Iterator[bytes]) -> bool:
        """Hand some decoded pieces on; whether these were the last."""
        for _ in range(STEP):
            piece = next(decoded, None)
            if piece is None:
                return True
            if piece:
                self._pass(piece)
        return False

    def _pass(self, piece: bytes) -> None:
        for body in self._bodies:
            body.feed(piece)

    def _open(self) -> None:
        """The head is whole: set up what the body goes through."""
        head = self._head = self.reader.head
        assert head is not None
        hop = head.status in FOLLOWED and self.options.max_redirects and head.get("location")
        names = ("count",) if hop else self.request.readers
        media = (head.get("content-type") or "").partition(";")[0].strip().lower()
        chosen = [each for each in readers.pick_all(names) if each[1] is None or media in each[1]]
        self._bodies = [make(self.request, self.options) for make, _, _ in chosen]
        # A robots.txt has its own, fixed limit; a small --max-size must not forbid a whole site.
        purpose = self.request.purpose
        own = self.options.max_size if purpose == "page" else GLIMPSES.get(purpose, 0)
        self._cap = own or (MIB64 if any(keeps for _, _, keeps in chosen) else GIB)
        if head.get("content-encoding") is not None and (layers := codings(head.fields)):
            self._decoder = Decoder(layers, self._cap)

    def _answer(self, error: str | None, message: str | None) -> Result:
        result = self.request.answer(time.monotonic(), error, message)
        result.ip = self.ip
        result.dns = self.dns
        result.connect = self.connect
        result.tls = self.tls
        result.ttfb = self.ttfb
        result.engine = self.engine
        result.reused = self.reused
        head = self.reader.head
        if head is not None:
            result.status = head.status
            result.http_version = head.version
            result.fields = head.fields
            result.content_type = head.get("content-type")
            result.encoding = head.get("content-encoding")
            result.content_length = head.length
            if self.options.headers:
                result.headers = {n: v for n in self.options.headers if (v := result.get(n)) is not None}
        return result
