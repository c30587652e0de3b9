"""robots.txt: Google's cases, and the feed that obeys them, in virtual time."""

from __future__ import annotations

import base64
import json
import os
from collections import Counter, deque
from pathlib import Path

import pytest

from fetcher import headers, urls
from fetcher.errors import KINDS
from fetcher.feeds import Wait
from fetcher.feeds import robots as module
from fetcher.feeds._rules import Rules
from fetcher.feeds.redirects import Redirects
from fetcher.feeds.robots import UNREACHED, Robots
from fetcher.model import Options, Request


def cases():
    folder = os.environ.get("FETCH_CORPORA")
    if not folder:
        pytest.skip("FETCH_CORPORA is not set: robots corpus")
    return json.loads(Path(folder, "robots", "google_rep_cases.json").read_text(encoding="utf-8"))["cases"]


def test_all_of_googles_cases():
    wrong = []
    count = Counter()
    for case in cases():
        coded = case.get("robotstxt_b64")
        data = base64.b64decode(coded) if coded else case["robotstxt"].encode()
        count[case["google_specific"]] += 1
        if Rules(data, case["user_agent"]).allows(case["url"]) != case["allowed"]:
            wrong.append(case["id"])
    assert count == {False: 450, True: 95}
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "url", "allowed"),
    [
        (b"User-agent: fetch\nDisallow: /x\nUser-agent: *\nDisallow: /", "http://h/y", True),
        (b"User-agent: FETCH/2.0\nDisallow: /x", "http://h/x", False),
        (b"User-agent: fetchbot\nDisallow: /", "http://h/x", True),
        (b"User-agent: fet\nDisallow: /", "http://h/x", True),
        (b"\xef\xbb\xbfUser-agent: *\nDisallow: /x", "http://h/x", False),
        (b"User-agent: *\r\nDisallow: /x\rAllow: /x/y\r\n", "http://h/x/y/z", True),
        (b"User-agent: *\nDisallow: /*.pdf$", "http://h/a.pdf", False),
        (b"User-agent: *\nDisallow: /*.pdf$", "http://h/a.pdf?x", True),
        (b"User-agent: *\nDisallow: /caf\xc3\xa9", "http://h/caf%C3%A9", False),
        (b"User-agent: *\nDisallow: /caf\xe9", "http://h/caf%E9", False),
        (b"User-agent: *\nDisallow: /~me", "http://h/%7Eme", False),
        (b"User-agent: *\nDisallow: /%7Eme", "http://h/~me", False),
        (b"User-agent: *\nDisallow:", "http://h/x", True),
        (b"User-agent: a\nUser-agent: fetch\nCrawl-delay: 1\nUser-agent: b\nDisallow: /", "http://h/", False),
        (b"Disallow: /", "http://h/x", True),
        (b"", "http://h/x", True),
        (b"<html>User-agent: *\nDisallow: /</html>", "http://h/x", True),
        (b"\x00\xff\xfe" * 1000, "http://h/x", True),
    ],
)
def test_rules(text, url, allowed):
    assert Rules(text).allows(url) == allowed


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"User-agent: *\nCrawl-delay: 2.5", 2.5),
        (b"User-agent: other\nCrawl-delay: 9\nUser-agent: *\nDisallow: /x", 0.0),
        (b"User-agent: fetch\nDisallow: /x\nCrawl-delay: 3\n\nUser-agent: *\nCrawl-delay: 9", 3.0),
        (b"User-agent: *\nCrawl-delay: soon", 0.0),
        (b"User-agent: *\nCrawl-delay: -1", 0.0),
        (b"User-agent: *\nCrawl-delay: inf", 0.0),
    ],
)
def test_crawl_delay(text, seconds):
    assert Rules(text).delay == seconds


class Listed:
    def __init__(self, *items):
        self.items = deque(items)
        self.heard = []

    def take(self, now):
        return self.items.popleft() if self.items else None

    def late(self, now):
        return None

    def done(self, result, now):
        self.heard.append(result)
        return result


def page(url, options, **facts):
    request = Request(url, origin=urls.origin(url), **facts)
    urls.aim(request, url)
    request.headers = headers.sent(request, options)
    return request


class Site:
    """A run over pages, one request at a time; `files` maps a wire URL to the facts of its answer."""

    def __init__(self, pages, files, **options):
        self.options = Options(robots=True, **options)
        self.inner = Listed(*(page(url, self.options, row=n) for n, url in enumerate(pages, 1)))
        self.delays = []
        told = self.delays.append
        pages = Redirects(self.inner, self.options)
        self.feed = Robots(pages, self.options, lambda host, seconds: told((host, seconds)), lambda: 0.0)
        self.files = files
        self.asked = []
        self.sent = []
        self.heard = []

    def run(self):
        for _ in range(10_000):
            item = self.feed.take(0.0)
            if item is None:
                return self
            if not isinstance(item, Request):
                self.heard.append(item)
                continue
            item.begin(0.0, self.options)
            self.asked.append(item.wire)
            self.sent.append(item)
            facts = self.files.get(item.wire, {"status": 404 if item.purpose == "robots" else 200})
            heard = self.feed.done(item.answer(0.0, **facts), 0.0)
            if heard is not None:
                self.heard.append(heard)
        raise AssertionError("no end")

    def errors(self):
        return [result.error for result in sorted(self.heard, key=lambda result: result.row)]


def text(body, **facts):
    return {"status": 200, "found": {"text": body}, **facts}


DENY = text(b"User-agent: *\nDisallow: /private")


def test_robots_comes_first_and_once_per_origin():
    site = Site(["http://h/1", "http://h/2", "https://h/3", "http://h:81/4"], {}).run()
    assert site.asked == [
        "http://h/robots.txt",
        "http://h/1",
        "http://h/2",
        "https://h/robots.txt",
        "https://h/3",
        "http://h:81/robots.txt",
        "http://h:81/4",
    ]
    assert site.errors() == [None] * 4
    robots = site.sent[0]
    assert (robots.purpose, robots.readers, robots.host, robots.row) == ("robots", ("text",), "h:80", 0)


def test_what_is_forbidden_is_answered_and_never_asked():
    site = Site(["http://h/private/1", "http://h/2", "http://h/private"], {"http://h/robots.txt": DENY}).run()
    assert site.asked == ["http://h/robots.txt", "http://h/2"]
    assert site.errors() == ["robots_denied", None, "robots_denied"]
    denied = next(result for result in site.heard if result.error)
    assert "robots.txt of h forbids it (Disallow: /private for User-agent: *)" in denied.message
    assert (denied.attempts, denied.status) == (0, None)
    assert len(site.inner.heard) == 3, "the inner feed hears of each page once"


def test_pages_wait_until_the_robots_has_come_and_other_hosts_do_not():
    options = Options(robots=True)
    inner = Listed(*(page(url, options) for url in ("http://a/1", "http://a/2", "http://b/3")))
    feed = Robots(inner, options)
    first, second = feed.take(0.0), feed.take(0.0)
    assert [first.wire, second.wire] == ["http://a/robots.txt", "http://b/robots.txt"]
    assert feed.take(0.0) is None
    assert feed.done(second.answer(0.0, status=404), 0.0) is None
    assert feed.take(0.0).wire == "http://b/3"
    assert feed.take(0.0) is None
    assert feed.done(first.answer(0.0, status=404), 0.0) is None
    assert [feed.take(0.0).wire, feed.take(0.0).wire] == ["http://a/1", "http://a/2"]
    assert feed.take(0.0) is None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 499, 204, 300, 304])
def test_no_robots_allows_everything(status):
    assert Site(["http://h/private"], {"http://h/robots.txt": {"status": status}}).run().errors() == [None]


def judged(kind, whose):
    """Whether this failure of a robots.txt forbids the site's pages."""
    return whose not in (*UNREACHED, "user") and kind != "host_backoff"


@pytest.mark.parametrize(
    "facts",
    [
        {"status": 429},
        {"status": 500},
        {"status": 503},
        {"status": 599},
        *({"error": kind} for kind, about in KINDS.items() if judged(kind, about.whose)),
        {"status": 200, "error": "truncated"},
    ],
)
def test_a_robots_that_could_not_be_had_forbids_everything(facts):
    site = Site(["http://h/1", "http://h/2"], {"http://h/robots.txt": facts}).run()
    assert site.errors() == ["robots_denied"] * 2
    assert "could not be had" in site.heard[0].message
    assert str(facts.get("error") or facts["status"]) in site.heard[0].message


@pytest.mark.parametrize("kind", [kind for kind, about in KINDS.items() if about.whose in UNREACHED])
def test_a_site_that_cannot_be_reached_is_said_to_be_that(kind):
    facts = {"error": kind, "message": "why"}
    site = Site(["http://h/1", "http://h/2"], {"http://h/robots.txt": facts}).run()
    assert site.errors() == [kind] * 2
    assert site.heard[0].message == "why"


@pytest.mark.parametrize(
    "facts", [{"error": "host_backoff"}, {"status": 503, "fields": (("Retry-After", "900"),)}]
)
def test_a_host_that_wants_a_long_pause_is_no_denial_and_not_remembered(facts):
    site = Site(["http://h/1"], {"http://h/robots.txt": facts}).run()
    assert site.errors() == ["host_backoff"]
    site.inner.items.append(page("http://h/2", site.options, row=2))
    site.files = {}
    assert site.run().errors() == ["host_backoff", None]


def moved(place, status=302):
    return {"status": status, "fields": (("Location", place),)}


def test_redirects_of_a_robots_are_followed_five_times():
    def chain(hops):
        files = {f"http://h/r{n}": moved(f"/r{n + 1}", 301 + n % 2) for n in range(1, hops)}
        files["http://h/robots.txt"] = moved("http://h/r1")
        files[f"http://h/r{hops}"] = DENY
        return Site(["http://h/private"], files, max_redirects=0).run()

    assert chain(5).errors() == ["robots_denied"]
    assert chain(6).errors() == [None]  # RFC 9309 2.3.1.2: then it may be taken for unavailable
    assert len(chain(6).asked) == 7


def test_rules_found_elsewhere_hold_for_the_site_that_sent_there():
    files = {"http://h/robots.txt": moved("https://www.h/robots.txt"), "https://www.h/robots.txt": DENY}
    site = Site(["http://h/private", "http://h/ok"], files).run()
    assert site.errors() == ["robots_denied", None]


def test_a_robots_gets_no_secret():
    options = {
        "auth": "u:S3CRET",
        "header": (("X-Key", "S3CRET"), ("User-Agent", "me/1")),
        "header_for": (("http://h", "X", "S3CRET"),),
        "method": "POST",
        "data": b"S3CRET",
    }
    site = Site(["http://h/1"], {"http://h/robots.txt": moved("/other")}, **options).run()
    robots = [request for request in site.sent if request.purpose == "robots"]
    assert [request.wire for request in robots] == ["http://h/robots.txt", "http://h/other"]
    for request in robots:
        assert "S3CRET" not in str(request.headers)
        assert (request.method, request.data, dict(request.headers)["User-Agent"]) == ("GET", None, "me/1")
    assert "S3CRET" in str(site.sent[-1].headers)


def test_each_hop_of_a_page_is_judged():
    files = {
        "http://h/1": moved("/private"),
        "http://h/robots.txt": DENY,
        "http://h/2": moved("http://b/private"),
    }
    site = Site(["http://h/1", "http://h/2"], {**files, "http://b/robots.txt": DENY}).run()
    assert site.errors() == ["robots_denied"] * 2
    assert "http://h/private" not in site.asked
    assert "http://b/private" not in site.asked
    first = min(site.heard, key=lambda result: result.row)
    assert (first.final_url, first.attempts) == ("http://h/private", 1)
    assert first.redirects == [{"url": "http://h/1", "status": 302}]


def test_robots_txt_itself_is_always_allowed():
    files = {"http://h/robots.txt": text(b"User-agent: *\nDisallow: /")}
    assert Site(["http://h/robots.txt", "http://h/x"], files).run().errors() == [None, "robots_denied"]


def test_the_crawl_delay_is_told_once_and_capped():
    site = Site(
        ["http://a/1", "http://a/2", "https://b:444/1", "http://c/1"],
        {
            "http://a/robots.txt": text(b"User-agent: *\nCrawl-delay: 2"),
            "https://b:444/robots.txt": text(b"User-agent: *\nCrawl-delay: 86400\nDisallow: /x"),
        },
    ).run()
    assert site.delays == [("a:80", 2.0), ("b:444", 60.0)]


def test_sites_are_remembered_up_to_a_number(monkeypatch):
    monkeypatch.setattr(module, "SITES", 3)
    pages = [f"http://h{n}/1" for n in (1, 2, 3, 1, 4, 1, 2)]
    asked = [url for url in Site(pages, {}).run().asked if url.endswith("robots.txt")]
    assert asked == [f"http://h{n}/robots.txt" for n in (1, 2, 3, 4, 2)]


def test_only_so_many_pages_wait(monkeypatch):
    monkeypatch.setattr(module, "AHEAD", 5)
    options = Options(robots=True)
    inner = Listed(*(page(f"http://h/{n}", options, row=n) for n in range(20)))
    feed = Robots(inner, options)
    robots = feed.take(0.0)
    assert feed.take(0.0) is None
    assert len(inner.items) == 15
    assert feed.done(robots.answer(0.0, status=404), 0.0) is None
    assert [feed.take(0.0).row for _ in range(20)] == list(range(20))


def test_a_page_waits_for_its_robots_until_its_deadline_and_is_answered_once():
    options = Options(robots=True, deadline=5.0)
    pages = [page("http://h/1", options, row=1, began=0.0, deadline=5.0), page("http://h/2", options, row=2)]
    inner = Listed(*pages)
    feed = Robots(inner, options)
    robots = feed.take(0.0)
    assert feed.take(0.0) == Wait(5.0)
    assert feed.late(4.9) is None
    late = feed.late(5.0)
    assert (late.row, late.error) == (1, "deadline_exceeded")
    assert "robots.txt of h was waited for" in late.message
    assert feed.take(5.0) is None
    assert feed.done(robots.answer(6.0, status=404), 6.0) is None
    assert feed.take(6.0).row == 2
    assert feed.take(6.0) is None
    assert inner.heard == [late]


def test_waits_and_answers_of_the_inner_feed_pass():
    refused = Request("x").answer(0.0, "invalid_url")
    feed = Robots(Listed(Wait(3.0), refused), Options(robots=True))
    assert feed.take(0.0) == Wait(3.0)
    assert feed.take(0.0) is refused
    assert feed.take(0.0) is None
