"""What a sitemap lists: XML, RSS, Atom or one URL a line, each also gzipped."""

from __future__ import annotations

import io
import re
import zlib
from itertools import islice
from typing import Final, NamedTuple

from fetcher.errors import UsageError
from fetcher.model import Options, Request, Result
from fetcher.readers import Reader

KEEPS = False
LIMIT: Final = 50 << 20  # bytes, unpacked: sitemaps.org allows 52,428,800
GZIP: Final = 31  # zlib's word for gzip's head and tail
STEP: Final = 65_536
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
    __slots__ = ("pieces", "room")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.room = LIMIT

    def feed(self, piece: bytes) -> None:
        if self.room:
            self.pieces.append(bytes(piece[: self.room]))
            self.room -= len(self.pieces[-1])

    def done(self, result: Result) -> None:
        if result.ok and (result.status or 0) < 300:
            found = read(b"".join(self.pieces))
            result.found = {**(result.found or {}), "sitemap": found}
        self.drop()

    def drop(self) -> None:
        self.pieces.clear()


def reader(request: Request, options: Options) -> Reader:  # noqa: ARG001
    """A reader that leaves a `Listed` in `result.found["sitemap"]`."""
    return _Sitemap()


def read(body: bytes) -> Listed:
    """What this sitemap lists; one that cannot be read lists nothing, and is broken in one place."""
    from fetcher.sources import Bad, Reading, sitemap, text

    broken = 0
    if body.startswith(b"\x1f\x8b"):
        body, broken = _unpacked(body)
    source = sitemap if XML(body) else text
    places: list[str] = []
    try:
        for item in source.read(io.BytesIO(body), Reading()):
            if isinstance(item, str):
                places.append(item)
                if len(places) > MOST:
                    break
            else:
                broken += isinstance(item, Bad)
    except UsageError:
        broken += 1
    return Listed(list(islice(places, MOST)), INDEX(body[:4096]) is not None, broken, len(places) > MOST)


def _unpacked(body: bytes) -> tuple[bytes, int]:
    """What a gzipped file holds, at most `LIMIT`, and whether it is broken: what came before that stands."""
    coder = zlib.decompressobj(GZIP)
    parts, room = [], LIMIT
    for at in range(0, len(body), STEP):
        try:
            parts.append(coder.decompress(body[at : at + STEP], room))
        except zlib.error:
            return b"".join(parts), 1
        room -= len(parts[-1])
        if room <= 0:
            break
    return b"".join(parts), int(not coder.eof and room > 0)
