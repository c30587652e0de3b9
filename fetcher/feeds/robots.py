"""Asks each site's robots.txt before its pages, and answers for pages that it forbids (RFC 9309).

The pages of a site wait here until its robots.txt has come. One that does not exist allows everything; one
that could not be had (429, 5xx, no answer) forbids everything.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from fetcher import headers, urls
from fetcher.errors import KINDS
from fetcher.feeds import Feed, Sitemaps, Wait
from fetcher.feeds._deadlines import Deadlines, late
from fetcher.feeds._hops import next_hop
from fetcher.feeds._pauses import PATIENCE, pause_asked
from fetcher.feeds._rules import Rules
from fetcher.model import Options, Request, Result

SITES: Final = 10_000  # robots.txt files remembered; the one not needed longest goes first
AHEAD: Final = 20_000  # pages that may wait here
UNREACHED: Final = frozenset({"name", "network", "tls"})
HOPS: Final = 5  # redirects of a robots.txt (RFC 9309 2.3.1.2)
SLOWEST: Final = 60.0  # seconds: a longer crawl-delay is taken for this, or a run might never end


class Site(NamedTuple):
    """What a site's robots.txt came to."""

    rules: Rules | None  # None: all pages are answered in the same way
    refusal: str = ""  # why none may be asked; empty: all may
    error: str = "robots_denied"


OPEN: Final = Site(None)


class Robots:
    """Wraps the feed that gives pages (and hops, each of which is judged too)."""

    def __init__(
        self,
        inner: Feed,
        options: Options,
        delay: Callable[[str, float], object] | None = None,
        wall: Callable[[], float] = time.time,
        sitemaps: Sitemaps | None = None,
    ) -> None:
        self.inner = inner
        self.options = options
        self._delay = delay
        self._sitemaps = sitemaps
        self._wall = wall
        self._own = headers.Plan(_plain(options))
        self._sites: OrderedDict[str, Site] = OrderedDict()  # by origin
        self._waiting: dict[str, deque[Request]] = {}  # pages of sites whose robots.txt is on its way
        self._judged: deque[tuple[Site, deque[Request]]] = deque()  # pages of sites whose has come
        self._hops: deque[Request] = deque()
        self._dated = Deadlines()  # of the pages that wait here
        self._held = 0

    def take(self, now: float) -> Request | Result | Wait | None:
        """A robots.txt to ask, a page that may be asked, or the answer for one that may not."""
        if self._hops:
            return self._hops.popleft()
        while True:
            item: Request | Result | Wait | None
            site: Site | None = None
            if self._judged:
                site, item = self._next()
                if not self._dated.strike(item):
                    continue  # answered already
                self._held -= 1
            elif self._held >= AHEAD:
                item = None  # their robots.txt are on their way
            else:
                item = self.inner.take(now)
            if item is None and (at := self._dated.next()) is not None:
                return Wait(max(at - now, 0.0))
            if type(item) is not Request:
                return item
            answer = self._page(item, site, now)
            if answer is not None:
                return answer

    def late(self, now: float) -> Result | None:
        """A page that has waited too long for its robots.txt."""
        while (page := self._dated.due(now)) is not None:
            self._held -= 1
            why = f"the robots.txt of {page.authority} was waited for"
            heard = self.inner.done(late(page, now, self.options.deadline, why), now)
            if heard is not None:
                return heard
        return self.inner.late(now)

    def done(self, result: Result, now: float) -> Result | None:
        """A robots.txt is kept here; what becomes of pages is the inner feed's business."""
        request = result.request
        assert request is not None
        if request.purpose != "robots":
            return self.inner.done(result, now)
        step = next_hop(request, result, self._own) if result.error is None else None
        if isinstance(step, Request):
            self._hops.append(step)
            return None
        site = OPEN if step is not None else self._site(result)
        pages = self._waiting.pop(request.origin, deque())
        if site.error != "host_backoff":
            self._sites[request.origin] = site
        if len(self._sites) > SITES:
            self._sites.popitem(last=False)
        if site.rules is not None and site.rules.delay and self._delay is not None and pages:
            self._delay(pages[0].host, min(site.rules.delay, SLOWEST))
        if pages:
            self._judged.append((site, pages))
        if site.rules is not None and self._sitemaps is not None:
            self._sitemaps(request.wire, site.rules.sitemaps)
        return None

    def _site(self, result: Result) -> Site:
        """What this answer to a robots.txt means (RFC 9309 2.3.1)."""
        status = result.status or 0
        if status != 429 and (400 <= status < 500 or (300 <= status < 400 and result.error is None)):
            return OPEN
        if result.error is not None or not 200 <= status < 300:
            why = f"{result.error}: {result.message}" if result.error else f"status {status}"
            if result.error and _is_unreached(result):
                return Site(None, result.message or "", result.error)  # its pages cannot be reached either
            is_long = (pause_asked(result, self._wall) or 0.0) > PATIENCE
            is_backoff = is_long or result.error == "host_backoff"
            kind = "host_backoff" if is_backoff else "robots_denied"
            return Site(None, f"its robots.txt could not be had ({why})", kind)
        text = (result.found or {}).get("text")
        rules = Rules(text if isinstance(text, bytes) else b"")
        return Site(rules) if rules.count or rules.delay or rules.sitemaps else OPEN

    def _next(self) -> tuple[Site, Request]:
        site, pages = self._judged[0]
        page = pages.popleft()
        if not pages:
            self._judged.popleft()
        return site, page

    def _page(self, page: Request, site: Site | None, now: float) -> Request | Result | None:
        origin = f"{page.scheme}://{page.authority}"
        if site is None and (site := self._sites.get(origin)) is not None:
            self._sites.move_to_end(origin)
        if site is None:
            self._held += 1
            self._dated.add(page)
            if origin in self._waiting:
                self._waiting[origin].append(page)
                return None
            self._waiting[origin] = deque([page])
            return self._ask(origin)
        why = _refusal(site, page)
        if not why:
            return page
        return self.inner.done(page.answer(now, site.error, why), now)

    def _ask(self, origin: str) -> Request:
        href = f"{origin}/robots.txt"
        request = Request(href, purpose="robots", readers=("text",), origin=origin)
        urls.aim(request, href)
        request.headers = headers.sent(request, self._own)
        return request


def _plain(options: Options) -> Options:
    """These options without secrets, method and body: how a robots.txt is asked."""
    travelling = tuple(pair for pair in options.header if pair[0].lower() in headers.TRAVELLING)
    return replace(
        options, header=travelling, header_for=(), auth="", method="GET", data=None, max_redirects=HOPS
    )


def _is_unreached(result: Result) -> bool:
    """Whether it is the site itself that cannot be reached, and not what its robots.txt was redirected to."""
    request, kind = result.request, result.error or ""
    own = request is not None and f"{request.scheme}://{request.authority}" == request.origin
    return own and (kind == "blocked_address" or KINDS[kind].whose in UNREACHED)


def _refusal(site: Site, page: Request) -> str:
    if site.rules is None:
        return site.refusal
    if page.target.partition("?")[0] == "/robots.txt" or site.rules.allows(page.wire):
        return ""
    line = site.rules.line(page.wire)
    said = f"{line} for User-agent: {site.rules.agent}" if line else f"User-agent: {site.rules.agent}"
    return f"robots.txt of {page.authority} forbids it ({said})"
