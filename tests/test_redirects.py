"""Redirects as a feed: hops are swallowed, faults become the result's."""

from __future__ import annotations

from collections import deque

import pytest

from fetcher import headers, urls
from fetcher.feeds import Wait
from fetcher.feeds.redirects import Redirects
from fetcher.model import Options, Request


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


def ask(url, options):
    request = Request(url, origin=urls.origin(url))
    urls.aim(request, url)
    request.headers = headers.sent(request, options)
    return request


def made(*listed, **options):
    wanted = Options(**options)
    inner = Listed(*(ask(url, wanted) for url in listed))
    return Redirects(inner, wanted), inner


def start(feed, now=0.0):
    request = feed.take(now)
    request.begin(now, feed.options)
    return request


def moved(request, place, status=302, **facts):
    return request.answer(0.0, status=status, fields=(("Location", place),), **facts)


def test_hops_come_before_anything_new_and_count_as_attempts():
    feed, inner = made("http://h/a", "http://h/b")
    first = start(feed)
    assert feed.done(moved(first, "/2"), 0.0) is None
    second = start(feed)
    assert second.wire == "http://h/2"
    assert feed.done(moved(second, "https://h/3", 301), 0.0) is None
    third = start(feed)
    heard = feed.done(third.answer(0.0, status=200), 0.0)
    assert heard.final_url == "https://h/3"
    assert heard.attempts == 3
    assert heard.redirects == [{"url": "http://h/a", "status": 302}, {"url": "http://h/2", "status": 301}]
    assert inner.heard == [heard]
    assert start(feed).wire == "http://h/b"
    assert feed.take(0.0) is None


def test_elapsed_runs_from_the_first_start():
    feed, _ = made("http://h/a")
    request = start(feed, 10.0)
    assert feed.done(moved(request, "/2"), 11.0) is None
    assert start(feed, 12.0).answer(15.0).elapsed == 5.0


@pytest.mark.parametrize(
    ("place", "error"),
    [("/a", "redirect_loop"), ("http://[::1", "bad_redirect"), ("file:///etc/passwd", "redirect_blocked")],
)
def test_a_fault_keeps_what_is_known(place, error):
    feed, inner = made("http://h/a")
    heard = feed.done(moved(start(feed), place, size=3, content_type="text/x"), 0.0)
    assert (heard.error, heard.status, heard.size, heard.content_type) == (error, 302, 3, "text/x")
    assert "Location" in heard.message
    assert inner.heard == [heard]


def test_the_limit_of_hops():
    feed, _ = made("http://h/", max_redirects=3)
    for n in range(3):
        assert feed.done(moved(start(feed), f"/{n}"), 0.0) is None
    heard = feed.done(moved(start(feed), "/9"), 0.0)
    assert (heard.error, heard.attempts, len(heard.redirects)) == ("too_many_redirects", 4, 3)
    feed, _ = made("http://h/", max_redirects=0)
    heard = feed.done(moved(start(feed), "/2"), 0.0)
    assert (heard.error, heard.status) == (None, 302)


def test_a_failed_response_is_not_followed():
    feed, _ = made("http://h/")
    assert feed.done(moved(start(feed), "/2", error="truncated"), 0.0).error == "truncated"


def test_no_hop_starts_after_the_deadline():
    feed, inner = made("http://h/", "http://h/next", deadline=2.0)
    request = start(feed, 0.0)
    assert feed.done(moved(request, "/2"), 1.0) is None
    late = feed.take(2.0)
    assert (late.error, late.attempts, late.elapsed, late.final_url) == (
        "deadline_exceeded",
        1,
        2.0,
        "http://h/2",
    )
    assert inner.heard == [late]
    assert feed.take(2.0).wire == "http://h/next"


def test_a_hop_that_no_slot_was_free_for_is_answered_at_its_deadline_and_once():
    feed, inner = made("http://h/", deadline=2.0)
    assert feed.done(moved(start(feed, 0.0), "/2"), 1.0) is None
    assert feed.late(1.9) is None
    late = feed.late(2.0)
    assert (late.error, late.final_url) == ("deadline_exceeded", "http://h/2")
    assert feed.late(3.0) is None
    assert feed.take(3.0) is None
    assert inner.heard == [late]


def test_waits_and_answers_of_the_inner_feed_pass():
    feed, inner = made()
    answer = Request("x").answer(0.0, "invalid_url")
    inner.items.extend([Wait(3.0), answer])
    assert feed.take(0.0) == Wait(3.0)
    assert feed.take(0.0) is answer
