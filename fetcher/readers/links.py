"""The links of a page or a style sheet, with the names it can be entered at and its title."""

from __future__ import annotations

import re
import threading
import zlib
from contextlib import nullcontext
from typing import Final

from fetcher.model import Options, Request, Result
from fetcher.readers import Reader
from fetcher.readers._kept import Kept

KEEPS = True
HTML: Final = ("text/html", "application/xhtml+xml")
TYPES: Final = (*HTML, "text/css", "")
# Reading a page takes some four times its size: of large ones a process reads one at a time.
ALONE: Final = threading.Lock()

# How a page begins (WHATWG MIME Sniffing 7.1), where no type is said.
PAGE: Final = re.compile(
    rb"""(?:\xef\xbb\xbf)?[\t\n\f\r ]*+<(?:!--|(?:!doctype[ ]html|html|head|script|iframe|h1|div|font|table|a
    |style|title|b|body|br|p)[ >])""",
    re.IGNORECASE | re.VERBOSE,
).match


class _Links:
    __slots__ = ("base", "kept")

    def __init__(self, base: str) -> None:
        self.base = base
        self.kept = Kept()

    def feed(self, piece: bytes) -> None:
        self.kept.feed(piece)

    def done(self, result: Result) -> None:
        if result.error or not 200 <= (result.status or 0) < 300:
            return
        with ALONE if self.kept.large else nullcontext():
            self._read(result)

    def _read(self, result: Result) -> None:
        from fetcher import links

        body = self.kept.body()
        kind = (result.content_type or "").partition(";")[0].strip().lower()
        if kind in HTML or (not kind and PAGE(body)):
            read = links.html
        elif kind == "text/css":
            read = links.css
        else:
            return
        found = read(body, self.base, result.content_type)
        result.found = {**(result.found or {}), "links": found, "crc": zlib.crc32(body)}

    def drop(self) -> None:
        self.kept.clear()


def reader(request: Request, options: Options) -> Reader:  # noqa: ARG001
    """A reader that keeps the body; into `result.found` go its `links`, as `links.Found`, and its CRC-32."""
    return _Links(request.wire)
