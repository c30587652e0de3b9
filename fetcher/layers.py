"""The content codings, one layer each: gzip, deflate, br and zstd, undone in bounded pieces."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Final, cast

from fetcher import frames
from fetcher.errors import Fault

PIECE: Final = 64 << 10  # bytes that one step gives out at most (brotli: about 96 KiB)
BLOCK: Final = 16 << 10  # bytes a step is given: what it hands back unused is copied, so never much
STREAMS: Final = 100_000  # gzip members or zstd frames in one body, and one more for each KiB of content
WINDOW: Final = 23  # log2 of the largest zstd window, 8 MiB: RFC 9659


@cache
def coder(name: str) -> ModuleType | None:
    """The library for br or zstd that can stop at a bound: of brotli since 1.2."""
    for module in {"br": ("brotli",), "zstd": ("compression.zstd", "backports.zstd")}[name]:
        try:
            found = import_module(module)
        except ImportError:
            continue
        if name == "zstd" or hasattr(found.Decompressor, "can_accept_more_data"):
            return found
    return None


class Layer:
    """One coding. `open`: it has begun, and is not at its end; `size`: the bytes it gave so far."""

    name = ""
    error: type[Exception] = zlib.error

    def __init__(self) -> None:
        self.open = False
        self.size = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Undo at most BLOCK bytes, into pieces of about PIECE bytes."""
        raise NotImplementedError


class _Streams(Layer):
    """A coding whose streams may follow each other: gzip members, zstd frames."""

    padding = b""  # bytes that may stand after a stream
    first = b""  # the byte a stream begins with, one of these

    def __init__(self) -> None:
        super().__init__()
        self._stream: Any = None
        self._count = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._stream is None:
                if self._count and not (data := data.lstrip(self.padding)):
                    return
                self._begin(data)
            yield from self.expand(self._stream, data)
            if not self._stream.eof:
                return
            data = self._stream.unused_data
            self._stream = None
            self.open = False

    def _begin(self, data: bytes) -> None:
        if data[0] not in self.first:
            raise _broken(self.name, "something else follows its end" if self._count else "it is none")
        self._count += 1
        if self._count > STREAMS + (self.size >> 10):
            raise _broken(self.name, f"{self._count:,} streams with hardly any content")
        self._stream = self.new()
        self.open = True

    def new(self) -> Any:
        """A decompressor for one stream."""
        raise NotImplementedError

    def expand(self, stream: Any, data: bytes) -> Iterator[bytes]:
        """What the decompressor makes of the bytes, up to the stream's end."""
        raise NotImplementedError


class _Gzip(_Streams):
    name, padding, first = "gzip", b"\0", b"\x1f"  # RFC 1952 2.2: members; tar and tapes pad with NUL

    def new(self) -> Any:
        return zlib.decompressobj(31)

    def expand(self, stream: Any, data: bytes) -> Iterator[bytes]:
        return _inflate(stream, data)


class _Zstd(_Streams):
    name, first = "zstd", b"\x28" + bytes(range(0x50, 0x60))  # RFC 8878 3.1: frames, skippable frames

    def __init__(self) -> None:
        super().__init__()
        self._library = cast(Any, coder("zstd"))
        self.error = self._library.ZstdError
        self._said: int | None = None  # bytes that the head of this frame promises

    def new(self) -> Any:
        self._head, self._given = b"", -1  # bytes of this frame so far; -1 before its head is whole
        options = {self._library.DecompressionParameter.window_log_max: WINDOW}
        return self._library.ZstdDecompressor(options=options)

    def expand(self, stream: Any, data: bytes) -> Iterator[bytes]:
        if self._given < 0:
            self._head = data = self._head + data
            if len(data) < frames.head(data):
                return
            self._said = self._library.get_frame_info(data).decompressed_size
            self._given = 0
        while True:
            if piece := stream.decompress(data, PIECE):
                self._given += len(piece)
                yield piece
            if stream.eof or stream.needs_input:
                break
            data = b""
        # libzstd compares them, but not where an empty block comes last.
        if stream.eof and self._said not in (None, self._given):
            raise _broken(self.name, f"a frame of {self._said:,} bytes has {self._given:,}")


class _Deflate(Layer):
    """Deflate with a zlib header, as RFC 9110 8.4.1.2 has it, or without, as many servers send it."""

    name = "deflate"

    def __init__(self) -> None:
        super().__init__()
        self._stream: Any = None
        self._first = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        self.open = True
        if self._stream is None:
            data = self._first + data
            if len(data) < 2:
                self._first = data
                return
            # RFC 1950 2.2: method 8, a window up to 32 KiB, and a check over the two bytes.
            zlib_header = data[0] & 0x8F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._stream = zlib.decompressobj(15 if zlib_header else -15)
        stream = self._stream
        if not stream.eof:
            yield from _inflate(stream, data)
            data = stream.unused_data
            self.open = not stream.eof
        if stream.eof and data:
            raise _broken(self.name, "something else follows its end")


class _Brotli(Layer):
    name = "br"

    def __init__(self) -> None:
        super().__init__()
        brotli = cast(Any, coder("br"))
        self.error = brotli.error
        self._stream = brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self.open = True
        stream = self._stream
        piece = stream.process(data, output_buffer_limit=PIECE)  # raises for bytes after the end
        yield piece
        # A full piece means there may be more, even where `can_accept_more_data` says yes (brotli 1.2.1).
        while (
            piece and not stream.is_finished() and (len(piece) >= PIECE or not stream.can_accept_more_data())
        ):
            piece = stream.process(b"", output_buffer_limit=PIECE)
            yield piece
        self.open = not stream.is_finished()


KINDS: Final = {kind.name: kind for kind in (_Gzip, _Deflate, _Brotli, _Zstd)}


def undo(layer: Layer, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A layer's pieces, empty ones too: each is a moment for whoever asks for them to look at the clock.

    Whatever its library raises about the data is a broken coding.
    """
    for piece in pieces:
        for at in range(0, len(piece), BLOCK):
            try:
                for out in layer.feed(piece[at : at + BLOCK]):
                    layer.size += len(out)
                    yield out
            except layer.error as error:
                raise _broken(layer.name, str(error)) from error
        if not piece:
            yield piece


def _inflate(stream: Any, data: bytes) -> Iterator[bytes]:
    """zlib may hold output back when a piece is full, even with all input taken."""
    while True:
        piece = stream.decompress(data, PIECE)
        yield piece
        data = stream.unconsumed_tail
        if stream.eof or (not data and len(piece) < PIECE):
            return


def _broken(name: str, why: str) -> Fault:
    return Fault("bad_encoding", f"the {name} coding is broken: {why}")
