"""One line at a time out of any stream, as soon as it has come: LF, CRLF or CR, UTF-8 or UTF-16."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from itertools import chain
from typing import BinaryIO, Final, NamedTuple

from fetcher.sources import Bad, Item, Skip
from fetcher.sources._bytes import WIDE, chunks, joined, utf8

LIMIT: Final = 65_536  # bytes of a line, characters of a URL
BLANK: Final = Skip("blank")
COMMENT: Final = Skip("comment")
WHITE: Final = " \t\n\r\v\f"


class Long(NamedTuple):
    """A line beyond its limit: how it begins, and how long it was."""

    head: bytes
    size: int
    limit: int

    def bad(self) -> Bad:
        """The item it becomes."""
        return Bad(shown(self.head), f"a line of {self.size:,} bytes; the limit is {self.limit:,}")


def shown(line: bytes) -> str:
    """The first 200 characters, whatever the bytes are."""
    return line[:800].decode("utf-8", "backslashreplace")[:200]


def lines(stream: BinaryIO, limit: int = LIMIT) -> Iterator[bytes | Long]:
    """Each line with its end, LF or CRLF, or LF where it was CR (the last may lack it); no byte order mark.

    `readline` gives a line of a pipe at once, but waits for LF, so lines that end in CR come in blocks.
    """
    readline, room = stream.readline, limit + 2
    line = readline(room)
    if line.startswith(WIDE):
        readline = joined(utf8(chain([line], chunks(stream)))).readline
        line = readline(room)
    if line.startswith(codecs.BOM_UTF8):
        line = line[3:] if line.endswith(b"\n") else line[3:] + readline(3)
    while line:
        if b"\r" not in line:
            if len(line) <= limit or (len(line) < room and line.endswith(b"\n")):
                yield line
            else:
                yield from _odd(line, readline, limit)
        elif line.find(b"\r") == len(line) - 2 and line.endswith(b"\n"):
            yield line
        else:
            yield from _odd(line, readline, limit)
        line = readline(room)


def _odd(piece: bytes, readline: Callable[[int], bytes], limit: int) -> Iterator[bytes | Long]:
    """Up to the next LF: lines that end in CR, or one that is too long, which is counted but not kept."""
    head, size = b"", 0
    while piece:
        for part in piece.splitlines(keepends=True):
            body = part.rstrip(b"\r\n")
            size += len(body)
            if len(head) <= limit:
                head += body
            if len(body) < len(part):
                yield Long(head[:800], size, limit) if size > limit else head + b"\n"
                head, size = b"", 0
        if piece.endswith(b"\n"):
            return
        after_cr = piece.endswith(b"\r")
        piece = readline(limit)
        if after_cr and piece == b"\n":  # a CRLF cut in two
            return
    if size:
        yield Long(head[:800], size, limit) if size > limit else head


def _raw(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")  # bytes that were no UTF-8
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")  # half a pair, as JSON can write it


def item(text: str) -> Item:
    """A cell, field or element that should hold one URL."""
    text = text.strip(WHITE)
    if not text:
        return BLANK
    if len(text) > LIMIT:
        return Bad(text[:200], f"{len(text):,} characters; the limit is {LIMIT:,}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return Bad(shown(_raw(text)), "not UTF-8")
    if "\n" in text or "\r" in text:
        return Bad(text[:200], "a line break inside")
    return text
