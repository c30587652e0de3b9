"""One HTTP/1.1 response read from raw bytes, without I/O: in every engine it is this that judges.

The verdict depends on the bytes alone, never on how they were cut into pieces. The head is judged by
`head`, once it is whole; here is where it ends, what follows it, and where that ends (RFC 9112 6).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from fetcher.chunks import Chunks
from fetcher.errors import Fault
from fetcher.head import FIELDS, HEAD, LINE, Head, fast, full, status_line
from fetcher.lines import show

__all__ = ["Head", "Reader"]

INTERIM: Final = 32
BODILESS: Final = frozenset({204, 304})  # RFC 9112 6.3, like every answer to HEAD
END: Final = re.compile(rb"\n\r?\n")  # of a head


class Reader:
    """One response: `feed` it bytes until `done`, or tell it the `eof`. Raises Fault for what is none."""

    __slots__ = (
        *("done", "head", "line", "rest", "_bodiless", "_buffer", "_chunks", "_count"),
        *("_interim", "_left", "_lines", "_room", "_step"),
    )

    def __init__(self, method: str = "GET") -> None:
        self.head: Head | None = None  # the final one, once it is whole
        self.done = False
        self.rest = b""  # surplus bytes after the message
        self.line = False  # a whole first line has come
        self._bodiless = method == "HEAD"
        self._step: Callable[[Reader, bytes], list[bytes]] = Reader._in_head  # what takes the next bytes
        self._buffer = bytearray()  # an unfinished head
        self._lines = 0  # how much of it is whole lines
        self._room = HEAD
        self._count = FIELDS
        self._interim = 0
        self._left = 0  # bytes of the body to come

    def feed(self, data: bytes) -> list[bytes]:
        """Take what has come. What of it is body, de-chunked, in at most one piece."""
        return self._step(self, data)

    def eof(self) -> None:
        """The peer has closed. Raises Fault unless the response has ended, or ends in this way."""
        if self.done:
            return
        if self.head is None:
            raise self._ended_in_head()
        if self._step is Reader._until_close:
            self._end(b"")
        elif self._step is Reader._counted:
            length = self.head.length or 0
            raise Fault("truncated", f"closed after {length - self._left:,} of {length:,} body bytes")
        else:
            raise self._chunks.ended()

    def _ended_in_head(self) -> Fault:
        if not self.line:
            seen = f", only {show(self._buffer)}" if self._buffer else ""
            return Fault("no_response", f"closed before one whole line of a response{seen}")
        if self._lines:
            full(bytes(self._buffer), self._room, self._count)  # a bad line is the better reason
        return Fault("truncated", "closed inside the head of the response")

    def _in_head(self, data: bytes) -> list[bytes]:
        if self._buffer:
            self._hold(data)
            if not END.search(self._buffer, max(len(self._buffer) - len(data) - 2, 0)):
                return self._wait()
            data = bytes(self._buffer)
            self._buffer.clear()
            self._lines = 0
        self.line = self.line or b"\n" in data
        while data:
            found = fast(data, self._room, self._count)
            if found is None:
                end = END.search(data)
                if end is None:
                    self._hold(data)
                    return self._wait()
                found = full(data[: end.end()], self._room, self._count), end.end()
            head, size = found
            data = data[size:]
            if head.status >= 200:
                return self._begin(head, data)
            self._skip(head, size)
        return []

    def _hold(self, data: bytes) -> None:
        """Keep the bytes of an unfinished head. A wrong first line is refused at once."""
        before = len(self._buffer)
        self._buffer += data
        last = data.rfind(b"\n")
        if last >= 0:
            self.line = True
            if not self._lines:
                status_line(self._buffer, self._room)
            self._lines = before + last + 1

    def _wait(self) -> list[bytes]:
        """For the rest of a head, unless it is too large already."""
        size = len(self._buffer)
        if size >= self._room or size - self._lines >= LINE:
            full(bytes(self._buffer), self._room, self._count)
        return []

    def _skip(self, head: Head, size: int) -> None:
        """An interim response (RFC 9110 15.2): the answer is yet to come."""
        if head.status == 101:
            raise Fault("bad_framing", "the server switched protocols (101), which nobody asked for")
        self._interim += 1
        if self._interim > INTERIM:
            raise Fault("header_too_large", f"more than {INTERIM} interim (1xx) responses")
        self._room -= size
        self._count -= len(head.fields)

    def _begin(self, head: Head, data: bytes) -> list[bytes]:
        """How the body ends: RFC 9112 6.3."""
        self.head = head
        if self._bodiless or head.status in BODILESS:
            self._end(data)
            return []
        if head.chunked:
            self._chunks = Chunks()
            self._step = Reader._chunked
        elif head.length is None:
            head.close = True
            self._step = Reader._until_close
        else:
            self._left = head.length
            self._step = Reader._counted
        return self._step(self, data)

    def _until_close(self, data: bytes) -> list[bytes]:
        return [data] if data else []

    def _counted(self, data: bytes) -> list[bytes]:
        left = self._left
        if len(data) < left:
            self._left = left - len(data)
            return [data] if data else []
        self._end(data[left:])
        return [data[:left]] if left else []

    def _end(self, rest: bytes) -> None:
        self.done = True
        self.rest = rest
        self._step = Reader._surplus

    def _surplus(self, data: bytes) -> list[bytes]:
        self.rest += data
        return []

    def _chunked(self, data: bytes) -> list[bytes]:
        chunks = self._chunks
        pieces = chunks.feed(data)
        if chunks.done:
            self._end(chunks.rest)
        return pieces
