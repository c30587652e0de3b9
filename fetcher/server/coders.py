"""The content codings that the site can apply, each as a stream: pieces in, coded pieces out."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any


def coded(coding: str, parts: Iterable[bytes]) -> Iterator[bytes]:
    """These parts under that content coding. Raises ModuleNotFoundError where its library is missing."""
    code, finish = CODERS[coding]()
    return _run(code, finish, parts)


def _run(code: Coder, finish: Finish, parts: Iterable[bytes]) -> Iterator[bytes]:
    for part in parts:
        if piece := code(part):
            yield piece
    if piece := finish():
        yield piece


Coder = Callable[[bytes], bytes]
Finish = Callable[[], bytes]


def _gzip() -> tuple[Coder, Finish]:
    engine = zlib.compressobj(6, zlib.DEFLATED, 31)
    return engine.compress, engine.flush


def _deflate() -> tuple[Coder, Finish]:
    engine = zlib.compressobj()  # the zlib format, which is what `deflate` means (RFC 9110 section 8.4.1.2)
    return engine.compress, engine.flush


def _br() -> tuple[Coder, Finish]:
    engine: Any = import_module("brotli").Compressor(quality=4)
    return engine.process, engine.finish


def _zstd() -> tuple[Coder, Finish]:
    try:
        library: Any = import_module("compression.zstd")  # Python 3.14
    except ModuleNotFoundError:
        library = import_module("backports.zstd")
    engine = library.ZstdCompressor()
    return engine.compress, engine.flush


CODERS: dict[str, Callable[[], tuple[Coder, Finish]]] = {
    "gzip": _gzip,
    "deflate": _deflate,
    "br": _br,
    "zstd": _zstd,
}
