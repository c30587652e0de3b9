"""The frontier of a crawl, driven by hand: no socket, no thread, no clock."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher import headers
from fetcher.errors import UsageError
from fetcher.feeds.frontier import Frontier, Keeping
from fetcher.links import Found, Link
from fetcher.model import Options, Request, Result
from fetcher.options import Crawl
from fetcher.readers.sitemap import Listed
from fetcher.site import Site

HOME = "http://site.test/"


def page(*urls: str, kind: str = "page", **more: Any) -> Found:
    links = [Link(url.partition("#")[0], url.partition("#")[2], kind) for url in urls]
    return Found(links, more.get("anchors", []), more.get("title", ""), more.get("nofollow", False))


def answer(request: Request, what: Any) -> Result:
    """What a server would say: a Found (200), a status, a (status, Location) or a Listed."""
    result = request.answer(1.0)
    result.status, result.size, result.wire_size = 200, 10, 10
    if isinstance(what, Listed):
        result.found = {"sitemap": what}
    elif isinstance(what, tuple) and not isinstance(what, Found):
        result.status = what[0]
        result.fields = (("Location", what[1]),)
    elif isinstance(what, int):
        result.status = what
    elif isinstance(what, str):
        result.error, result.status = what, None
    else:
        result.found = {"links": what, "crc": hash(request.wire)}
    return result


class World:
    """A site as a table; `run` asks it all, in any order, and `asked` says in which."""

    def __init__(self, table: dict[str, Any], crawl: Crawl | None = None, **more: Any) -> None:
        self.table = table
        self.asked: list[str] = []
        self.requests: list[Request] = []
        self.results: list[Result] = []
        self.site = more.pop("site", None) or Site()
        options = more.pop("options", Options(robots=True))
        headers.check(options)
        starts = more.pop("starts", [HOME])
        self.frontier = Frontier(starts, options, crawl or Crawl(), self.site, more.pop("keeping", None))

    def run(self, width: int = 4, seed: int = 0, most: int = 100_000) -> World:
        order = random.Random(seed)
        flight: list[Request] = []
        while len(self.asked) < most:
            while len(flight) < width and isinstance(request := self.frontier.take(0.0), Request):
                self.asked.append(request.wire)
                self.requests.append(request)
                request.begin(0.0, Options())
                flight.append(request)
            if not flight:
                break
            request = flight.pop(order.randrange(len(flight)))
            what = self.table.get(request.wire, 404) if isinstance(self.table, dict) else None
            if callable(what):
                what = what(request)
            heard = self.frontier.done(answer(request, what), 1.0)
            if heard is not None:
                self.results.append(heard)
        return self

    @property
    def reasons(self) -> dict[str, int]:
        return dict(self.frontier.skipped)


def test_every_page_once_and_breadth_first() -> None:
    a, b, c = (f"{HOME}{name}" for name in "abc")
    world = World({HOME: page(a, b, HOME), a: page(b, c), b: page(HOME), c: page(a)}).run(width=1)
    assert world.asked == [HOME, a, b, c]
    assert [(result.depth, result.referrer) for result in world.results] == [
        (0, None),
        (1, HOME),
        (1, HOME),
        (2, a),
    ]
    assert [result.row for result in world.results] == [1, 2, 3, 4]


def test_what_is_not_asked_has_a_reason() -> None:
    other, form, image = "http://other.test/x", f"{HOME}send", f"{HOME}a.png"
    links = [
        *(Link(url, "", "page") for url in (other, other, f"{HOME}secret/x")),
        Link(form, "", "form"),
        Link(image, "", "asset"),
    ]
    found = Found(links, [], "", False)
    world = World({HOME: found}, Crawl(exclude=("secret",))).run()
    assert world.asked == [HOME]
    assert world.reasons == {"scope": 1, "excluded": 1, "form": 1, "assets": 1}
    assert world.site.refused.examples()["scope"] == [other]


def test_what_was_refused_as_a_form_is_asked_as_a_link() -> None:
    a = f"{HOME}a"
    first = Found([Link(a, "", "form"), Link(f"{HOME}b", "", "page")], [], "", False)
    world = World({HOME: first, f"{HOME}b": page(a)}).run()
    assert world.asked == [HOME, f"{HOME}b", a]
    assert world.reasons == {}


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_with_a_depth_the_pages_do_not_depend_on_who_was_first(seed: int) -> None:
    """The short way to z leads through a slow page: without levels z would sometimes be too deep."""
    urls = {name: f"{HOME}{name}" for name in "abcdyz"}
    table = {
        HOME: page(urls["a"], urls["b"]),
        urls["a"]: page(urls["c"]),
        urls["c"]: page(urls["d"]),
        urls["d"]: page(urls["y"]),
        urls["b"]: page(urls["y"]),
        urls["y"]: page(urls["z"]),
    }
    world = World(table, Crawl(depth=3)).run(width=3, seed=seed)
    assert {result.url: result.depth for result in world.results} == {
        HOME: 0,
        urls["a"]: 1,
        urls["b"]: 1,
        urls["c"]: 2,
        urls["y"]: 2,
        urls["d"]: 3,
        urls["z"]: 3,
    }


def test_max_pages_leaves_the_rest_for_another_run(tmp_path: Path) -> None:
    table = {HOME: page(*(f"{HOME}{n}" for n in range(10)))}
    file = str(tmp_path / "crawl.db")
    world = World(table, Crawl(max_pages=4), site=Site(file), keeping=Keeping(records=True)).run()
    assert len(world.asked) == 4
    assert world.reasons == {"max-pages": 7}
    world.site.close()
    again = World(table, Crawl(max_pages=100), site=Site(file), keeping=Keeping(records=True)).run()
    assert len(again.asked) == 7
    assert not set(again.asked) & set(world.asked)
    again.site.close()


def test_a_redirect_is_a_record_and_a_link() -> None:
    table = {HOME: page(f"{HOME}old"), f"{HOME}old": (301, "/new"), f"{HOME}new": page(HOME)}
    world = World(table).run()
    assert [(r.url, r.status, r.depth, r.referrer) for r in world.results] == [
        (HOME, 200, 0, None),
        (f"{HOME}old", 301, 1, HOME),
        (f"{HOME}new", 200, 1, f"{HOME}old"),
    ]


def test_the_starts_redirects_move_the_scope_and_no_others() -> None:
    moved, away = "https://www.site.test/", "http://away.test/"
    table = {
        HOME: (301, moved),
        moved: page(f"{moved}a", f"{moved}b"),
        f"{moved}a": (302, away),
        f"{moved}b": page(f"{away}x"),
    }
    world = World(table).run()
    assert world.asked == [HOME, moved, f"{moved}a", f"{moved}b"]
    assert world.reasons == {"scope": 2}


def test_redirects_that_never_end_do() -> None:
    table: dict[str, Any] = {f"{HOME}{n}": (302, f"/{n + 1}") for n in range(100)}
    table[HOME] = (302, "/0")
    world = World(table, options=Options(max_redirects=5)).run()
    assert len(world.asked) == 6
    assert world.results[-1].error == "too_many_redirects"
    loop = World({HOME: (302, "/a"), f"{HOME}a": (302, "/")}).run()
    assert loop.asked == [HOME, f"{HOME}a"]


def test_secrets_stay_at_the_start() -> None:
    options = Options(header=(("X-Key", "1"),), auth="u:p", robots=True)
    other = "http://cdn.test/a.png"
    found = Found([Link(f"{HOME}a", "", "page"), Link(other, "", "asset")], [], "", False)
    world = World({HOME: found}, Crawl(assets="all"), options=options).run()
    fields = {request.wire: dict(request.headers) for request in world.requests}
    assert "X-Key" in fields[HOME]
    assert "Authorization" in fields[f"{HOME}a"]
    assert not {"X-Key", "Authorization", "Cookie"} & set(fields[other])


def test_a_login_in_the_start_goes_to_its_pages_and_into_no_record() -> None:
    world = World({HOME: page(f"{HOME}a")}, starts=["http://me:secret@site.test/"]).run()
    assert all("Authorization" in dict(request.headers) for request in world.requests)
    assert "secret" not in str([result.record() for result in world.results])


def test_links_that_leave_are_asked_once_and_never_followed() -> None:
    away, refused = "http://away.test/", "http://refused.test/x"
    table: dict[str, Any] = {
        HOME: page(away, refused, f"{HOME}a"),
        f"{HOME}a": page(away),
        away: page("http://away.test/more"),
        refused: lambda request: 405 if request.method == "HEAD" else 200,
    }
    world = World(table, keeping=Keeping(external=True)).run(width=1)
    methods = [(request.method, request.wire) for request in world.requests]
    assert methods == [
        ("GET", HOME),
        ("HEAD", away),
        ("HEAD", refused),
        ("GET", refused),
        ("GET", f"{HOME}a"),
    ]
    assert {r.url: (r.status, r.ok, r.attempts) for r in world.results}[refused] == (200, True, 2)


def test_sitemaps_and_what_they_list() -> None:
    listed = Listed([f"{HOME}a", "http://other.test/", "http://["], False, 0, False)
    index = Listed([f"{HOME}one.xml", f"{HOME}index.xml", "http://away.test/two.xml"], True, 0, False)
    table = {HOME: page(), f"{HOME}index.xml": index, f"{HOME}one.xml": listed, f"{HOME}a": page()}
    world = World(table)
    world.frontier.sitemaps(f"{HOME}robots.txt", ["/index.xml"])  # type: ignore[misc]
    world.frontier.sitemaps("http://elsewhere.test/robots.txt", ["/no.xml"])  # type: ignore[misc]
    world.run(width=1)
    assert world.asked == [HOME, f"{HOME}index.xml", f"{HOME}one.xml", f"{HOME}a"]
    assert world.reasons == {"scope": 2}


def test_an_endless_calendar_ends_and_a_page_of_nofollow_leads_nowhere() -> None:
    def month(request: Request) -> Found:
        n = int(request.wire.rpartition("/")[2] or 0)
        return page(f"{HOME}calendar/{n + 1}")

    class Endless(dict[str, Any]):
        def get(self, url: str, default: Any = None) -> Any:
            return month if "calendar" in url else page(f"{HOME}calendar/0")

    world = World(Endless(), Crawl(max_chain=50)).run(most=1000)
    assert len(world.asked) == 51
    assert world.reasons == {"trap-chain": 1}
    world = World({HOME: page(f"{HOME}a", nofollow=True)}).run()
    assert world.asked == [HOME]
    assert world.reasons == {"nofollow": 1}
    world = World({HOME: page(f"{HOME}a", nofollow=True)}, options=Options()).run()
    assert world.asked == [HOME, f"{HOME}a"]


pages = st.dictionaries(st.integers(0, 30), st.lists(st.integers(0, 30), max_size=6), min_size=5, max_size=30)


@given(pages, st.integers(0, 100), st.integers(1, 8), st.integers(0, 40))
@settings(max_examples=15, deadline=None)
def test_stopped_at_any_moment_and_resumed_nothing_is_lost_or_asked_twice(
    tmp_path_factory: pytest.TempPathFactory, web: dict[int, list[int]], seed: int, width: int, stop: int
) -> None:
    table: dict[str, Any] = {f"{HOME}{n}": page(*(f"{HOME}{m}" for m in to)) for n, to in web.items()}
    table[HOME] = page(f"{HOME}{min(web)}")
    whole = World(table).run(width, seed)
    file = str(tmp_path_factory.mktemp("crawl") / "crawl.db")
    keeping = Keeping(records=True)
    first = World(table, site=Site(file), keeping=keeping).run(width, seed, most=stop)
    first.frontier.take(0.0) if stop % 2 else None
    first.site.close()
    second = World(table, site=Site(file), keeping=keeping)
    told = [result.url for result in second.site.results()]
    second.run(width, seed + 1)
    again = [result.url for result in second.results]
    assert Counter(told + again) == Counter(result.url for result in whole.results)
    assert told == sorted(told, key=told.index)
    second.site.close()


def test_a_file_of_another_crawl_or_of_nobody_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "crawl.db"
    site = Site(str(file))
    site.belongs({"depth": None})
    with pytest.raises(UsageError, match="in use by another run"):
        Site(str(file))
    site.close()
    site = Site(str(file))
    with pytest.raises(UsageError, match="holds a crawl with depth null, not 3"):
        site.belongs({"depth": 3})
    site.close()
    (tmp_path / "text").write_text("no database, but long enough to be looked at: " * 50)
    with pytest.raises(UsageError, match="is no crawl of fetch"):
        Site(str(tmp_path / "text"))
    with pytest.raises(UsageError, match="cannot be opened"):
        Site(str(tmp_path / "missing" / "crawl.db"))


def test_a_redirect_to_a_url_of_the_same_key_is_followed() -> None:
    start = f"{HOME}?utm_source=a"
    world = World({start: (301, HOME), HOME: page(f"{HOME}a"), f"{HOME}a": page(start)}, starts=[start]).run()
    assert world.asked == [start, HOME, f"{HOME}a"]
    loop = World({HOME: (301, f"{HOME}?utm_source=a"), f"{HOME}?utm_source=a": (301, HOME)}).run()
    assert [result.error for result in loop.results] == [None, "redirect_loop"]


def test_files_that_need_files_for_ever_end_and_sheets_elsewhere_on_the_host_are_read() -> None:
    class Chain(dict[str, Any]):
        def get(self, url: str, default: Any = None) -> Any:
            number = int(url.rpartition("/")[2].partition(".")[0] or 0)
            return page(f"{HOME}{number + 1}.css", kind="asset")

    world = World(Chain(), Crawl(assets="same-site", depth=0)).run(most=100)
    assert len(world.asked) < 10
    assert world.reasons == {"trap-needs": 1}
    start, sheet, font = f"{HOME}d/", f"{HOME}s/a.css", f"{HOME}s/f.woff2"
    table = {start: page(sheet, kind="asset"), sheet: page(font, f"{HOME}s/x.html", kind="asset")}
    world = World(table, Crawl(assets="same-site", scope="path"), starts=[start]).run()
    assert font in world.asked


def test_what_a_page_needs_is_asked_though_a_link_to_it_was_refused() -> None:
    image = f"{HOME}big.png"
    found = Found([Link(image, "", "page"), Link(image, "", "asset")], [], "", False)
    for crawl in (Crawl(depth=0, assets="same-site"), Crawl(include=("html$",), assets="same-site")):
        assert image in World({HOME: found}, crawl).run().asked


def test_a_start_that_moves_takes_back_what_was_outside() -> None:
    a, b, www = "http://a.test/", "http://b.test/", "http://www.test/"
    table = {a: page(f"{www}p1"), b: (301, www), www: page(), f"{www}p1": page(f"{www}p2")}
    world = World(table, starts=[a, b]).run(width=1)
    assert sorted(world.asked) == [a, b, www, f"{www}p1", f"{www}p2"]
    assert world.reasons == {}


def test_pages_that_robots_forbids_use_up_no_page() -> None:
    links = [f"{HOME}{name}" for name in ("no1", "no2", "a", "b", "c")]
    table: dict[str, Any] = {HOME: page(*links), links[0]: "robots_denied", links[1]: "robots_denied"}
    world = World(table, Crawl(max_pages=3)).run(width=1)
    assert [url for url in world.asked if "no" not in url] == [HOME, links[2], links[3]]


def test_what_is_no_url_is_told() -> None:
    found = Found([], [], "", False, 0, (("http://[bad", "invalid"), ("mailto:x", "scheme")))
    assert World({HOME: found}).run().reasons == {"invalid": 1, "scheme": 1}


def test_a_refused_crawl_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = str(tmp_path / "crawl.db")
    keeping = Keeping(records=True)
    World({HOME: page(f"{HOME}a")}, site=Site(file), keeping=keeping).run(most=1).site.close()
    site = Site(file)
    with pytest.raises(UsageError, match="holds a crawl with starts"):
        World({}, site=site, keeping=keeping, starts=["http://other.test/"])
    site.abandon()
    site.close()
    world = World({HOME: page(f"{HOME}a")}, site=Site(file), keeping=keeping).run()
    assert set(world.asked) <= {HOME, f"{HOME}a"}
    world.site.close()


@pytest.mark.long
def test_a_million_urls_do_not_live_in_memory() -> None:
    """A hundred links on each page, all of them new: 1,000,000 URLs found, 10,000 pages asked."""
    import resource

    class Wide(dict[str, Any]):
        def get(self, url: str, default: Any = None) -> Any:
            return page(*(f"{url}/{n}" for n in range(100)))

    def most() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    World(Wide()).run(most=1000)
    before = most()
    world = World(Wide()).run(most=10_000)
    assert world.site.known > 900_000
    assert most() - before < 60_000  # KiB: SQLite's cache and the URLs seen last
