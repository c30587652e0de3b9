"""Requests, Results and Options: what they show, what they refuse, and that threads may begin at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fetcher
from fetcher.errors import UsageError
from fetcher.model import COLUMNS, Options, Result, check, columns, utc_now


@pytest.mark.parametrize(
    "settings",
    [
        {"concurrency": -1},
        {"concurrency": "3"},
        {"concurrency": True},
        {"per_host": -1},
        {"retries": None},
        {"retries": 1.5},
        {"timeout": 0},
        {"timeout": -5},
        {"timeout": "5"},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"connect_timeout": 0},
        {"deadline": -1},
        {"max_size": "10MB"},
        {"max_redirects": -1},
        {"rate": "fast"},
        {"family": 5},
        {"http": "1.0"},
        {"data": "text"},
        {"http": 1.2},
        {"http": True},
        {"header": "A: b"},
        {"header": ["ab"]},
        {"header_for": {"http://h": "A"}},
        {"resolve": "h:80:127.0.0.1"},
        {"header": (("A",),)},
        {"resolve": (("h", 80),)},
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(UsageError) as refused:
        next(fetcher.fetch(["http://127.0.0.1:1/"], **settings))
    assert next(iter(settings)).replace("_", "-") in str(refused.value).replace("_", "-")


def test_the_defaults_are_fine() -> None:
    check(Options())
    check(Options(per_host=0, rate=0.5, timeout=1, header=(("A", "b"),)))


def test_settings_are_taken_as_people_write_them() -> None:
    options = Options(
        http=2, header={"A": "b"}, header_for=[["http://h", "A", "b"]], resolve=[("h", 80, "::1")]
    )
    check(options)
    assert (options.http, options.header) == ("2", (("A", "b"),))
    assert (options.header_for, options.resolve) == ((("http://h", "A", "b"),), (("h", 80, "::1"),))
    for given, text in ((1.1, "1.1"), (3, "3"), (2.0, "2"), ("2", "2")):
        options = Options(http=given, header=[["A", "b"], ("A", "c")])
        check(options)
        assert (options.http, options.header) == (text, (("A", "b"), ("A", "c")))


def test_header_in_any_form_is_sent(site: str) -> None:
    for given in ({"X-Key": "7"}, [("X-Key", "7")], [["X-Key", "7"]], (("X-Key", "7"),)):
        (result,) = fetcher.fetch([f"{site}/bytes/1"], engine="Threads", header=given, http=1.1)
        assert result.ok
        assert ("X-Key", "7") in result.request.headers
        assert result.engine == "threads"


def test_a_refused_setting_does_not_show_its_values() -> None:
    with pytest.raises(UsageError) as refused:
        check(Options(header="X-Key: s3cret"))
    assert str(refused.value) == "header str: give a list of (name, value) or a dict"


def test_a_record_has_the_default_columns() -> None:
    record = Result(url="http://h/", status=200).record()
    assert tuple(record) == COLUMNS
    assert (record["url"], record["ok"]) == ("http://h/", True)
    assert Result(row=3).record(("row",)) == {"row": 3}
    assert Result().record(()) == {}


def test_the_package_lists_its_public_names() -> None:
    assert dir(fetcher) == sorted(fetcher.__all__)
    assert {"fetch", "afetch", "Options", "Result"} <= set(dir(fetcher))


def test_no_secret_is_shown_by_printing(site: str) -> None:
    secret = "s3cret"
    url = f"http://joe:{secret}@{site.removeprefix('http://')}/bytes/1"
    settings = {"auth": f"x:{secret}", "header": (("X-Key", secret),)}
    (result,) = fetcher.fetch([url], **settings)
    assert result.ok
    proxied = Options(**settings, proxy=f"http://u:{secret}@h:1")
    shown = f"{result!r} {result.request!r} {proxied!r}"
    assert secret not in shown
    assert "Basic" not in shown
    assert result.url == f"http://***@{site.removeprefix('http://')}/bytes/1"


def test_columns_follow_the_options() -> None:
    assert columns(Options()) == COLUMNS
    options = Options(hash=True, save="dir", headers=("etag",))
    assert columns(options) == (*COLUMNS, "sha256", "headers", "saved")
    assert set(columns(options, crawl=True)) - set(columns(options)) == {"depth", "referrer"}
    assert all(hasattr(Result(), name) for name in columns(options, crawl=True))


def test_now_is_rfc_3339() -> None:
    from datetime import datetime

    text = utc_now()
    assert text.endswith("Z")
    assert abs((datetime.fromisoformat(text).timestamp()) - __import__("time").time()) < 5


RACE = """
import threading, fetcher
found = []
def one(engine):
    found.extend(r.error for r in fetcher.fetch(["http://127.0.0.1:0/"], engine=engine, retries=0))
names = ("threads", "sequential", "asyncio", "threads")
threads = [threading.Thread(target=one, args=(name,)) for name in names]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert found == ["connect_refused"] * 4, found
"""


def test_first_uses_in_several_threads_at_once() -> None:
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", RACE], capture_output=True, text=True, timeout=30, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_a_refused_run_leaves_no_thread_and_no_open_source() -> None:
    import threading

    closed = []

    def source():
        try:
            yield "http://127.0.0.1:0/"
        finally:
            closed.append(True)

    before = set(threading.enumerate())
    given = source()
    with pytest.raises(UsageError):
        next(fetcher.fetch(given, engine="nonsense"))
    assert set(threading.enumerate()) == before
