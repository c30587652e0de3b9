"""The URLs inside a page or a style sheet, made absolute, and the names that a page can be entered at.

Nothing here raises on any bytes, and everything takes time in proportion to their number, so no body is cut.
HTML is read as a browser without scripts reads it, but for the tree (see `markup`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape
from itertools import islice
from typing import Final, NamedTuple
from urllib.parse import unquote

from fetcher import charset, markup, styles
from fetcher.joined import SCHEME, Joined

MOST: Final = 100_000  # references of one document that are looked at
TITLE: Final = 300  # characters
ODD: Final = 100  # references of one document that cannot be asked and are named
SHOWN: Final = 200  # characters of each

# Where references stand, and what each leads to (the HTML standard's list of attributes; SVG 2).
PLACES: Final = {
    **dict.fromkeys(("a", "area"), (("href", "page"), ("xlink:href", "page"))),
    **dict.fromkeys(("iframe", "frame"), (("src", "page"),)),
    **dict.fromkeys(("img", "source", "embed", "audio", "track"), (("src", "asset"),)),
    **dict.fromkeys(("body", "table", "td", "th"), (("background", "asset"),)),
    **dict.fromkeys(("use", "feimage"), (("href", "asset"), ("xlink:href", "asset"))),
    **dict.fromkeys(("button", "input"), (("formaction", "form"),)),
    "form": (("action", "form"),),
    "image": (("href", "asset"), ("xlink:href", "asset"), ("src", "asset")),
    "object": (("data", "asset"),),
    "script": (("src", "asset"), ("href", "asset"), ("xlink:href", "asset")),
    "video": (("src", "asset"), ("poster", "asset")),
}
NEEDED: Final = frozenset(
    {
        *("stylesheet", "icon", "apple-touch-icon", "apple-touch-icon-precomposed", "mask-icon"),
        *("preload", "modulepreload", "manifest"),
    }
)
UNASKED: Final = frozenset({"preconnect", "dns-prefetch", "pingback", "webmention"})  # a host, not a document

CONTROLS: Final = "".join(map(chr, range(33)))  # what WHATWG takes off both ends of a URL
REFRESH: Final = re.compile(
    r"""\s*+ (?:[0-9]++|(?=\.)) [0-9.]*+ (?=[\s;,]) \s*+ [;,]?+ \s*+
    (?:url\s*+=\s*+)?+ (?: "([^"]*+) | '([^']*+) | (.++) )""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
).match
UNSEEN: Final = dict.fromkeys(map(ord, "\t\n\r"))  # what WHATWG takes out of the middle of a URL


class Link(NamedTuple):
    """One reference: where it leads, and what for."""

    url: str  # absolute, as `urls.wire` gives it
    fragment: str  # what stood after "#", percent-decoded
    # page: leads to a document; asset: the page needs it; variant: one of several, of which it needs one
    # (srcset); form: where a form sends to
    kind: str


class Found(NamedTuple):
    """What one document refers to, and what it can be referred to by."""

    links: list[Link]  # each once, in the order of the document
    anchors: list[str]  # what a fragment may name: ids, and names of <a>
    title: str  # white space collapsed
    nofollow: bool  # the page asks robots to follow none of its links
    cut: int = 0  # references beyond MOST, not looked at
    odd: tuple[tuple[str, str], ...] = ()  # what cannot be asked, and why: "scheme" or "invalid"


def html(body: bytes, base: str, content_type: str | None) -> Found:
    """What stands in an HTML document that was found at `base`, a wire URL."""
    text, codec = charset.html(body, content_type)
    page = _Page()
    xml = "xhtml" in (content_type or "").lower()
    for name, attributes, content in markup.tags(text, page.references, page.anchors, xml):
        page.take(name, attributes, content)
    if page.base is not None:
        base = Joined(base, codec)[page.base.strip(CONTROLS)] or base
    links, cut, odd = _links(page.references, base, codec)
    return Found(links, list(page.anchors), page.title, page.nofollow, cut, odd)


def css(body: bytes, base: str, content_type: str | None) -> Found:
    """What stands in a style sheet that was found at `base`, a wire URL."""
    text, codec = charset.css(body, content_type)
    references = dict.fromkeys(_split(found, "asset") for found in styles.references(text))
    links, cut, odd = _links(references, base, codec)
    return Found(links, [], "", False, cut, odd)


class _Page:
    """What the tags of one document add up to."""

    def __init__(self) -> None:
        self.references: dict[markup.Plain, None] = {}  # as `_split` gives them: a set in order
        self.anchors: dict[str, None] = {}
        self.title = ""
        self.nofollow = False
        self.base: str | None = None

    def take(self, name: str, attributes: dict[str, str], content: str) -> None:
        """One start tag, and the text of its element."""
        for attribute, kind in PLACES.get(name, ()):
            if attribute in attributes:
                self.references[_split(attributes[attribute], kind)] = None
        for anchor in (attributes.get("id"), attributes.get("name") if name == "a" else None):
            if anchor:
                self.anchors[anchor] = None
        for attribute in ("srcset", "imagesrcset"):
            if attribute in attributes:
                self.needs(markup.candidates(attributes[attribute]), "variant")
        if "(" in attributes.get("style", ""):
            self.needs(styles.references(attributes["style"]))
        self.read(name, attributes, content)

    def read(self, name: str, attributes: dict[str, str], content: str) -> None:
        """What some elements have to say beside."""
        match name:
            case "style":
                self.needs(styles.references(content))
            case "title" if not self.title:  # of a long one, enough to be cut after its entities are undone
                shown = unescape(" ".join(content.split())[: TITLE * 12])
                self.title = " ".join(shown.split())[:TITLE]
            case "base" if self.base is None:
                self.base = attributes.get("href")
            case "meta":
                self.meta(attributes)
            case "link":
                self.link(attributes)
            case "input" if attributes.get("type", "").lower() == "image":
                self.needs([attributes.get("src", "")])

    def needs(self, references: Iterable[str], kind: str = "asset") -> None:
        """The page needs these."""
        for reference in references:
            self.references[_split(reference, kind)] = None

    def meta(self, attributes: dict[str, str]) -> None:
        """A <meta>: what robots may do, or where the page goes by itself."""
        content = attributes.get("content", "")
        if attributes.get("http-equiv", "").strip().lower() == "refresh":
            match = REFRESH(content)
            if match and match.lastindex:
                self.references[_split(match[match.lastindex], "page")] = None
        elif attributes.get("name", "").strip().lower() == "robots":
            self.nofollow |= not {"nofollow", "none"}.isdisjoint(re.split(r"[\s,]+", content.lower()))

    def link(self, attributes: dict[str, str]) -> None:
        """A <link>: its relations say what for."""
        relations = set(attributes.get("rel", "").lower().split()) - UNASKED
        if relations and "href" in attributes:
            kind = "page" if NEEDED.isdisjoint(relations) else "asset"
            self.references[_split(attributes["href"], kind)] = None


def _split(reference: str, kind: str) -> markup.Plain:
    """What stands before the fragment, the name the fragment means, and what the reference is for."""
    head, mark, fragment = reference.strip(CONTROLS).partition("#")
    if head and head[-1] <= " ":
        head += mark  # or the blank would be taken off, which belongs to the path
    return head, fragment and _decoded(fragment), kind


def _links(
    references: dict[markup.Plain, None], base: str, codec: str
) -> tuple[list[Link], int, tuple[tuple[str, str], ...]]:
    """The references as links, how many of them were too many to be looked at, and what is no link."""
    joined = Joined(base, codec)
    odd: dict[tuple[str, str], None] = {}
    links: dict[Link, None] = {}
    for head, fragment, kind in islice(references, MOST):
        if not head and kind in ("asset", "variant"):
            continue  # nothing, or a part of this very document
        if url := joined[head]:
            links[Link(url, fragment or "", "page" if kind == "a" else kind)] = None
        elif len(odd) < ODD and joined.room >= 0:
            odd[head[:SHOWN], "scheme" if SCHEME(head) else "invalid"] = None
    return list(links), max(len(references) - MOST, 0) + joined.cut, tuple(odd)


def _decoded(fragment: str) -> str:
    """The name that a fragment means: without a directive for text search, and without percent-encoding."""
    return unquote(fragment.partition(":~:")[0].translate(UNSEEN))
