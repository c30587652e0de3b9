"""What a page is made of, parsed as HTML: how many elements, links and distinct words it has."""

from __future__ import annotations

from collections import Counter
from typing import Final

from fetcher.model import Options, Request, Result
from fetcher.readers import Reader

KEEPS = True
WORDS: Final = 1 << 20  # characters of text whose words are counted


class _Parse:
    __slots__ = ("pieces",)

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def feed(self, piece: bytes) -> None:
        self.pieces.append(bytes(piece))

    def done(self, result: Result) -> None:
        from selectolax.lexbor import LexborHTMLParser

        tree = LexborHTMLParser(b"".join(self.pieces))
        text = tree.body.text(separator=" ")[:WORDS] if tree.body is not None else ""
        found = {
            "elements": len(tree.css("*")),
            "links": sum("href" in node.attributes for node in tree.css("a")),
            "words": len(Counter(text.lower().split())),
        }
        result.found = {**(result.found or {}), "parse": found}

    def drop(self) -> None:
        self.pieces.clear()


def reader(request: Request, options: Options) -> Reader:  # noqa: ARG001
    """A reader that keeps the body until it is whole, and leaves counts in `result.found["parse"]`."""
    return _Parse()
