"""What gzip would make of a text that came without a content coding, in bytes."""

from __future__ import annotations

import zlib
from typing import Final

from fetcher.model import Options, Request, Result
from fetcher.readers import Reader

KEEPS = False
TYPES: Final = (
    *("text/html", "text/css", "text/plain", "text/javascript", "text/xml", "text/markdown", "text/csv"),
    *("application/javascript", "application/json", "application/xml", "application/xhtml+xml"),
    *("application/manifest+json", "application/ld+json", "application/rss+xml", "application/atom+xml"),
    *("image/svg+xml", "font/ttf", "font/otf", "application/wasm"),
)
LEVEL: Final = 6  # gzip's own default, and that of most servers
GZIP: Final = 31  # the window of 32 KiB, with gzip's head and tail


class _Squeeze:
    __slots__ = ("_coder", "_size")

    def __init__(self) -> None:
        self._coder = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
        self._size = 0

    def feed(self, piece: bytes) -> None:
        self._size += len(self._coder.compress(piece))

    def done(self, result: Result) -> None:
        if result.encoding is None:
            size = self._size + len(self._coder.flush())
            result.found = {**(result.found or {}), "gzip": size}

    def drop(self) -> None:
        pass


def reader(request: Request, options: Options) -> Reader:  # noqa: ARG001
    """A coder whose output is only counted; it ends in `result.found["gzip"]`."""
    return _Squeeze()
