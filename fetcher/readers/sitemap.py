"""What a sitemap lists: XML, RSS, Atom or one URL a line, each also gzipped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

from fetcher.errors import UsageError
from fetcher.model import Options, Request, Result
from fetcher.readers import Reader
from fetcher.readers._kept import Kept

KEEPS = False
LIMIT: Final = 50 << 20  # bytes, unpacked: sitemaps.org allows 52,428,800
HEAD: Final = 4096  # bytes in which it shows what it is
MOST: Final = 50_000  # URLs: what sitemaps.org allows in one file
INDEX: Final = re.compile(rb"<(?:[\w.-]+:)?sitemapindex[\s>]").search
XML: Final = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\s\0]*<").match


class Listed(NamedTuple):
    """What stood in it."""

    places: list[str]
    is_index: bool  # they are sitemaps themselves
    broken: int  # places where it could not be read
    cut: bool  # there was more than sitemaps.org allows


class _Sitemap:
    __slots__ = ("kept", "room")

    def __init__(self) -> None:
        self.kept = Kept()
        self.room = LIMIT

    def feed(self, piece: bytes) -> None:
        if self.room:
            piece = piece[: self.room]
            self.room -= len(piece)
            self.kept.feed(piece)

    def done(self, result: Result) -> None:
        if result.ok and (result.status or 0) < 300:
            found = listed(self.kept.pieces())
            result.found = {**(result.found or {}), "sitemap": found}
        self.drop()

    def drop(self) -> None:
        self.kept.clear()


def reader(request: Request, options: Options) -> Reader:  # noqa: ARG001
    """A reader that leaves a `Listed` in `result.found["sitemap"]`."""
    return _Sitemap()


def read(body: bytes) -> Listed:
    """What this sitemap lists; one that cannot be read lists nothing, and is broken in one place."""
    return listed(iter((body,)))


def listed(parts: Iterator[bytes]) -> Listed:
    """The same of a sitemap in pieces; it is never all in memory."""
    from fetcher.sources import Bad, Reading, joined, sitemap, text

    breaks: list[str] = []
    head, parts = _headed(parts)
    if head.startswith(b"\x1f\x8b"):
        head, parts = _headed(_unpacked(parts, breaks))
    source = sitemap if XML(head) else text
    places: list[str] = []
    try:
        for item in source.read(joined(parts), Reading()):
            if isinstance(item, str):
                places.append(item)
                if len(places) > MOST:
                    break
            elif isinstance(item, Bad):
                breaks.append(item.why)
    except UsageError as error:
        breaks.append(str(error))
    return Listed(places[:MOST], INDEX(head[:HEAD]) is not None, len(breaks), len(places) > MOST)


def _headed(parts: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """How it begins, and all of it."""
    head = b""
    while len(head) < HEAD and (part := next(parts, b"")):
        head += part
    return head, chain((head,), parts)


def _unpacked(parts: Iterator[bytes], breaks: list[str]) -> Iterator[bytes]:
    """What a gzipped file holds, at most `LIMIT`; where it is broken, what came before that stands."""
    from fetcher.sources import BrokenGzip, gunzip

    room = LIMIT
    try:
        for part in gunzip(parts):
            yield part[:room]
            room -= len(part)
            if room <= 0:
                return
    except BrokenGzip as error:
        breaks.append(str(error))
