"""The URLs of a sitemap, a sitemap index, an RSS or an Atom feed, in order.

A source never touches the network: what an index lists is given as it stands, not opened. Entities are
refused, a bare `&` is mended, and reading goes on at the next entry after whatever else is broken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, Final
from xml.parsers import expat

from fetcher.errors import UsageError
from fetcher.sources import Bad, Item, Reading
from fetcher.sources._bytes import WIDE, chunks, utf8
from fetcher.sources._lines import LIMIT, item

SUFFIXES = (".xml",)
ROOTS: Final = {"urlset", "sitemapindex", "rss", "RDF", "feed"}
ENTRIES: Final = {"url", "sitemap", "item", "entry"}
ENTRY: Final = re.compile(rb"<(?:[\w.-]+:)?(?:url|sitemap|item|entry)[\s>]")
KNOWN: Final = rb"(?:amp|lt|gt|quot|apos|#[0-9]+|#[xX][0-9a-fA-F]+);"
BARE: Final = re.compile(rb"(<!\[CDATA\[.*?\]\]>)|&(?!" + KNOWN + rb")", re.DOTALL)
TAGLESS: Final = 1 << 20  # bytes that may come without the end of a tag, or of a comment
DEPTH: Final = 32  # elements within each other
BREAKS: Final = 1000  # broken places, after which nothing more is read: each costs a new parser


def read(stream: BinaryIO, options: Reading) -> Iterator[Item]:  # noqa: ARG001  (the contract)
    """One item an entry, and one Bad for each place where the XML is broken."""
    parts = chunks(stream)
    first = next(parts, b"")
    while 0 < len(first) < 4 and (more := next(parts, b"")):
        first += more
    if not first:
        return
    sitemap = _Sitemap("utf-8" if first.startswith(WIDE) else None)
    try:
        for piece in _pieces(utf8(chain([first], parts))):
            sitemap.feed(piece)
            yield from sitemap.taken()
        sitemap.end()
    except _Hopeless as error:
        sitemap.broken(str(error))
    yield from sitemap.taken()


def _pieces(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes cut after a tag, never inside CDATA, with every bare `&` mended."""
    rest = b""
    for part in parts:
        rest += part
        cut = rest.rfind(b">") + 1
        inside = rest.rfind(b"<![CDATA[", 0, cut)
        if inside >= 0 and rest.find(b"]]>", inside, cut) < 0:
            cut = inside
        if cut:
            piece, rest = rest[:cut], rest[cut:]
            yield BARE.sub(_mended, piece) if b"&" in piece else piece
        elif len(rest) > TAGLESS:
            raise _Hopeless(f"{TAGLESS:,} bytes without the end of a tag")
    yield rest


def _mended(match: re.Match[bytes]) -> bytes:
    return match[1] or b"&amp;"


class _Hopeless(Exception):
    """What cannot be read on."""


class _Sitemap:
    """Expat, and what it does not know: where a URL stands, and how to go on after an error."""

    def __init__(self, encoding: str | None) -> None:
        self._encoding = encoding
        self._found: list[Item] = []
        self._open: list[str] = []  # the elements we are in
        self._round: list[str] = []  # those round the last entry
        self._text: list[str] | None = None
        self._size = 0
        self._lost = False  # after an error, until the next entry
        self._breaks = 0
        self._start()

    def _start(self) -> None:
        self._open, self._text = [], None
        self._fed = 0  # bytes before the piece that is fed now
        self._silent = 0  # bytes since expat told of anything: what it has not told of yet, it keeps
        self._expat = expat.ParserCreate(self._encoding)
        self._expat.buffer_text = True
        self._expat.XmlDeclHandler = self._declared
        self._expat.EntityDeclHandler = self._entity
        self._expat.StartElementHandler = self._begin
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._characters
        self._expat.CommentHandler = self._expat.ProcessingInstructionHandler = self._told

    def taken(self) -> list[Item]:
        """What has been found since the last call."""
        found, self._found = self._found, []
        return found

    def feed(self, piece: bytes, *, final: bool = False) -> None:
        """Parse on; after an error, from the next entry of this piece."""
        while True:
            if self._lost:
                match = ENTRY.search(piece)
                if match is None:
                    return
                piece = piece[match.start() :]
                self._go_on()
            self._silent += len(piece)
            try:
                self._expat.Parse(piece, final)
            except (expat.ExpatError, ValueError, LookupError) as error:
                at = max(self._expat.CurrentByteIndex - self._fed, 0)
                code = 0 if final else getattr(error, "code", 0)
                why = expat.errors.messages[code] if code else "it ends too early" if final else str(error)
                self.broken(why)
                piece = piece[at + 1 :]
            else:
                self._fed += len(piece)
                if self._silent > TAGLESS:  # a `>` in a comment or an attribute ends nothing
                    raise _Hopeless(f"{TAGLESS:,} bytes without the end of a tag or a comment")
                return

    def end(self) -> None:
        """Nothing more comes."""
        if not self._lost:
            self.feed(b"", final=True)

    def broken(self, why: str) -> None:
        """Here the XML is broken: keep what was found, and look for the next entry."""
        if not self._round:
            raise UsageError(f"no sitemap, RSS or Atom feed: {why}")
        self._expat.buffer_text = False  # hands over what was held back
        text = "".join(self._text or ()).strip()
        self._found.append(Bad(text[:200], f"broken XML: {why}"))
        self._lost = True
        self._breaks += 1
        if self._breaks == BREAKS:
            raise _Hopeless(f"in {BREAKS:,} places; what follows was not read")

    def _go_on(self) -> None:
        """A new parser, inside the elements that were open round the last entry."""
        self._start()
        self._lost = False
        prologue = "".join(f"<{name}>" for name in self._round).encode(self._encoding or "utf-8")
        self._expat.Parse(prologue, False)
        self._fed = len(prologue)

    # What expat calls.

    def _told(self, *_: object) -> None:
        self._silent = 0

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None:  # noqa: ARG002
        self._encoding = self._encoding or encoding

    def _entity(self, name: str, *rest: object) -> None:  # noqa: ARG002
        raise UsageError(f"it declares the entity {name[:50]!r}; a sitemap needs none, bombs do: refused")

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        self._silent = 0
        name = tag.rpartition(":")[2]
        parent = self._open[-1].rpartition(":")[2] if self._open else ""
        if not self._open:
            if name not in ROOTS:
                raise UsageError(f"no sitemap, RSS or Atom feed: its first element is <{tag[:50]}>")
            self._round = self._round or [tag]
        elif len(self._open) >= DEPTH:
            raise ValueError("nested too deeply")
        elif name in ENTRIES:
            self._round = list(self._open)
        self._open.append(tag)
        rss = name == "link" and parent == "item" and "href" not in attributes  # an Atom link in RSS has one
        if rss or (name == "loc" and parent in {"url", "sitemap"}):
            self._text, self._size = [], 0
        elif name == "link" and parent == "entry" and attributes.get("rel", "alternate") == "alternate":
            self._found.append(item(attributes.get("href", "")))

    def _end(self, tag: str) -> None:
        self._silent = 0
        self._open.pop()
        if self._text is not None and tag.rpartition(":")[2] in {"loc", "link"}:
            self._found.append(item("".join(self._text)))
            self._text = None

    def _characters(self, data: str) -> None:
        self._silent = 0
        if self._text is not None and self._size <= LIMIT:
            self._size += len(data)
            self._text.append(data)
