"""A body in memory until it is whole, packed beyond its first MiB; `body` unfolds what --max-size let in."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any, Final

PLAIN: Final = 1 << 20  # bytes that are kept as they are: nearly every page and sitemap
PIECE: Final = 64 << 10
FAST, BARE = 1, -15  # zlib's words for its fastest level, and for deflate without a head


class Kept:
    """`feed` it the pieces; `pieces` are the same bytes again, once."""

    __slots__ = ("_coder", "_packed", "_plain")

    def __init__(self) -> None:
        self._plain = bytearray()
        self._packed: list[bytes] = []
        self._coder: Any = None

    def feed(self, piece: bytes) -> None:
        """The next bytes."""
        if self._coder is None:
            self._plain += piece
            if len(self._plain) > PLAIN:
                self._coder = zlib.compressobj(FAST, zlib.DEFLATED, BARE)
        elif packed := self._coder.compress(piece):
            self._packed.append(packed)

    @property
    def large(self) -> bool:
        """Whether it has more than its plain part."""
        return self._coder is not None

    def pieces(self) -> Iterator[bytes]:
        """All of it, in pieces of a bounded size; nothing may be fed after that."""
        for at in range(0, len(self._plain), PIECE):
            yield bytes(self._plain[at : at + PIECE])
        if self._coder is None:
            return
        self._packed.append(self._coder.flush())
        coder = zlib.decompressobj(BARE)
        for packed in self._packed:
            while not coder.eof and (plain := coder.decompress(packed, PIECE)):
                yield plain
                packed = coder.unconsumed_tail

    def body(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces())

    def clear(self) -> None:
        """It is wanted no more."""
        self._plain, self._packed, self._coder = bytearray(), [], None
