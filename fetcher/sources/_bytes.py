"""Bytes as they come: the chunks of a stream, the stream of chunks, gunzipped or made UTF-8 on the way.

Everything here works in bounded memory and hands on what has come at once, so a pipe that stays open for
hours is read line by line. `gzip.GzipFile` would wait for 8 KiB of a pipe, and loses what a broken file held.
"""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    from typing_extensions import Buffer

CHUNK: Final = 65_536
WIDE: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class BrokenGzip(Exception):
    """The gzip data cannot be read on; what was read before stands."""


class _Joined(io.RawIOBase):
    """Chunks as a stream."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        room = memoryview(buffer)
        while not self._left:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._left = memoryview(part)
        size = min(len(room), len(self._left))
        room[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def joined(parts: Iterable[bytes]) -> BinaryIO:
    """A buffered stream of these chunks; an error among them is raised where it stands."""
    return io.BufferedReader(_Joined(parts), CHUNK)


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """What the stream has, as soon as it has some."""
    read = getattr(stream, "read1", stream.read)  # a raw stream's `read` does not wait for more either
    while chunk := read(CHUNK):
        yield chunk


def utf8(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks; in UTF-8 if they begin with the byte order mark of UTF-16 or UTF-32.

    What is no Unicode becomes bytes that are no UTF-8, for the reader of each line to judge.
    """
    parts = iter(parts)
    first = next(parts, b"")
    if not first.startswith(WIDE):
        yield from chain([first], parts)
        return
    wide = "utf-32" if first.startswith(WIDE[:2]) else "utf-16"  # both begin with FF FE
    decoder = codecs.getincrementaldecoder(wide)("replace")
    for part in chain([first], parts):
        yield decoder.decode(part).replace("\ufffd", "\udcff").encode("utf-8", "surrogateescape")
    if decoder.decode(b"", final=True):
        yield b"\xff"  # half a character at the end


def gunzip(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The plain data of one or more gzip members. Raises BrokenGzip after all that could be read."""
    inflater = None
    for part in parts:
        more = False  # zlib may hold output back when a piece is full, even with all input taken
        while part or more:
            if inflater is None:
                part = part.lstrip(b"\0")  # padding between and after members (RFC 1952 leaves it open)
                if not part:
                    break
                inflater = zlib.decompressobj(wbits=31)
            plain, error = _inflate(inflater, part)
            if plain:
                yield plain
            if error:
                raise BrokenGzip(f"the gzip data is broken ({error}); lines just before may be wrong")
            part, more = inflater.unconsumed_tail, len(plain) == CHUNK
            if inflater.eof:
                part, more, inflater = inflater.unused_data, False, None
    if inflater is not None:
        raise BrokenGzip("the gzip data ends too early; all before it was read")


def _inflate(inflater: Any, part: bytes) -> tuple[bytes, str]:
    """The next plain bytes, at most CHUNK; with an error, all there were before it."""
    spare = inflater.copy()
    try:
        return inflater.decompress(part, CHUNK), ""
    except zlib.error:
        plain = bytearray()
        try:  # byte by byte: a call that fails gives nothing of what it has undone
            for at in range(-1, len(part)):
                piece = spare.decompress(part[at : at + 1] if at >= 0 else b"", 1)
                while piece:
                    plain += piece
                    piece = spare.decompress(spare.unconsumed_tail, 1)
        except zlib.error as error:
            return bytes(plain), str(error).rpartition(": ")[2]
        raise AssertionError("the same bytes failed a moment ago") from None
