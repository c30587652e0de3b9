"""Rows of a list as requests: strings, a caller's own Requests, and what is neither."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import pytest

from fetcher.feeds.rows import Rows
from fetcher.model import Options, Request, Result
from fetcher.pump import Ready

SECRET = "S3CRET"


def rows(*items, **options):
    return Rows(Ready([("list", item) for item in items]), Options(**options))


def one(item, **options):
    return rows(item, **options).take(0.0)


def test_a_request_gets_the_readers_of_the_options():
    asked = one(Request("http://h/"), hash=True, save="folder")
    assert asked.readers == ("count", "hash", "save")
    assert one(Request("http://h/", readers=("text",)), hash=True).readers == ("text",)
    assert one(Request("http://h/", readers=("count", "save"))).readers == ("count",), "save where?"


def test_a_request_stays_as_it_was_and_can_be_asked_twice():
    given = Request("http://u:p@h/", method="put", data=b"x", depth=3, referrer="r")
    before = repr(given)
    feed = rows(given, given)
    first, second = feed.take(0.0), feed.take(0.0)
    first.begin(0.0, feed.options)
    assert repr(given) == before
    assert given not in (first, second)
    assert (first.row, second.row) == (1, 2)
    assert (second.attempts, second.began, second.login, second.url) == (0, -1.0, "u:p", "http://***@h/")
    assert (second.method, second.data, second.depth, second.referrer) == ("PUT", b"x", 3, "r")


def test_the_request_of_a_result_can_be_asked_again():
    first = one(Request("http://u:p@h/", headers=(("X-Key", SECRET),), method="POST", data=b"x"))
    first.begin(0.0, Options())
    first.hops, first.cookies, first.owed = (("http://h/0", 302),), (("http://h", "a", "b"),), True
    again = one(first)
    assert again.headers == first.headers
    assert (again.login, again.own, again.hops, again.cookies, again.owed) == (
        "u:p",
        (("X-Key", SECRET),),
        (),
        (),
        False,
    )
    assert (again.attempts, again.began, again.deadline, again.asked) == (0, -1.0, 0.0, ())
    away = one(replace(first, url="http://other/"))
    assert SECRET not in str(away.headers)
    assert "Authorization" not in dict(away.headers)


def test_the_headers_of_a_request_are_sent():
    asked = one(Request("http://h/", headers=(("X-Key", SECRET),)), header=(("x-key", "run"), ("X-Run", "1")))
    assert ("X-Key", SECRET) in asked.headers
    assert ("x-key", "run") not in asked.headers
    assert dict(asked.headers)["X-Run"] == "1"
    assert dict(asked.headers)["Accept"] == "*/*"


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"method": "GE T"}, "Request.method"),
        ({"method": "GET / HTTP/1.1\r\nX:"}, "Request.method"),
        ({"method": "connect"}, "Request.method"),
        ({"method": None}, "Request.method"),
        ({"headers": (("Host", "x"),)}, "follows from the URL"),
        ({"headers": (("Content-Length", "1"),)}, "cannot be set"),
        ({"headers": (("X", f"{SECRET}\r\nY: z"),)}, "control characters"),
        ({"headers": (("X", f"{SECRET}\u20ac"),)}, "Latin-1"),
        ({"headers": (("X", 5),)}, "str"),
        ({"headers": {"X-Key": "y"}}, "tuple"),
        ({"headers": None}, "tuple"),
        ({"data": "text"}, "not bytes"),
        ({"readers": ("nothing",)}, "readers"),
        ({"readers": "text"}, "readers"),
    ],
)
def test_a_request_that_cannot_be_sent_is_answered(facts, says):
    result = one(Request("http://h/x", **facts))
    assert isinstance(result, Result)
    assert (result.error, result.url, result.row, result.input) == ("invalid_url", "http://h/x", 1, "list")
    assert says in result.message
    assert SECRET not in result.message
    assert "\n" not in result.message


@pytest.mark.parametrize("wrap", [lambda item: item, Request])
@pytest.mark.parametrize(
    ("item", "url", "kind"),
    [
        (f"http://u:{SECRET}@h/".encode(), "http://***@h/", "bytes"),
        (None, "", "NoneType"),
        (7, "", "int"),
        (object(), "", "object"),
    ],
)
def test_what_is_no_text_is_answered(wrap, item, url, kind):
    feed = rows(wrap(item), "http://h/")
    result = feed.take(0.0)
    assert (result.error, result.url, result.row) == ("invalid_url", url, 1)
    assert result.message.startswith(f"{kind}, not text")
    assert feed.take(0.0).row == 2


def test_a_request_cannot_pass_for_a_robots_txt():
    assert one(Request("http://h/", purpose="robots")).purpose == "page"


def test_the_secrets_of_a_run_go_with_it():
    options = Options(auth=f"u:{SECRET}")
    feed = Rows(Ready([("list", "http://h/")]), options)
    feed.take(0.0)
    watched = weakref.ref(options)
    del feed, options
    gc.collect()
    assert watched() is None
