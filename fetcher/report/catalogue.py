"""Which tables the page of a site has, in their order, and what stands in their columns."""

from __future__ import annotations

from typing import Final, NamedTuple


class Column(NamedTuple):
    """One column; its kind says how a cell is shown, sorted and aligned (`words`, site.js)."""

    key: str
    name: str
    # text, word (a short one), url, urls ([[URL...], how many in all]), chain ([[status, URL]...]), count,
    # size or seconds
    kind: str


class Kind(NamedTuple):
    """One table as it might be."""

    key: str  # in the record
    title: str
    hint: str
    columns: tuple[Column, ...]


_URL: Final = Column("url", "URL", "url")
_TYPE: Final = Column("type", "Type", "word")
_WIRE: Final = Column("wire", "Transferred", "size")
_DECODED: Final = Column("decoded", "Decoded", "size")
_WHAT: Final = Column("what", "Status or error", "word")
_LINKED: Final = Column("referrers", "Linked from", "urls")
_COUNT: Final = Column("count", "Files", "count")
_ELAPSED: Final = Column("elapsed", "Time", "seconds")

KINDS: Final = (
    Kind(
        "broken",
        "Broken links",
        "what could not be fetched or answered with a status of 400 or more, and who links there",
        (_URL, _WHAT, Column("message", "Message", "text"), _LINKED),
    ),
    Kind(
        "fragments",
        "Links to a place that is not on the page",
        "the page is there, but nothing on it has that id or name",
        (_URL, Column("fragment", "Fragment", "text"), _LINKED),
    ),
    Kind(
        "heaviest",
        "Heaviest pages",
        "each with everything that it loads",
        (
            _URL,
            Column("title", "Title", "text"),
            _WIRE,
            _DECODED,
            Column("requests", "Requests", "count"),
        ),
    ),
    Kind("files", "Heaviest files", "each alone", (_URL, _TYPE, _WIRE, _DECODED)),
    Kind(
        "slow",
        "Slowest pages",
        "from the first start to the last byte, with retries, and with waiting for fetch where it was busy",
        (_URL, _ELAPSED, Column("ttfb", "First byte", "seconds")),
    ),
    Kind(
        "uncompressed",
        "Text sent without compression",
        "what gzip would make of it, where the body was at hand",
        (_URL, _WIRE, Column("gzip", "With gzip", "size"), Column("saved", "Saved", "size")),
    ),
    Kind(
        "uncached",
        "Files that browsers cannot cache",
        "without Cache-Control, Expires, ETag or Last-Modified",
        (_URL, _TYPE, _WIRE),
    ),
    Kind(
        "redirects",
        "Links that are redirected",
        "each hop is a round trip that the link could spare",
        (Column("chain", "Hops", "chain"), Column("final", "Leads to", "url"), _LINKED),
    ),
    Kind(
        "duplicates",
        "Same content under several URLs",
        "by SHA-256; more than once: what the further copies weigh",
        (
            Column("urls", "URLs", "urls"),
            Column("copies", "URLs in all", "count"),
            Column("decoded", "Size", "size"),
            Column("again", "More than once", "size"),
        ),
    ),
    Kind("sitemaps", "Sitemaps", "", (_URL, _WHAT, Column("urls", "URLs in it", "count"))),
    Kind(
        "not_fetched",
        "Not fetched",
        "what was seen and left alone, by reason",
        (
            Column("reason", "Reason", "text"),
            Column("urls", "URLs", "count"),
            Column("examples", "For example", "urls"),
        ),
    ),
    Kind("by_type", "By type", "", (_TYPE, _COUNT, _WIRE, _DECODED)),
    Kind(
        "by_host",
        "By host",
        "those with the most URLs first",
        (Column("host", "Host", "text"), _COUNT, Column("failed", "Failed", "count"), _WIRE, _DECODED),
    ),
    Kind(
        "by_directory",
        "By directory",
        "each with all that lies below it",
        (Column("path", "Directory", "text"), _COUNT, _WIRE, _DECODED),
    ),
    Kind(
        "entries",
        "All URLs",
        "",
        (
            _URL,
            Column("title", "Title", "text"),
            _TYPE,
            _WHAT,
            _WIRE,
            _DECODED,
            _ELAPSED,
            Column("depth", "Depth", "count"),
            Column("kind", "Asked as", "word"),
        ),
    ),
)
GOOD: Final = frozenset(
    {"heaviest", "files", "slow", "sitemaps", "not_fetched", "by_type", "by_host", "by_directory", "entries"}
)
