"""What an answer leads to: links, redirects and sitemaps of a crawl, handed to `_judging`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from fetcher import headers, urls
from fetcher.errors import Fault
from fetcher.feeds._hops import next_hop
from fetcher.feeds._judging import Judging, Place
from fetcher.model import FOLLOWED, Options, Request, Result
from fetcher.options import Crawl
from fetcher.scope import key, shape
from fetcher.site import Site, hashed

if TYPE_CHECKING:
    from fetcher.links import Found as Page
    from fetcher.readers.sitemap import Listed

SAME: Final = 10  # pages of the same content whose links are followed
CONTENTS: Final = 100_000  # contents that are remembered
NESTED: Final = 3  # sitemap indexes within each other
CACHED: Final = ("cache-control", "expires", "etag", "last-modified")


@dataclass(slots=True)
class Keeping:
    """What a crawl keeps beside its frontier; an audit wants all of it."""

    records: bool = False  # each record, so that it can be told again
    links: bool = False  # who links where, and what pages say of themselves
    external: bool = False  # links out of the scope are asked once, and never followed


class Following:
    """Hears of every answer."""

    def __init__(
        self, wires: Sequence[str], options: Options, crawl: Crawl, site: Site, keeping: Keeping
    ) -> None:
        self.options = options
        self.crawl = crawl
        self.site = site
        self.keeping = keeping
        self.judging = Judging(wires, crawl, site, external=keeping.external)
        self._hops = headers.Plan(options)
        self._contents: Counter[tuple[int, int]] = Counter()
        self._moved = set(wires)  # starts, and what they were redirected to
        for wire in site.value("moved") or ():
            self._moved.add(wire)
            self.judging.admit(wire)

    def follow(self, request: Request, result: Result, hops: int) -> None:
        """Whatever this answer leads to; `hops` redirects (or needs) in a row led to it."""
        if request.purpose == "external":
            return
        if result.status in FOLLOWED and result.error is None:
            self._redirect(request, result, hops)
            return
        found = result.found or {}
        if "sitemap" in found:
            self._sitemap(request, found["sitemap"], hops)
        elif "links" in found and result.ok:
            self._page(request, result, found["links"], found.get("crc", 0), hops)
        if self.keeping.links:
            cached = any(result.get(name) is not None for name in CACHED)
            self.site.pages.weigh(request.row, found.get("gzip"), cached)

    def sitemaps(self, base: str, places: Sequence[str]) -> None:
        """The sitemaps that a robots.txt names, if it is one of this site."""
        if self.judging.scope.is_inside(base):
            with self.site.told():
                for place in places:
                    with suppress(Fault):  # what is no URL cannot be asked
                        self.judging.judge(urls.join(base, place), "sitemap", Place(None, 0))

    def _redirect(self, request: Request, result: Result, hops: int) -> None:
        """Its Location is a link of the same depth."""
        step = next_hop(request, result, self._hops)
        if isinstance(step, Fault):
            result.error, result.message = step.kind, step.message
        elif step is not None and step.wire in self.site.ancestors(request.row)[: hops + 1]:
            result.error = "redirect_loop"
            result.message = f"Location leads to a URL that was asked before: {step.wire[:200]}"
        elif step is not None and hops >= self.options.max_redirects:
            result.error = "too_many_redirects"
            result.message = f"more than {hops} redirects in a row led here; the next: {step.wire[:200]}"
        elif step is not None:
            self._hop(request, step.wire, hops)

    def _hop(self, request: Request, wire: str, hops: int) -> None:
        if request.wire in self._moved and wire not in self._moved:
            self._moved.add(wire)
            self.judging.admit(wire)
            self.site.keep("moved", sorted(self._moved))
        kind = request.purpose if request.purpose != "page" else self.site.kind(request.row)
        depth = request.depth or 0
        # To a URL that is known by the same key (`/?utm_source=x` to `/`): that is another page after all.
        same = key(wire) == key(request.wire)
        mark = hashed(f"={wire}" if same else key(wire))
        self.judging.judge(wire, kind, Place(request.row, depth, hops + 1), mark=mark)
        self.site.nearer(mark, depth)
        if self.keeping.links:
            self.site.pages.link(request.row, [(mark, "redirect", "")])

    def _page(self, request: Request, result: Result, page: Page, crc: int, hops: int) -> None:
        """The links of a page of the site, or of a file that it needs."""
        kind = self.site.kind(request.row)
        if self.judging.scope.is_inside(request.wire):
            known = self._is_known(result, crc)
        elif kind == "asset" and (self.crawl.assets == "all" or self.judging.hosts.is_inside(request.wire)):
            page = page._replace(links=[link for link in page.links if link.kind in ("asset", "variant")])
            known = False
        else:
            return
        self._links(request, page, known, hops + 1 if kind == "asset" else 0)
        if self.keeping.links:
            edges = ((hashed(key(wire)), kind, fragment) for wire, fragment, kind in page.links)
            self.site.pages.link(request.row, edges)
            self.site.pages.describe(request.row, page.anchors, page.title)

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

    def _links(self, request: Request, page: Page, known: bool, needs: int) -> None:
        """What a page links to; if its content is `known` only too well, nothing new is asked."""
        shapes: Counter[str] = Counter()
        deep, depth, judging = self.crawl.max_chain, request.depth or 0, self.judging
        if deep and depth >= deep:
            shapes.update(map(shape, self.site.ancestors(request.row)))
        follow = not (known or (page.nofollow and self.options.robots))
        for wire, _, kind in page.links:
            what = "asset" if kind == "variant" else kind
            if judging.recall(what, wire):
                continue
            if what == "page" and not follow:
                judging.withhold(wire, "trap-same" if known else "nofollow", request.row)
            elif what == "asset":
                judging.judge(wire, what, Place(request.row, depth, needs))
            else:
                judging.judge(wire, what, Place(request.row, depth + 1), shapes)
        for text, reason in page.odd:
            self.site.refused.add(hashed(text), text, reason, request.row)
        if page.cut:
            self.site.refused.add(hashed(f"cut {request.wire}"), request.wire, "cut", request.row)

    def _sitemap(self, request: Request, listed: Listed, nested: int) -> None:
        """What a sitemap lists is judged like what a page links to; what an index lists are sitemaps."""
        self.site.pages.listed(request.row, len(listed.places))
        for text in listed.places:
            with suppress(Fault):
                wire = urls.join(request.wire, text)
                if not listed.is_index:
                    self.judging.judge(wire, "page", Place(request.row, 1))
                elif urls.origin(wire) != urls.origin(request.wire) and not self.judging.hosts.is_inside(
                    wire
                ):
                    self.judging.withhold(wire, "scope", request.row)
                elif nested < NESTED:
                    self.judging.judge(wire, "sitemap", Place(request.row, 0, nested + 1))
        if listed.cut:
            self.site.refused.add(hashed(f"cut {request.wire}"), request.wire, "cut", request.row)
