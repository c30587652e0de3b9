"""What an answer leads to: links, redirects and sitemaps of a crawl, each added to the site or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fetcher import headers, urls
from fetcher.errors import Fault
from fetcher.feeds._hops import next_hop
from fetcher.model import FOLLOWED, Options, Request, Result
from fetcher.options import Crawl
from fetcher.scope import Scope, key, shape
from fetcher.site import Site, hashed

if TYPE_CHECKING:
    from fetcher.links import Found as Page
    from fetcher.readers.sitemap import Listed

RECENT: Final = 100_000  # URLs remembered in memory: a site's navigation stands on each of its pages
SAME: Final = 10  # pages of the same content whose links are followed
CONTENTS: Final = 100_000  # contents that are remembered
NESTED: Final = 3  # sitemap indexes within each other
# Reasons that hold, whoever links there.
LASTING: Final = frozenset({"scope", "excluded", "depth", "trap-repeat", "trap-alike", "trap-long"})
CACHED: Final = ("cache-control", "expires", "etag", "last-modified")


@dataclass(slots=True)
class Keeping:
    """What a crawl keeps beside its frontier; an audit wants all of it."""

    records: bool = False  # each record, so that it can be told again
    links: bool = False  # who links where, and what pages say of themselves
    external: bool = False  # links out of the scope are asked once, and never followed


class Following:
    """Judges what is found by the scope; what is refused is counted by reason, once a URL."""

    def __init__(
        self, wires: Sequence[str], options: Options, crawl: Crawl, site: Site, keeping: Keeping
    ) -> None:
        self.options = options
        self.crawl = crawl
        self.site = site
        self.keeping = keeping
        self.scope = Scope(
            wires,
            scope=crawl.scope,
            include=crawl.include,
            exclude=crawl.exclude,
            depth=crawl.depth,
            chain=crawl.max_chain,
            alike=crawl.max_alike,
        )
        word = "host" if crawl.scope == "path" else crawl.scope  # of the same site is what its host serves
        self._hosts = Scope(wires, scope=word)
        self._hops = headers.Plan(options)
        self._contents: Counter[tuple[int, int]] = Counter()
        self._recent: set[str | tuple[str, str]] = set()
        self._moved = set(wires)  # starts, and what they were redirected to
        for wire in site.value("moved") or ():
            self._admit(wire)
        if not site.is_new:
            for (wire,) in site.query("SELECT url FROM urls WHERE kind = 'page'"):
                self.scope.accept(wire)

    def follow(self, request: Request, result: Result, hops: int) -> None:
        """Whatever this answer leads to; `hops` redirects in a row led to it."""
        if request.purpose == "external":
            return
        if result.status in FOLLOWED and result.error is None:
            self._redirect(request, result, hops)
            return
        found = result.found or {}
        if "sitemap" in found:
            self._sitemap(request, found["sitemap"], hops)
        elif "links" in found and result.ok and self.scope.is_inside(request.wire):
            self._links(request, found["links"], self._is_known(result, found.get("crc", 0)))
        if self.keeping.links:
            cached = any(result.get(name) is not None for name in CACHED)
            self.site.weigh(request.row, found.get("gzip"), cached)

    def _redirect(self, request: Request, result: Result, hops: int) -> None:
        """Its Location is a link of the same depth."""
        step = next_hop(request, result, self._hops)
        if isinstance(step, Fault):
            result.error, result.message = step.kind, step.message
        elif step is not None and hops >= self.options.max_redirects:
            result.error = "too_many_redirects"
            result.message = f"more than {hops} redirects in a row led here; the next: {step.wire[:200]}"
        elif step is not None:
            wire = step.wire
            if request.wire in self._moved:
                self._admit(wire)
                self.site.keep("moved", sorted(self._moved))
            kind = request.purpose if request.purpose != "page" else self.site.kind(request.row)
            self._judge(wire, kind, (request.row, request.depth or 0, hops + 1), Counter())
            if self.keeping.links:
                self.site.link(request.row, [(hashed(key(wire)), "redirect", "")])

    def _admit(self, wire: str) -> None:
        """A start was redirected there."""
        self._moved.add(wire)
        self.scope.admit(wire)
        self._hosts.admit(wire)

    def _is_known(self, result: Result, crc: int) -> bool:
        """Whether so many pages had this content that its links are a trap.

        A server that ignores the end of a path answers `a/`, `a/b/`, `a/b/a/` ... with one page of relative
        links, and each of them is a new URL.
        """
        content = (result.size or 0, crc)
        seen = self._contents[content]
        if seen or len(self._contents) < CONTENTS:
            self._contents[content] = seen + 1
        return seen >= SAME

    def _links(self, request: Request, page: Page, known: bool) -> None:
        """What a page links to; if its content is `known` only too well, nothing new is asked."""
        shapes: Counter[str] = Counter()
        deep = self.crawl.max_chain
        depth = request.depth or 0
        if deep and depth >= deep:
            shapes.update(map(shape, self.site.ancestors(request.row)))
        if len(self._recent) > RECENT:
            self._recent.clear()
        recent = self._recent
        for link in page.links:
            wire, _, kind = link
            if wire in recent or (kind, wire) in recent:
                continue
            if kind == "page" and (known or (page.nofollow and self.options.robots)):
                self._withhold(wire, "trap-same" if known else "nofollow", request.row)
                continue
            lasting = self._judge(wire, kind, (request.row, depth + (kind != "asset"), 0), shapes)
            recent.add(wire if lasting else (kind, wire))
        if self.keeping.links:
            edges = ((hashed(key(wire)), kind, fragment) for wire, fragment, kind in page.links)
            self.site.link(request.row, edges)
            self.site.describe(request.row, page.anchors, page.title)

    def _withhold(self, wire: str, reason: str, via: int) -> None:
        """Not from this page; another may link there as well."""
        mark = hashed(key(wire))
        if not self.site.knows(mark):
            self.site.refused.add(mark, wire, reason, via)

    def _judge(self, wire: str, kind: str, at: tuple[int, int, int], shapes: Counter[str]) -> bool:
        """Add a URL or refuse it; whether that holds, whoever links to it. `at` is (via, depth, hops)."""
        via, depth, hops = at
        mark = hashed(key(wire))
        reason = self._reason(wire, kind, depth, shapes)
        if reason == "scope" and self.keeping.external and kind in ("page", "asset"):
            kind, reason = "external", ""
        if reason and self.site.knows(mark):
            return True
        if reason:
            self.site.refused.add(mark, wire, reason, via)
            return reason in LASTING
        if self.site.add(mark, wire, kind, depth, hops, via) and kind == "page":
            self.scope.accept(wire)
        return True

    def _reason(self, wire: str, kind: str, depth: int, shapes: Counter[str]) -> str:
        """Why not; empty: it shall be asked."""
        if kind == "form":
            return "form"
        if kind == "asset":
            if self.crawl.assets == "none":
                return "assets"
            if self.scope.excludes(wire):
                return "excluded"
            return "" if self.crawl.assets == "all" or self._hosts.is_inside(wire) else "scope"
        return self.scope.refuse(wire, depth, shapes)

    def sitemaps(self, base: str, places: Sequence[str]) -> None:
        """The sitemaps that a robots.txt names, if it is one of this site."""
        if self.scope.is_inside(base):
            with self.site.told():
                for place in places:
                    self._add_sitemap(base, place, None, 0)

    def _add_sitemap(self, base: str, place: str, via: int | None, hops: int) -> None:
        with suppress(Fault):  # what is no URL cannot be asked
            wire = urls.join(base, place)
            self.site.add(hashed(key(wire)), wire, "sitemap", 0, hops, via)

    def _sitemap(self, request: Request, listed: Listed, nested: int) -> None:
        """What a sitemap lists is judged like what a page links to; what an index lists are sitemaps."""
        for place in listed.places:
            if listed.is_index:
                if nested < NESTED:
                    self._add_sitemap(request.wire, place, request.row, nested + 1)
                continue
            with suppress(Fault):
                self._judge(urls.join(request.wire, place), "page", (request.row, 1, 0), Counter())
