"""The fast half: a bare asyncio protocol that answers /bytes, /delay and /status, and hands over the rest.

It answers GET and HEAD without a body. At the first request of another kind it gives the connection, with
all bytes from that request on, to the protocol of aiohttp.web, for good.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple, cast

from fetcher.server.plan import WHOLE, Plan, body, pieces, plan

HEAD = 8192  # a longer head is judged by aiohttp
BACKLOG = 1 << 18  # bytes that may wait behind a delayed answer

_REQUEST = re.compile(rb"(GET|HEAD) (/[!-~]*) HTTP/1\.([01])")
# Whether a head is well-formed, and says something that changes how it is answered (RFC 9112 section 5).
_FIELDS = re.compile(rb"(?:\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n\0]*)*")
_OTHERS = re.compile(rb"\r\n(?:content-length|transfer-encoding|expect|upgrade):", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[^\r]*\bclose\b", re.IGNORECASE)


class Answer(NamedTuple):
    """The bytes of a head, then `length` bytes of body, after `delay` seconds; `close`: then hang up."""

    head: bytes
    closing: bytes  # the same head with `Connection: close`
    length: int
    delay: float
    close: bool  # HTTP/1.0


class Fast(asyncio.Protocol):
    """One connection, as long as only fast paths are asked of it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        others: Callable[[], asyncio.Protocol],
        open_now: set[asyncio.Transport],
    ) -> None:
        self._loop = loop
        self._others = others
        self._open = open_now
        self._buffer = b""
        # What keeps the next request waiting: a delay, a body being streamed, a peer that does not read.
        self._timer: asyncio.TimerHandle | None = None
        self._stream: Iterator[bytes] | None = None
        self._full = False
        self._last = False  # hang up after this answer
        self._ended = False  # the peer has said that it will send no more

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A peer has come."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name
        self._open.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the contract's signature
        """The peer has gone."""
        self._open.discard(self._transport)
        self._buffer = b""
        self._stream = None
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        self._buffer = self._buffer + data if self._buffer else data
        if not self._busy():
            self._serve()
        elif len(self._buffer) > BACKLOG:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """The peer sends no more; true keeps the connection open for the answer that is due."""
        self._ended = True
        return self._busy()

    def pause_writing(self) -> None:
        """The peer does not read as fast as we write."""
        self._full = True

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._full = False
        if self._stream is not None:
            self._pour()
        if not self._busy():
            self._go_on()

    def _busy(self) -> bool:
        return self._full or self._timer is not None or self._stream is not None or self._last

    def _serve(self) -> None:
        """Answer what is in the buffer, request by request, until one takes time."""
        data = self._buffer
        while data:
            end = data.find(b"\r\n\r\n", 0, HEAD)
            if end < 0:
                if not _may_be_ours(data):
                    self._hand_over(data)
                    return
                break
            line = data.find(b"\r\n")
            answer = answer_to(data[:line])
            close = manner(data[line:end])
            if answer is None or close is None:
                self._hand_over(data)
                return
            data = self._buffer = data[end + 4 :]
            self._last = close or answer.close
            if answer.delay:
                self._timer = self._loop.call_later(answer.delay, self._wake, answer)
            else:
                self._send(answer)
            if self._busy():
                return
        self._buffer = data

    def _wake(self, answer: Answer) -> None:
        self._timer = None
        self._send(answer)
        if not self._busy():
            self._go_on()

    def _send(self, answer: Answer) -> None:
        head = answer.closing if self._last else answer.head
        if answer.length <= WHOLE:
            self._transport.write(head + body(answer.length))
        else:
            self._transport.write(head)
            self._stream = pieces(answer.length)
            self._pour()
        if self._last and self._stream is None:
            self._transport.close()

    def _pour(self) -> None:
        """Write the streamed body until the peer is behind, or it is over."""
        assert self._stream is not None
        while not self._full:
            piece = next(self._stream, None)
            if piece is None:
                self._stream = None
                if self._last:
                    self._transport.close()
                return
            self._transport.write(piece)

    def _go_on(self) -> None:
        """What kept the next request waiting is over."""
        self._serve()
        if self._transport.get_protocol() is not self or self._busy():
            return
        if self._ended:
            self._transport.close()
        else:
            self._transport.resume_reading()

    def _hand_over(self, data: bytes) -> None:
        self._buffer = b""
        self._open.discard(self._transport)
        other = self._others()
        self._transport.set_protocol(other)
        other.connection_made(self._transport)
        other.data_received(data)
        if not self._ended:
            self._transport.resume_reading()


def _may_be_ours(data: bytes) -> bool:
    """Whether this incomplete head can still become a request of ours."""
    line, newline, _ = data.partition(b"\n")
    if len(data) >= HEAD:
        return False
    if newline:
        return line.endswith(b"\r") and answer_to(line[:-1]) is not None
    return line.startswith((b"GET /", b"HEAD /")) or b"GET /".startswith(line) or b"HEAD /".startswith(line)


@lru_cache(maxsize=4096)
def answer_to(line: bytes) -> Answer | None:
    """The answer to this request line; None if it is not one of ours."""
    match = _REQUEST.fullmatch(line)
    if match is None:
        return None
    method, target, minor = match.groups()
    found = plan(target.decode("ascii"))
    if found is None:
        return None
    head = _head(found)
    length = 0 if method == b"HEAD" else found.length or 0
    return Answer(head, head[:-2] + b"Connection: close\r\n\r\n", length, found.delay, minor == b"0")


@lru_cache(maxsize=256)
def manner(fields: bytes) -> bool | None:
    """Whether the peer wants the connection closed; None if the request is not for the fast paths."""
    if _FIELDS.fullmatch(fields) is None or _OTHERS.search(fields):
        return None
    return _CLOSE.search(fields) is not None


def _head(found: Plan) -> bytes:
    length = "" if found.length is None else f"Content-Length: {found.length}\r\n"
    fields = "".join(f"{name}: {value}\r\n" for name, value in found.fields)
    return f"HTTP/1.1 {found.status} {found.reason}\r\n{fields}{length}\r\n".encode("ascii")
