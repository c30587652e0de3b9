"""What is asked again, how often and when, in virtual time."""

from __future__ import annotations

import json
import os
import random
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fetcher.errors import KINDS, TRANSIENT
from fetcher.feeds import Wait
from fetcher.feeds._pauses import retry_after
from fetcher.feeds.retry import PASSING, Retry
from fetcher.model import Options, Request

NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC).timestamp()


class Listed:
    """The innermost feed: these items, then nothing; keeps what it hears."""

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


def made(*requests, **options):
    inner = Listed(*requests)
    return Retry(inner, Options(**options), random.Random(1), wall=lambda: NOW), inner


def start(feed, now, options=None):
    request = feed.take(now)
    assert isinstance(request, Request)
    request.begin(now, options or feed.options)
    return request


def play(feed, *answers, now=0.0):
    """Give these answers in turn to the one request of a feed; how many were used, and what was heard."""
    for used, facts in enumerate(answers, 1):
        request = start(feed, now)
        heard = feed.done(request.answer(now, **facts), now)
        if heard is not None:
            assert feed.take(now + 1e6) is None
            return used, heard
        wait = feed.take(now)
        now += wait.seconds if isinstance(wait, Wait) else 0.0
        if isinstance(wait, Request):  # due at once
            feed.inner.items.appendleft(wait)
    raise AssertionError("asked more often than there are answers")


@pytest.mark.parametrize("error", sorted(KINDS))
def test_which_errors_are_asked_again(error):
    feed, _ = made(Request("x"))
    used, heard = play(feed, *[{"error": error}] * 9)
    assert used == (3 if error in TRANSIENT else 1)
    assert heard.error == error
    assert heard.attempts == used


@pytest.mark.parametrize("status", range(100, 600))
def test_which_statuses_are_asked_again(status):
    feed, _ = made(Request("x"))
    assert play(feed, *[{"status": status}] * 9)[0] == (3 if status in PASSING else 1)
    assert {429, 500, 502, 503, 504} == PASSING


@pytest.mark.parametrize(
    ("method", "used"),
    [("GET", 3), ("HEAD", 3), ("PUT", 3), ("DELETE", 3), ("OPTIONS", 3), ("POST", 1), ("PATCH", 1)],
)
def test_only_idempotent_methods(method, used):
    feed, _ = made(Request("x", method=method))
    assert play(feed, *[{"error": "reset"}] * 9)[0] == used


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_how_often(retries):
    feed, _ = made(Request("x"), retries=retries)
    assert play(feed, *[{"status": 503}] * 9)[0] == retries + 1


def test_a_success_ends_it_and_the_inner_feed_hears_once():
    feed, inner = made(Request("x"))
    used, heard = play(feed, {"error": "read_timeout"}, {"status": 200})
    assert (used, heard.status, heard.attempts) == (2, 200, 2)
    assert inner.heard == [heard]


def test_a_fault_that_lasts_beats_a_status_that_may_pass():
    feed, _ = made(Request("x"))
    assert play(feed, {"status": 503, "error": "bad_encoding"})[0] == 1


def test_the_pause_grows_is_jittered_and_never_negative():
    longest = {1: 0.0, 2: 0.0, 3: 0.0}
    for seed in range(300):
        feed = Retry(Listed(Request("x")), Options(retries=3), random.Random(seed))
        now = 100.0
        for attempt in longest:
            request = start(feed, now)
            assert feed.done(request.answer(now, "reset"), now) is None
            wait = feed.take(now)
            assert isinstance(wait, Wait)
            assert 0 <= wait.seconds <= 0.5 * 2 ** (attempt - 1)
            longest[attempt] = max(longest[attempt], wait.seconds)
            assert isinstance(feed.take(now + wait.seconds - 1e-6), Wait), "early"
            now += wait.seconds + 1e-9
    assert longest[1] > 0.4
    assert longest[3] > 1.6


def test_what_is_parked_holds_nobody_up_and_is_never_forgotten():
    feed, inner = made(Request("a"), Request("b"), Wait(0.001), Wait(9.0))
    first = start(feed, 0.0)
    assert feed.done(first.answer(0.0, "reset"), 0.0) is None
    assert feed.take(0.0).url == "b"
    assert feed.take(0.0).seconds == 0.001  # the inner feed's wait is the shorter
    assert 0 < feed.take(0.0).seconds <= 0.5
    assert isinstance(feed.take(0.0), Wait), "None while something is parked"
    assert feed.take(1.0) is first
    assert feed.take(1.0) is None
    assert not inner.heard


def test_due_ones_come_in_the_order_in_which_they_are_due():
    requests = [Request(str(n)) for n in range(50)]
    feed, _ = made(*requests)
    for request in requests:
        assert feed.take(0.0) is request
        request.begin(0.0, feed.options)
    due = []
    for request in requests:
        feed.done(request.answer(0.0, "reset"), 0.0)
    now = 0.0
    while isinstance(wait := feed.take(now), Wait | Request):
        if isinstance(wait, Request):
            due.append((now, wait))
        else:
            now += wait.seconds
    assert sorted(request.url for _, request in due) == sorted(request.url for request in requests)
    assert len({now for now, _ in due}) > 40


@pytest.mark.parametrize("error", ["no_response", "reset", "connect_reset"])
def test_a_stale_connection_is_asked_again_at_once_uncounted_once(error):
    feed, inner = made(Request("x"), retries=0)
    request = start(feed, 5.0)
    assert feed.done(request.answer(5.0, error, reused=True), 5.0) is None
    again = feed.take(5.0)
    assert again is request
    assert (again.fresh, again.attempts, again.tries) == (True, 0, 0)
    again.begin(5.0, feed.options)
    heard = feed.done(again.answer(5.0, error, reused=True), 5.0)
    assert heard is not None
    assert (heard.attempts, inner.heard) == (1, [heard])


@pytest.mark.parametrize(
    "facts",
    [
        {"error": "no_response", "reused": False},
        {"error": "reset", "reused": True, "status": 200},
        {"error": "reset", "reused": True, "ttfb": 0.1},
        {"error": "no_response", "reused": True, "ttfb": 0.1},
        {"error": "read_timeout", "reused": True},
    ],
)
def test_other_failures_are_not_taken_for_a_stale_connection(facts):
    feed, _ = made(Request("x"), retries=0)
    assert play(feed, facts)[0] == 1


def test_a_post_on_a_stale_connection_is_not_sent_twice():
    feed, _ = made(Request("x", method="POST"), retries=0)
    assert play(feed, {"error": "no_response", "reused": True})[0] == 1


def test_no_retry_is_parked_beyond_the_deadline():
    feed, _ = made(Request("x"), retries=9, deadline=1.0)
    request = start(feed, 10.0)
    heard = feed.done(request.answer(10.9999, "reset"), 10.9999)
    assert heard is not None
    assert heard.error == "reset"


def test_what_is_due_but_not_taken_is_answered_at_its_deadline_and_once():
    feed, inner = made(Request("x"), deadline=5.0)
    request = start(feed, 0.0)
    assert feed.done(request.answer(1.0, "reset"), 1.0) is None
    assert feed.late(4.9) is None
    heard = feed.late(5.0)
    assert (heard.error, heard.attempts, heard.elapsed) == ("deadline_exceeded", 1, 5.0)
    assert feed.late(6.0) is None
    assert feed.take(6.0) is None
    assert inner.heard == [heard]


@pytest.mark.parametrize("error", ["read_timeout", "total_timeout", "connect_timeout", "dns_temporary"])
def test_a_timeout_by_the_deadline_is_called_so(error):
    feed, _ = made(Request("x"), deadline=1.0)
    request = start(feed, 10.0)
    assert request.timeout == 1.0
    heard = feed.done(request.answer(11.0, error), 11.0)
    assert heard.error == "deadline_exceeded"
    assert "--deadline" in heard.message


def test_each_hop_has_its_own_tries():
    feed, _ = made(Request("x", attempts=7, hops=(("http://h/", 302),)))
    assert play(feed, *[{"status": 500}] * 9)[0] == 3


@pytest.mark.parametrize(
    ("status", "value", "seconds"), [(429, "7", 7.0), (503, "Wed, 21 Oct 2026 07:28:30 GMT", 30.0)]
)
def test_retry_after_replaces_the_backoff(status, value, seconds):
    feed, _ = made(Request("x"))
    request = start(feed, 100.0)
    assert feed.done(request.answer(100.0, status=status, fields=(("retry-AFTER", value),)), 100.0) is None
    assert feed.take(100.0) == Wait(seconds, "retry")
    assert feed.take(100.0 + seconds) is request


def test_retry_after_means_nothing_elsewhere():
    feed, _ = made(Request("x"))
    request = start(feed, 0.0)
    assert feed.done(request.answer(0.0, status=500, fields=(("Retry-After", "50"),)), 0.0) is None
    assert feed.take(0.0).seconds <= 0.5


@pytest.mark.parametrize(
    "value", ["61", "86400", "999999999999999999999", "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"]
)
def test_a_long_retry_after_is_not_waited_for(value):
    feed, _ = made(Request("x"))
    used, heard = play(feed, {"status": 503, "fields": (("Retry-After", value),)})
    assert (used, heard.status, heard.error) == (1, 503, None)


def test_the_corpus_of_retry_after_values():
    folder = os.environ.get("FETCH_CORPORA")
    if not folder:
        pytest.skip("FETCH_CORPORA is not set: Retry-After corpus")
    cases = json.loads(Path(folder, "misc", "retry_after.json").read_text(encoding="utf-8"))["cases"]
    assert len(cases) == 30
    for value, seconds in cases:
        found = retry_after(value, NOW)
        if seconds == "huge":
            assert found > 1e11
        elif seconds == "lenient or null":
            assert found is None
        else:
            assert found == seconds, value


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Wed, 21 Oct 2026 07:28:60 GMT", 60.0),  # a leap second
        ("Wed, 21 Oct 2026 07:28:61 GMT", None),
        ("Wed, 00 Oct 2026 07:28:00 GMT", None),
        ("Friday, 31-Dec-76 07:28:00 GMT", 18_334 * 86_400.0),  # 50 years ahead: still the future
        ("Friday, 31-Dec-77 07:28:00 GMT", 0.0),  # 51: the past
        ("Sun Nov  1 07:28:00 2026", 950400.0),
        ("wed, 21 oct 2026 07:30:00 gmt", None),
        ("\xa05", None),
        ("0" * 5000 + "3", 3.0),
    ],
)
def test_retry_after_at_its_edges(value, seconds):
    assert retry_after(value, NOW) == seconds
