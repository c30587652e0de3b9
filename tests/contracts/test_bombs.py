"""Few bytes that unpack into a gigabyte: they cost their own URL, nobody else's, and hold nothing up."""

from __future__ import annotations

import gzip
import hashlib
import time
from collections.abc import Iterator
from functools import cache

import pytest

import fetcher
from fetcher import engines, menu
from fetcher.engines._exchange import Exchange
from fetcher.errors import Fault, UsageError
from fetcher.model import Options, Request
from tests.servers import Raw, answers, by_path, raw, response

GIB = 1 << 30


@pytest.fixture(params=menu.names(engines))
def name(request: pytest.FixtureRequest) -> str:
    try:
        engines.pick(request.param)
    except UsageError as missing:
        pytest.skip(str(missing))
    return str(request.param)


@cache
def bomb() -> bytes:
    """Five times gzip, of over a gigabyte."""
    block = gzip.compress(bytes(64 << 20), 9, mtime=0)
    packed = block * 17  # members may follow each other
    for _ in range(4):
        packed = gzip.compress(packed, 9, mtime=0)
    return response(packed, "Content-Encoding: gzip, gzip, gzip, gzip, gzip")


@pytest.fixture
def bombs() -> Iterator[Raw]:
    with raw(answers(bomb())) as server:
        yield server


def test_a_bomb_is_unpacked_in_steps() -> None:
    assert len(bomb()) < 2000
    exchange = Exchange(Request("http://h/"), Options(), "judge")
    more = exchange.feed(bomb())
    longest, steps = 0.0, 0
    with pytest.raises(Fault) as caught:
        assert more is not None
        while True:
            began = time.monotonic()
            next(more)
            longest, steps = max(longest, time.monotonic() - began), steps + 1
    assert caught.value.kind == "decoded_too_large"
    assert steps > 500
    assert longest < 1.0


def test_a_bomb_keeps_to_the_timeout(name: str, bombs: Raw) -> None:
    began = time.monotonic()
    (result,) = fetcher.fetch([bombs.url], engine=name, timeout=0.3, retries=0)
    assert result.error == "total_timeout"
    assert result.elapsed < 1.5
    assert time.monotonic() - began < 5  # with the start of workers


def test_bombs_do_not_make_others_fail(name: str, bombs: Raw) -> None:
    with raw(answers(response(b"ok"))) as other:
        asked = [bombs.url] * 4 + [other.url] * 12
        results = list(fetcher.fetch(asked, engine=name, timeout=1.0, retries=0, concurrency=16))
    assert [result.error for result in results if result.url == other.url] == [None] * 12


def test_a_bomb_can_be_left(name: str, bombs: Raw) -> None:
    with raw(answers(response(b"ok"))) as other:
        found = fetcher.fetch([other.url, *[bombs.url] * 3], engine=name, retries=0, max_size=4 * GIB)
        assert next(found).ok
        began = time.monotonic()
        found.close()
    assert time.monotonic() - began < 4


def test_what_unpacks_into_much_is_whole_and_its_connection_serves_on(name: str) -> None:
    page = bytes(24 << 20) + b"the end"
    packed = gzip.compress(page, 9, mtime=0)
    chunked = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    half = len(packed) // 2
    parts = [
        chunked + b"%x\r\n%s\r\n" % (half, packed[:half]),
        b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed) - half, packed[half:]),
    ]
    table = {
        "/counted": response(packed, "Content-Encoding: gzip"),
        "/chunked": parts,
        "/plain": response(b"ok"),
    }
    with raw(by_path(table)) as server:
        paths = ["/counted", "/plain", "/chunked", "/plain", "/counted", "/chunked"]
        asked = [server.url[:-1] + path for path in paths]
        results = list(fetcher.fetch(asked, engine=name, concurrency=1, retries=0, hash=True))
    assert [result.error for result in results] == [None] * 6
    assert [result.size for result in results] == [2 if path == "/plain" else len(page) for path in paths]
    assert {result.sha256 for result in results if result.size != 2} == {hashlib.sha256(page).hexdigest()}
