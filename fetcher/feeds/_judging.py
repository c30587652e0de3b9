"""Whether a URL that a crawl found is asked, and as what; what is not is counted by reason, once a URL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from fetcher.options import Crawl
from fetcher.scope import Scope, key
from fetcher.site import Site, hashed
from fetcher.traps import LONG

RECENT: Final = 100_000  # URLs remembered in memory: a site's navigation stands on each of its pages
NEEDS: Final = 5  # files in a row that need one another: a style sheet imports one that imports one ...
SITEMAPS: Final = 10_000  # of one crawl
# Reasons that hold, whoever links there.
LASTING: Final = frozenset({"scope", "excluded", "depth", "trap-repeat", "trap-alike", "trap-long"})


class Place(NamedTuple):
    """Where a link was found."""

    row: int | None  # of the page that links
    depth: int  # of what it leads to
    hops: int = 0  # redirects, or files that need one another, in a row


class Judging:
    """The decisions of one crawl, kept in its site."""

    def __init__(self, wires: Sequence[str], crawl: Crawl, site: Site, *, external: bool) -> None:
        self.crawl = crawl
        self.site = site
        self.external = external
        self.scope = Scope(
            wires,
            scope=crawl.scope,
            include=crawl.include,
            exclude=crawl.exclude,
            depth=crawl.depth,
            chain=crawl.max_chain,
            alike=crawl.max_alike,
        )
        word = "host" if crawl.scope == "path" else crawl.scope
        self.hosts = Scope(wires, scope=word)  # what a page needs lies on its host, if not below its path
        self._recent: set[tuple[str, str]] = set()  # (kind, URL)
        self._sitemaps = 0
        for (wire,) in () if site.is_new else site.query("SELECT url FROM urls WHERE kind = 'page'"):
            self.scope.accept(wire)

    def admit(self, wire: str) -> None:
        """A start was redirected there: what lies there is inside from now on, and was not before."""
        self.scope.admit(wire)
        self.hosts.admit(wire)
        self._recent.clear()
        for url, via, depth in self.site.refused.of("scope"):
            if self.scope.is_inside(url):
                self.judge(url, "page", Place(via, depth + 1))
        for row, url in list(
            self.site.query("SELECT id, url FROM urls WHERE kind = 'external' AND state = 0")
        ):
            if self.scope.is_inside(url):
                self.site.become(row, "page")

    def recall(self, kind: str, wire: str) -> bool:
        """Whether this was judged a short while ago, with a judgement that lasts."""
        return (kind, wire) in self._recent

    def judge(
        self, wire: str, kind: str, place: Place, shapes: Mapping[str, int] | None = None, *, mark: int = 0
    ) -> None:
        """Add a URL or refuse it. `mark`: by what it is known; its canonical key, if nothing is given."""
        reason = self._reason(wire, kind, place, Counter() if shapes is None else shapes)
        asked = kind
        if reason == "scope" and self.external and kind in ("page", "asset"):
            asked, reason = "external", ""
        mark = mark or hashed(key(wire))
        if reason:
            if not self.site.knows(mark):
                self.site.refused.add(mark, wire, reason, place.row)
        elif self.site.add(mark, wire, asked, place.depth, place.hops, place.row):
            self._sitemaps += asked == "sitemap"
            if asked == "page":
                self.scope.accept(wire)
        if not reason or reason in LASTING:
            self._remember(kind, wire)

    def withhold(self, wire: str, reason: str, row: int) -> None:
        """Not from this page; another may link there as well."""
        mark = hashed(key(wire))
        if not self.site.knows(mark):
            self.site.refused.add(mark, wire, reason, row)

    def _remember(self, kind: str, wire: str) -> None:
        if len(wire) <= LONG:
            if len(self._recent) > RECENT:
                self._recent.clear()
            self._recent.add((kind, wire))

    def _reason(self, wire: str, kind: str, place: Place, shapes: Mapping[str, int]) -> str:
        """Why not; empty: it shall be asked."""
        if kind == "form":
            return "form"
        if kind == "sitemap":
            return "sitemaps" if self._sitemaps >= SITEMAPS else ""
        if kind != "asset":
            return self.scope.refuse(wire, place.depth, shapes)
        if self.crawl.assets == "none":
            return "assets"
        if self.scope.excludes(wire):
            return "excluded"
        if place.hops > NEEDS:
            return "trap-needs"
        return "" if self.crawl.assets == "all" or self.hosts.is_inside(wire) else "scope"
