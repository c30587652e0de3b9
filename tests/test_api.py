"""The library as its users use it: iterators, slow readers, notebooks, early exits, in every engine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter

import pytest
import werkzeug
from pytest_httpserver import HTTPServer

import fetcher
from fetcher.comparison.arms import installed
from fetcher.errors import UsageError
from tests.servers import hanging


def test_one_result_per_url_as_completed(engine: str, site: str) -> None:
    urls = [f"{site}/bytes/{n}" for n in range(20)] + [f"{site}/status/404", "nonsense://x", "http://a..b/"]
    results = list(fetcher.fetch(urls, engine=engine))
    assert sorted(result.row for result in results) == list(range(1, 24))
    by_row = {result.row: result for result in results}
    assert [by_row[n + 1].size for n in range(20)] == list(range(20))
    assert (by_row[21].status, by_row[21].ok, by_row[21].error) == (404, False, None)
    assert (by_row[22].error, by_row[23].error) == ("unsupported_scheme", "invalid_url")


def test_results_come_while_the_input_is_still_open(site: str) -> None:
    gate = threading.Event()

    def endless():
        yield f"{site}/bytes/1"
        gate.wait(20)
        yield f"{site}/bytes/2"

    results = fetcher.fetch(endless())
    assert next(results).size == 1
    gate.set()
    assert [result.size for result in results] == [2]


@pytest.mark.parametrize(
    "engine",
    [pytest.param(name, marks=[pytest.mark.long] * (name != "asyncio")) for name in installed()],
)
def test_a_reader_that_sleeps_falsifies_nothing(engine: str, site: str) -> None:
    """Three naps of twice the timeout: no error, and every `elapsed` is as it would be without them."""
    urls = [f"{site}/delay/0.1/{n}" for n in range(24)]
    results = []
    for result in fetcher.fetch(urls, engine=engine, timeout=1.0, concurrency=4, retries=0):
        results.append(result)
        if len(results) in (1, 5, 9):
            time.sleep(2.0)
    assert len(results) == 24
    assert [result.error for result in results] == [None] * 24
    assert max(result.elapsed for result in results) < 1.0


def test_inside_a_running_event_loop(engine: str, site: str) -> None:
    """A notebook's cell runs inside a loop: the plain iterator works there."""

    async def cell() -> list[int | None]:
        return [result.size for result in fetcher.fetch([f"{site}/bytes/7"] * 3, engine=engine)]

    assert asyncio.run(cell()) == [7, 7, 7]


def test_async_for_leaves_the_loop_free(engine: str, site: str) -> None:
    async def cell() -> tuple[list[int | None], int]:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.01)

        task = asyncio.create_task(other())
        sizes = [
            r.size async for r in fetcher.afetch([f"{site}/delay/0.3/{n}" for n in range(3)], engine=engine)
        ]
        task.cancel()
        return sizes, turns

    sizes, turns = asyncio.run(cell())
    assert sorted(size or 0 for size in sizes) == [0, 1, 2]
    assert turns > 10


def test_break_leaves_nothing_within_a_second(engine: str, site: str) -> None:
    list(fetcher.fetch([f"{site}/bytes/1"], engine=engine))
    before = set(threading.enumerate())
    with hanging() as silent:
        before |= set(threading.enumerate())
        urls = [f"{site}/bytes/1", *[silent.url] * 5]
        for _ in fetcher.fetch(urls, engine=engine, concurrency=3, timeout=60):
            began = time.monotonic()
            break
        else:
            pytest.fail("no result came")
        assert time.monotonic() - began < 2.5
        until = time.monotonic() + 2
        while time.monotonic() < until and set(threading.enumerate()) - before:
            time.sleep(0.05)
        ours = {t.name for t in set(threading.enumerate()) - before if t.name.startswith("fetch")}
        assert ours == set()


def test_a_generator_that_raises_is_heard_after_its_results(site: str) -> None:
    def broken():
        yield f"{site}/bytes/5"
        raise RuntimeError("the database went away")

    got = []
    with pytest.raises(RuntimeError, match="database"):
        for result in fetcher.fetch(broken()):
            got.append(result.size)
    assert got == [5]


def test_wrong_use_is_said_before_the_first_request(site: str) -> None:
    with pytest.raises(UsageError, match="did you mean asyncio"):
        next(fetcher.fetch([site], engine="asynchio"))
    with pytest.raises(UsageError, match="not one string"):
        next(fetcher.fetch(site))
    with pytest.raises(UsageError, match="timeot"):
        next(fetcher.fetch([site], timeot=3))
    with pytest.raises(UsageError):
        next(fetcher.fetch([site], header=(("X: y", "a\r\nb"),)))


def test_requests_may_carry_their_own_method_and_body(site: str) -> None:
    request = fetcher.Request(f"{site}/anything", method="POST", data=b"hello")
    (result,) = fetcher.fetch([request], hash=True)
    assert result.ok
    assert result.request.url == request.url
    assert list(fetcher.fetch([request, request]))[1].attempts == 1  # the caller's own is left as it was


def test_a_load_test_sends_each_request_as_it_is(httpserver: HTTPServer) -> None:
    seen = Counter[tuple[str, bytes, str | None]]()

    def answer(request: werkzeug.Request) -> werkzeug.Response:
        seen[request.method, request.get_data(), request.headers.get("X-Own")] += 1
        return werkzeug.Response("ok")

    httpserver.expect_request("/").respond_with_handler(answer)
    url = httpserver.url_for("/")
    posted = fetcher.Request(url, method="POST", data=b"a\xff", headers=(("X-Own", "1"),))
    record = fetcher.load([url, posted, fetcher.Request(url, method="DELETE")], count=9)
    assert (record["ok"], record["targets"]) == (9, 3)
    assert seen == {("GET", b"", None): 3, ("POST", b"a\xff", "1"): 3, ("DELETE", b"", None): 3}


def test_redirects_retries_and_attempts_are_counted(engine: str, site: str) -> None:
    hop, failing = sorted(
        fetcher.fetch([f"{site}/redirect/2", f"{site}/status/503"], engine=engine, retries=1),
        key=lambda r: r.row,
    )
    assert (hop.status, len(hop.redirects), hop.attempts) == (200, 2, 3)
    assert (failing.status, failing.attempts, failing.error, failing.ok) == (503, 2, None, False)


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"http": 2}, "asyncio speaks HTTP/1.1 only"), ({"headers": "etag"}, "give a list of names")],
)
def test_a_setting_that_would_be_ignored_is_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        list(fetcher.fetch(["http://127.0.0.1:1/"], **settings))
