"""The pages of a site, breadth first, each once: the innermost feed of a crawl.

What a page links to is judged by `scope`, kept in `site`, and asked in its turn. A redirect is a record and a
link; a start URL's redirects move the scope. With a depth the levels are kept apart: what is so many links
away must not depend on which answer came first.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from fetcher import headers, logins, urls
from fetcher.errors import Fault, UsageError
from fetcher.feeds import Sitemaps, Wait
from fetcher.feeds._following import Following
from fetcher.feeds._following import Keeping as Keeping
from fetcher.model import Options, Request, Result, columns
from fetcher.options import Crawl
from fetcher.scope import key
from fetcher.site import DONE, WAITING, Found, Site, hashed

AHEAD: Final = 500  # URLs taken from the disk at once
# What HEAD came to where GET may say better.
REFUSED: Final = frozenset({400, 403, 404, 405, 406, 410, 500, 501, 502, 503})
FIXED: Final = ("depth", "scope", "include", "exclude", "sitemaps", "assets")
UNHEARD: Final = frozenset({"no_response", "reset", "bad_framing", "read_timeout", "total_timeout"})


class Frontier:
    """URLs of a `Site` as Requests; what their answers link to goes back into it."""

    def __init__(
        self,
        starts: Sequence[str],
        options: Options,
        crawl: Crawl,
        site: Site,
        keeping: Keeping | None = None,
    ) -> None:
        self.options = options
        self.crawl = crawl
        self.site = site
        self.keeping = keeping or Keeping()
        self.seen = site.count(DONE)  # of an earlier run, which are told again
        self.pages = site.count_pages()
        self.error: BaseException | None = None
        self.readers = ("count", "links", *(("hash",) if options.hash else ()))
        self.readers += ("save",) if options.save else ()
        self.readers += ("squeeze",) if self.keeping.links else ()
        wires = [urls.wire(start) for start in starts]
        with site.told():
            if site.path:
                site.belongs(_facts(wires, crawl, self.keeping))
        self.following = Following(wires, options, crawl, site, self.keeping)
        self.sitemaps: Sitemaps | None = self.following.sitemaps if crawl.sitemaps else None
        self._plan = headers.Plan(replace(options, max_redirects=0))
        pairs = [(urls.origin(wire), logins.userinfo(s)) for wire, s in zip(wires, starts, strict=True)]
        self._logins = {**{origin: "" for origin, _ in pairs}, **{o: login for o, login in pairs if login}}
        self._columns = columns(options, crawl=True)
        self._queue: deque[Found] = deque()
        self._again: deque[Request] = deque()
        self._out = 0  # given, and not back yet
        self._level = 0
        self._chained: dict[int, int] = {}  # row -> redirects that led there in a row
        with site.told():
            for wire in wires:
                site.add(hashed(key(wire)), wire, "page", 0, 0, None)
            for place in crawl.sitemap:
                wire = urls.wire(place)
                site.add(hashed(key(wire)), wire, "sitemap", 0, 0, None)

    # What the run asks.

    @property
    def skipped(self) -> Counter[str]:
        """How many URLs were found and not asked, by reason."""
        return Counter(self.site.refused.counts())

    @property
    def ended(self) -> bool:
        """Nothing is found but by an answer."""
        return True

    @property
    def waiting(self) -> int:
        """How many URLs are known that nobody has asked yet."""
        return self.site.count(WAITING) + len(self._queue)

    @property
    def total(self) -> int | None:
        """How many URLs are known so far, but for those beyond --max-pages."""
        return self.site.known

    def start(self) -> None:
        """Nothing is to be started."""

    def close(self) -> None:
        """Keep what has been found."""
        self.site.commit()

    # The feed.

    def take(self, now: float) -> Request | Result | Wait | None:  # noqa: ARG002
        """The next URL of the site; None while only the answers on their way can lead to more."""
        if self._again:
            return self._again.popleft()
        while self._queue or self._load():
            found = self._queue.popleft()
            if found.kind == "page":
                if 0 < self.crawl.max_pages <= self.pages:
                    self.site.cap(found.id)
                    continue
                self.pages += 1
            self.seen += 1
            self._out += 1
            return self._request(found)
        return None

    def late(self, now: float) -> Result | None:  # noqa: ARG002
        """A URL of a crawl has no deadline before it has begun."""
        return None

    def done(self, result: Result, now: float) -> Result | None:  # noqa: ARG002
        """Follow what this answer links to, and keep its record."""
        request = result.request
        assert request is not None
        if request.purpose == "external" and self._asked_again(request, result):
            return None
        self._out -= 1
        if result.error == "robots_denied" and request.purpose == "page":
            self.pages -= 1  # it was not asked
        if result.error == "cancelled":
            return result  # it stays taken, so that another run asks it again
        with self.site.told():
            self.following.follow(request, result, self._chained.pop(request.row, 0))
            kept = result.record(self._columns) if self.keeping.records else None
            self.site.finish(request.row, kept)
        # Before the record reaches any output: a run that goes on tells again what is kept here.
        self.site.commit()
        result.found = None
        return result

    # Inside.

    def _load(self) -> bool:
        """Whether more has come from the disk."""
        with self.site.told():
            if self.crawl.depth is not None:
                depth = self.site.first_depth()
                if depth is None or (depth > self._level and self._out):
                    return False
                self._level = depth
            self._queue.extend(self.site.take(AHEAD, self.crawl.depth is not None))
        return bool(self._queue)

    def _request(self, found: Found) -> Request:
        purpose = found.kind if found.kind in ("external", "sitemap") else "page"
        request = Request(found.url, found.id, depth=found.depth, referrer=found.referrer, purpose=purpose)
        origin = urls.aim(request, found.url)
        if purpose == "page":
            request.readers = self.readers
        elif purpose == "sitemap":
            request.readers = ("count", "sitemap")
        else:
            request.method = "HEAD"
        if origin in self._logins:
            request.origin = origin
            request.login = self._logins[origin]
        if found.hops:
            self._chained[found.id] = found.hops
        request.headers = headers.sent(request, self._plan)
        return request

    def _asked_again(self, request: Request, result: Result) -> bool:
        """Many servers refuse HEAD: a link is broken only where GET says so too (lychee #27)."""
        if result.error in ("body_too_large", "decoded_too_large"):  # of GET only the head is wanted
            result.error = result.message = None
        refused = result.status in REFUSED if result.error is None else result.error in UNHEARD
        if request.method != "HEAD" or not refused:
            return False
        again = replace(request, method="GET", tries=0, fresh=False)
        again.headers = headers.sent(again, self._plan)
        self._again.append(again)
        return True


def _facts(wires: Sequence[str], crawl: Crawl, keeping: Keeping) -> dict[str, Any]:
    """What makes a crawl another one: a file that keeps one goes on only where these are the same."""
    fixed: dict[str, Any] = {name: getattr(crawl, name) for name in FIXED}
    fixed |= {name: list(fixed[name]) for name in ("include", "exclude")}
    fixed["sitemap"] = [urls.wire(place) for place in crawl.sitemap]  # without a password
    command = "audit" if keeping.links else "crawl"
    return {"command": command, "external": keeping.external, "starts": sorted(wires), **fixed}


def check_starts(starts: Sequence[str], sitemaps: Sequence[str] = ()) -> None:
    """A start is a URL: a crawl of a list of sites begins with each of its lines."""
    if not starts:
        raise UsageError("nothing to crawl: give a URL, as http://127.0.0.1:8000/, or see fetch crawl --help")
    for start in (*starts, *sitemaps):
        if "://" not in start:
            if Path(start).exists():
                raise UsageError(f"{start} is a file: a crawl begins with URLs, as http://127.0.0.1:8000/")
            bare = logins.mask(f"http://{start.rstrip('/')}/")
            raise UsageError(f"{bare[7:-1] or 'it'} is no URL: write {bare} or https://{bare[7:]}")
        try:
            urls.wire(start)
        except Fault as fault:
            raise UsageError(f"{logins.mask(start)}: {fault.message}") from fault
