"""Content codings undone as the bytes come, capped; says when a coding was cut short (RFC 9110 8.4).

One layer for each coding, chained by generators: pieces stay small, so five nested bombs need no more memory
than one honest page. Codings that nobody here can undo are no error: the body is handed on as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from fetcher.errors import Fault
from fetcher.layers import KINDS, PIECE, Layer, coder, undo

LAYERS: Final = 5
NAMES: Final = {"x-gzip": "gzip"}  # RFC 9110 8.4.1.3


def codings(fields: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """The content codings in the order they were applied; empty where the body is to be left as it is."""
    found: list[str] = []
    for name, value in fields:
        if len(name) == 16 and name.lower() == "content-encoding":
            found += [member.strip(" \t") for member in value.lower().split(",")]
    if not found:
        return ()
    names = tuple(NAMES.get(name, name) for name in found if name not in ("", "identity"))
    if len(names) > LAYERS:
        raise Fault("too_many_encodings", f"{len(names)} content codings; at most {LAYERS} are undone")
    return names if all(decodable(name) for name in names) else ()


@cache
def accept_encoding() -> str:
    """The Accept-Encoding field: what can be undone here, no more."""
    return ", ".join(name for name in KINDS if decodable(name))


def decodable(name: str) -> bool:
    """Whether this coding can be undone here; br and zstd need a library."""
    return name in ("gzip", "deflate") or (name in KINDS and coder(name) is not None)


class Decoder:
    """Undoes `layers`, last applied first. The iterators it gives must be run to their end, in order."""

    def __init__(self, layers: tuple[str, ...], limit: int) -> None:
        self.size = 0  # decoded bytes so far
        self._limit = limit
        self._layers = [KINDS[name]() for name in reversed(layers)]

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The next decoded bytes in small pieces, some empty. Raises Fault if broken, or too many."""
        pieces: Iterator[bytes] = iter((data,))
        for layer in self._layers[:-1]:
            pieces = self._inner(layer, pieces)
        for layer in self._layers[-1:]:
            pieces = undo(layer, pieces)
        for piece in pieces:
            self.size += len(piece)
            if self.size > self._limit:
                raise self._too_large()
            yield piece

    def finish(self) -> Iterator[bytes]:
        """What is left at the end of the body: nothing, today. Raises Fault if a coding is cut short."""
        for layer in self._layers:
            if layer.open:
                raise Fault("truncated_encoding", f"the body ends inside its {layer.name} coding")
        return iter(())

    def _inner(self, layer: Layer, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """A layer that is not the last: no honest one gives more than a little above the limit.

        Without this a bomb that unpacks into endless empty streams would never reach the limit.
        """
        for piece in undo(layer, pieces):
            if layer.size > self._limit + self._limit // 8 + PIECE:
                raise self._too_large()
            yield piece

    def _too_large(self) -> Fault:
        return Fault("decoded_too_large", f"the decoded body is over {self._limit:,} bytes (--max-size)")
