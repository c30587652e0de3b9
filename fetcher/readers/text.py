"""The decoded body itself, up to 512 KiB: what feeds read by themselves, such as robots.txt."""

from __future__ import annotations

from typing import Final

from fetcher.model import Options, Request, Result
from fetcher.readers import Reader

KEEPS = True
LIMIT: Final = 512 * 1024  # bytes; RFC 9309 2.5 wants at least 500 KiB of a robots.txt to be read


class _Text:
    __slots__ = ("pieces", "room")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.room = LIMIT

    def feed(self, piece: bytes) -> None:
        if self.room:
            self.pieces.append(bytes(piece[: self.room]))
            self.room -= len(self.pieces[-1])

    def done(self, result: Result) -> None:
        result.found = {**(result.found or {}), "text": b"".join(self.pieces)}

    def drop(self) -> None:
        self.pieces.clear()


def reader(request: Request, options: Options) -> Reader:  # noqa: ARG001
    """A reader that leaves the bytes in `result.found["text"]`; what is beyond the limit is left out."""
    return _Text()
