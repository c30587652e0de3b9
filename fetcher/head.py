"""The head of an HTTP/1.1 response: the rule by which its lines are judged, and what they say of the framing.

Legal is accepted, the rest refused (RFC 9110, RFC 9112), class by class in tests/test_framing.py. Faults are
found in the order of the wire, so a verdict never depends on how the bytes were cut. `fast` takes nothing
unusual, and remembers lines (3 us) and heads (1 us: in a load test all are alike); whatever it leaves goes
through `full`, which is the whole rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, cast

from fetcher.errors import Fault
from fetcher.lines import Pair, Start, field, show, start_line

# Below curl's limits (100 KiB, 300 KiB, 5,000 fields), so that no engine refuses what another takes.
LINE: Final = 64 << 10  # bytes of one line, its folds and its end included
HEAD: Final = 256 << 10  # bytes of all heads of one response, interim ones included
FIELDS: Final = 1000  # likewise

# RFC 9112 4. A version that is not 1.x means another protocol; codes are three digits (RFC 9110 15).
STATUS: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([^\r\n\0]*+))?\r?\n")
TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2
SHORT: Final = 8 << 10  # bytes of a head that is remembered: nobody shall fill the memory with them
KEPT: Final = 64  # heads


class Head:
    """What a head says: `fields` in their order, as Latin-1; `close`: the connection ends with the body."""

    __slots__ = ("_first", "chunked", "close", "fields", "length", "reason", "status", "version")

    def __init__(self, start: Start, fields: tuple[Pair, ...], first: dict[str, Pair]) -> None:
        self.version, self.status, self.reason = start
        self.fields = fields
        self._first = first  # lower-case name -> its first field
        self.length: int | None = None  # Content-Length
        self.chunked = False
        self.close = False

    def get(self, name: str) -> str | None:
        """The first field of that (lower-case) name."""
        found = self._first.get(name)
        return None if found is None else found[1]

    def get_all(self, name: str) -> list[str]:
        """Every field of that (lower-case) name, in order."""
        return [value for key, value in self.fields if key.lower() == name]

    def framed(self, length: int | None, chunked: bool, connection: str | None) -> Head:
        """Itself, knowing what its fields say of length and connection."""
        self.length = length
        self.chunked = chunked
        if connection is None:
            self.close = self.version == "1.0"
        elif connection != "keep-alive":  # RFC 9112 9.3
            options = {option.strip(" \t") for option in connection.lower().split(",")}
            self.close = "close" in options or (self.version == "1.0" and "keep-alive" not in options)
        if chunked and (length is not None or self.version == "1.0"):
            self.close = True  # RFC 9112 6.1: such a connection is not to be trusted further
        return self


def fast(data: bytes, room: int = HEAD, count: int = FIELDS) -> tuple[Head, int] | None:
    """The head at the start of `data`, and its size; None if it is not whole, or anything is unusual."""
    end = data.find(b"\r\n\r\n")
    size = end + 4
    if end < 0 or size > SHORT or size > room:
        return None
    raw = data[:end]
    head = _remembered(raw)
    if head is not None and (head.version == "1.0" or (head.length is None and not head.chunked)):
        head = _usual(raw)  # where its body ends depends on the request, and is noted on it: not to be shared
    return None if head is None or len(head.fields) > count else (head, size)


def _usual(raw: bytes) -> Head | None:
    """A head without its end, if nothing of it is unusual."""
    lines = raw.split(b"\r\n")
    start = start_line(lines[0])
    found = [*map(field, lines[1:])]
    if start is None or None in found:
        return None
    first = dict(cast(list[tuple[str, Pair]], found))
    head = Head(start, tuple(first.values()), first)
    length, coding = first.get("content-length"), first.get("transfer-encoding")
    if (
        len(first) < len(found)
        or (coding and coding[1].lower() != "chunked")
        or (length and not (length[1].isdecimal() and len(length[1]) <= 18))
    ):
        return _framed(start, [one[1] for one in found if one])
    connection = first.get("connection")
    number = int(length[1]) if length else None
    return head.framed(number, coding is not None, connection[1] if connection else None)


_remembered = lru_cache(KEPT)(_usual)


def full(raw: bytes, room: int = HEAD, count: int = FIELDS) -> Head:
    """The head `raw`, judged by the whole rule; of an unfinished one, the lines that are whole."""
    start, size = status_line(raw, room)
    return _framed(start, fields(raw[size:], room - size, count))


def status_line(raw: bytes | bytearray, room: int = HEAD) -> tuple[Start, int]:
    """The first line of `raw`, and its size."""
    size = raw.find(b"\n") + 1
    if (size or len(raw) + 1) > min(LINE, room):
        raise _too_large(raw)
    line = STATUS.match(raw)
    if line is None:
        seen = show(raw[:size].rstrip(b"\r\n"))
        raise Fault("bad_status_line", f"the answer begins with {seen}, which is no HTTP/1 status line")
    minor, status, reason = line.groups()
    return (f"1.{minor.decode()}", int(status), (reason or b"").decode("latin-1")), size


def fields(raw: bytes, room: int = HEAD, count: int = FIELDS, *, trailer: bool = False) -> Iterator[Pair]:
    """The fields of the whole lines in `raw`, up to an empty line; raises at the first that is none."""
    name, parts = "", [b""]
    for line in _lines(raw, room, trailer):
        if name and line[:1] in (b" ", b"\t"):  # RFC 9112 5.2: a fold is to be replaced by spaces
            parts.append(line.strip(b" \t"))
            continue
        if name:
            yield name, b" ".join(parts).strip(b" \t").decode("latin-1")
        count -= 1
        if count < 0:
            raise Fault("header_too_large", f"more than {FIELDS:,} header fields")
        key, colon, value = line.partition(b":")
        if not colon or not TOKEN.fullmatch(key):
            raise Fault("bad_header", f"{_why(key, colon)}: {show(line)}")
        name, parts = key.decode("latin-1"), [value.strip(b" \t")]
    if name:
        yield name, b" ".join(parts).strip(b" \t").decode("latin-1")


def _lines(raw: bytes, room: int, trailer: bool) -> Iterator[bytes]:
    """The whole lines without their ends. LF alone may end one (RFC 9112 2.2), but not in a trailer."""
    at = begun = 0
    while at < len(raw):
        end = raw.find(b"\n", at) + 1
        begun = begun if raw[at] in b" \t" else at  # where the line began that this one may be a fold of
        if (end or len(raw) + 1) > min(room, begun + LINE):
            raise _too_large(raw[begun:])
        line = raw[at : end - 1]
        if not end or line in (b"", b"\r"):
            if end and trailer and not line:
                raise Fault("bad_framing", "the trailer section ends in LF alone")
            return
        if line[-1:] == b"\r":
            line = line[:-1]
        elif trailer:
            raise Fault("bad_framing", f"a line of the trailer section ends in LF alone: {show(line)}")
        if b"\r" in line or b"\0" in line:  # RFC 9112 2.2, RFC 9110 5.5
            raise Fault("bad_header", f"a CR or NUL inside a header line: {show(line)}")
        yield line
        at = end


def _framed(start: Start, pairs: Iterable[Pair]) -> Head:
    """The head with these fields. A length is checked even where it does not count, as curl does."""
    kept: list[Pair] = []
    length: int | None = None
    chunked: bool | None = None
    connection: list[str] = []
    for pair in pairs:
        kept.append(pair)
        name = pair[0].lower()
        if name == "content-length":
            length = _length(pair[1], length)
        elif name == "transfer-encoding":
            chunked = _chunked(pair[1], bool(chunked))
        elif name == "connection":
            connection.append(pair[1])
    if chunked is False:
        raise Fault("bad_framing", "Transfer-Encoding is empty: only `chunked` is allowed")
    head = Head(start, tuple(kept), {pair[0].lower(): pair for pair in reversed(kept)})
    return head.framed(length, bool(chunked), ",".join(connection) if connection else None)


def _length(value: str, length: int | None) -> int:
    """Digits, or the same length more than once (RFC 9110 8.6, RFC 9112 6.3)."""
    for member in value.split(","):
        digits = member.strip(" \t")
        number = digits.lstrip("0")
        if not digits.isdecimal() or len(number) > 18:
            raise Fault("bad_framing", f"Content-Length is {show(value)}, which is no length")
        seen, length = length, int(number or "0")
        if seen not in (None, length):
            raise Fault("bad_framing", f"two lengths: Content-Length is {seen} and {length}")
    assert length is not None
    return length


def _chunked(value: str, chunked: bool) -> bool:
    """No request of ours carries TE, so nothing but `chunked`, once, may be applied (RFC 9112 7.1, 7.4)."""
    for member in value.lower().split(","):
        coding = member.strip(" \t")
        if coding and (chunked or coding != "chunked"):
            raise Fault("bad_framing", f"Transfer-Encoding is {show(value)}: only `chunked` is allowed")
        chunked = chunked or bool(coding)
    return chunked


def _too_large(raw: bytes | bytearray) -> Fault:
    return Fault("header_too_large", f"over {LINE:,} bytes a line or {HEAD:,} in all, at {show(raw)}")


def _why(name: bytes, colon: bytes) -> str:
    if not colon:
        return "a header line without colon"
    if name[-1:] in (b" ", b"\t"):
        return "white space before the colon of a header field"  # RFC 9112 5.1
    return "a header field whose name is no token"
