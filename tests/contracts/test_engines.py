"""What every engine promises, held against each file of the folder: no engine is named here."""

from __future__ import annotations

import gzip
import hashlib
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fetcher import engines, headers, logins, urls
from fetcher.engines import Engine
from fetcher.errors import KINDS
from fetcher.model import PARITY, Options, Request, Result
from tests.servers import answers, closed_port, hanging, raw, read_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def asked(url: str, options: Options, **more) -> Request:
    """A request as the feeds would hand it over."""
    request = Request(url, **more)
    urls.aim(request, urls.wire(url))
    request.origin = urls.origin(request.wire)
    request.login = logins.userinfo(url)
    request.headers = headers.sent(request, options)
    request.begin(time.monotonic(), options)
    return request


def collect(engine: Engine, count: int, seconds: float = 20.0) -> list[Result]:
    """Exactly `count` results, or what came in `seconds`; then one look more for a surplus one."""
    results: list[Result] = []
    until = time.monotonic() + seconds
    while len(results) < count and time.monotonic() < until:
        results += engine.wait(0.1)
    return results + engine.wait(0.05)


def ask(name: str, *paths: str, **settings) -> list[Result]:
    """Ask these URLs one after the other through one engine."""
    options = Options(**{"concurrency": 1, "timeout": 5.0, "connect_timeout": 3.0, **settings})
    results = []
    with engines.pick(name).engine(options) as engine:
        for path in paths:
            engine.submit(asked(path, options))
            results += collect(engine, 1)
    return results


def leftovers() -> tuple[set[int], set[int]]:
    """The ids of threads and of child processes that are alive now."""
    children = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            children |= {int(pid) for pid in (task / "children").read_text().split()}
    return {thread.ident or 0 for thread in threading.enumerate()}, children


def test_one_result_per_request_pointing_back_at_it(name: str) -> None:
    options = Options(concurrency=4)
    with raw(answers(*[OK] * 200)) as server, engines.pick(name).engine(options) as engine:
        requests = [asked(f"{server.url}{n}", options) for n in range(40)]
        results, waiting, running = [], list(requests), 0
        until = time.monotonic() + 30
        while len(results) < 40 and time.monotonic() < until:
            while waiting and running < min(engine.width, options.concurrency):
                engine.submit(waiting.pop())
                running += 1
            batch = engine.wait(0.1)
            running -= len(batch)
            results += batch
        assert engine.wait(0.1) == []
    assert {id(result.request) for result in results} == {id(request) for request in requests}
    assert len(results) == 40
    assert all(result.ok and result.size == 2 and result.wire_size == 2 for result in results)
    assert {result.engine for result in results} == {name}


def test_its_whole_width_runs_at_once(name: str) -> None:
    """As many attempts as it says are under way together: none waits in a queue while its clock runs."""

    def slow(conn, n: int) -> None:
        while read_request(conn):
            time.sleep(0.4)
            conn.sendall(OK)

    options = Options(concurrency=4, timeout=2.5)
    with raw(slow) as server, engines.pick(name).engine(options) as engine:
        assert engine.width >= 1
        for n in range(engine.width):
            engine.submit(asked(f"{server.url}{n}", options))
        results = collect(engine, engine.width)
    assert [result.error for result in results] == [None] * engine.width
    assert max(result.elapsed for result in results) < 2.0


def test_wait_sleeps_with_nothing_in_flight(name: str) -> None:
    with engines.pick(name).engine(Options(concurrency=2)) as engine:
        engine.wait(0.0)
        began = time.monotonic()
        assert engine.wait(0.2) == []
        assert 0.15 < time.monotonic() - began < 1.5


def test_the_bytes_on_the_wire(name: str) -> None:
    targets = ["/p?", "/%e2%7E%41", "/a|b", "/it's", "/%zz", "/a//b/./c?x=[1]&y={2}", "/?a=b%20c+d"]
    with raw(answers(*[OK] * 20)) as server:
        options = Options(header=(("X-Two", "2"), ("X-One", "1"), ("X-One", "again")))
        results = ask(name, *[server.url.rstrip("/") + target for target in targets], header=options.header)
        lines = [request.split(b"\r\n") for request in server.requests]
    assert all(result.ok for result in results)
    wires = [urls.wire(f"http://h{target}").removeprefix("http://h") for target in targets]
    assert [line[0].decode() for line in lines] == [f"GET {wire} HTTP/1.1" for wire in wires]
    request = asked(server.url, options)
    expected = [f"Host: {request.authority}", *(f"{key}: {value}" for key, value in request.headers)]
    assert [line.decode() for line in lines[0][1:-2]] == expected


def test_a_body_is_sent(name: str) -> None:
    options = Options(method="POST", data=b"a=1&b=\xc3\xa9", concurrency=1)
    with raw(answers(OK)) as server, engines.pick(name).engine(options) as engine:
        engine.submit(asked(server.url, options, method="POST", data=options.data))
        (result,) = collect(engine, 1)
        assert result.ok, result.message
        assert server.requests[0].startswith(b"POST / HTTP/1.1\r\n")
        assert server.requests[0].endswith(b"\r\n\r\na=1&b=\xc3\xa9")
        assert server.requests[0].lower().count(b"content-length: 8") == 1


BODY = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(200)) * 5


def coded() -> dict[str, tuple[bytes, bytes]]:
    """Coding -> (its header line, the coded body)."""
    made = {
        "identity": (b"", BODY),
        "gzip": (b"Content-Encoding: gzip\r\n", gzip.compress(BODY)),
        "gzip twice": (b"Content-Encoding: gzip, gzip\r\n", gzip.compress(gzip.compress(BODY))),
        "deflate": (b"Content-Encoding: deflate\r\n", zlib.compress(BODY)),
        "raw deflate": (b"Content-Encoding: deflate\r\n", zlib.compress(BODY, wbits=-15)),
    }
    try:
        import brotli

        made["br"] = (b"Content-Encoding: br\r\n", brotli.compress(BODY))
        from backports import zstd

        made["zstd"] = (b"Content-Encoding: zstd\r\n", zstd.compress(BODY))
    except ImportError:
        pass
    return made


@pytest.mark.parametrize("chunked", [False, True])
def test_sizes_to_the_byte(name: str, *, chunked: bool) -> None:
    made = coded()
    responses = []
    for line, body in made.values():
        if chunked:
            framed = b"".join(
                b"%x\r\n%s\r\n" % (len(body[n : n + 999]), body[n : n + 999])
                for n in range(0, len(body), 999)
            )
            responses.append(
                b"HTTP/1.1 200 OK\r\n" + line + b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"
            )
        else:
            responses.append(b"HTTP/1.1 200 OK\r\n" + line + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    with raw(answers(*responses)) as server:
        options = Options(hash=True, concurrency=1)
        with engines.pick(name).engine(options) as engine:
            for (coding, (_, body)), response in zip(made.items(), responses, strict=True):
                engine.submit(asked(server.url, options, readers=("count", "hash")))
                (result,) = collect(engine, 1)
                seen = (result.error, result.size, result.wire_size, result.sha256)
                assert seen == (None, len(BODY), len(body), hashlib.sha256(BODY).hexdigest()), (
                    coding,
                    response[:80],
                )
        assert server.connections == 1


def test_a_cut_body_is_never_a_success(name: str) -> None:
    packed = gzip.compress(BODY)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
    cut = [
        (head + b"Content-Length: %d\r\n\r\n" % len(packed) + packed[:-10], "truncated"),
        (head + b"Content-Length: %d\r\n\r\n" % (len(packed) - 10) + packed[:-10], "truncated_encoding"),
        (head + b"\r\n" + packed[:100], "truncated_encoding"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", "truncated"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "truncated"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "truncated"),
        (b"HTTP/1.1", "no_response"),
        (b"", "no_response"),
    ]
    for response, kind in cut:
        with raw(answers(response, close=True)) as server:
            (result,) = ask(name, server.url)
        assert (result.error, result.ok, result.size, result.wire_size) == (kind, False, None, None), (
            response[-40:]
        )


FAULTS = {
    b"SSH-2.0-OpenSSH_9.2\r\n": "bad_status_line",
    b"HTTP/1.1 200 OK\r\nNo colon here\r\n\r\n": "bad_header",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd": "bad_framing",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n": "bad_framing",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n": "bad_framing",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n": "bad_framing",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n": "header_too_large",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n": "bad_framing",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain": "bad_encoding",
    b"HTTP/1.1 200 OK\r\n"
    + b"Content-Encoding: gzip\r\n" * 6
    + b"Content-Length: 0\r\n\r\n": "too_many_encodings",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000: "body_too_large",
}


@pytest.mark.parametrize("response", FAULTS, ids=[f"{kind}-{n}" for n, kind in enumerate(FAULTS.values())])
def test_a_fault_has_its_kind(name: str, response: bytes) -> None:
    with raw(answers(response)) as server:
        (result,) = ask(name, server.url, max_size=1000)
    assert result.error == FAULTS[response]
    assert result.error in KINDS
    assert result.message


def test_early_hints_and_large_heads(name: str) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + OK
    large = b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000 + b"\r\nContent-Length: 2\r\n\r\nok"
    far = b"HTTP/1.1 302 Found\r\nLocation: /" + b"a" * 9000 + b"\r\nContent-Length: 0\r\n\r\n"
    with raw(answers(hints, large, far)) as server:
        first, second, third = ask(name, *[server.url] * 3)
    assert (first.status, first.size) == (200, 2)
    assert (second.status, second.size) == (200, 2)
    assert (third.status, third.error, len(third.get("location") or "")) == (302, None, 9001)


def test_it_follows_retries_and_remembers_nothing(name: str) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
    login = b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
    with raw(answers(moved, busy, login, OK)) as server:
        results = ask(name, *[server.url] * 4)
        assert len(server.requests) == 4
        assert not any(b"cookie" in request.lower() for request in server.requests)
    assert [result.status for result in results] == [302, 503, 401, 200]


def test_a_connection_is_kept_and_says_so(name: str) -> None:
    with raw(answers(*[OK] * 5)) as server:
        results = ask(name, *[server.url] * 5)
        assert server.connections == 1
    assert [result.reused for result in results] == [False, True, True, True, True]
    assert all(result.dns is None and result.connect is None for result in results[1:])


def test_surplus_bytes_never_reach_the_next_answer(name: str) -> None:
    surplus = OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
    with raw(answers(*[surplus] * 10)) as server:
        for pause in (0.0, 0.05):
            results = []
            options = Options(concurrency=1)
            with engines.pick(name).engine(options) as engine:
                for _ in range(3):
                    engine.submit(asked(server.url, options))
                    results += collect(engine, 1)
                    time.sleep(pause)
            assert [result.size for result in results] == [2, 2, 2]
            assert not any(result.reused for result in results)


def test_a_silently_closed_connection_is_told_as_reused(name: str) -> None:
    def close_after_one(conn, n: int) -> None:
        read_request(conn)
        conn.sendall(OK)

    with raw(close_after_one) as server:
        results = ask(name, *[server.url] * 6)
    assert all(result.ok or result.reused for result in results)
    assert results[0].ok


def test_fresh_means_a_new_connection(name: str) -> None:
    options = Options(concurrency=1)
    with raw(answers(*[OK] * 5)) as server, engines.pick(name).engine(options) as engine:
        for fresh in (False, True):
            request = asked(server.url, options)
            request.fresh = fresh
            engine.submit(request)
            (result,) = collect(engine, 1)
            assert result.ok
            assert not result.reused
        assert server.connections == 2


DRIPS = {
    "status line": (b"HTTP/1.1 200 OK and a long reason phrase, a letter at a time" * 3, "read_timeout"),
    "head": (b"HTTP/1.1 200 OK\r\n" + b"X: aaaaaaaaaaaaaaaa\r\n" * 5, "total_timeout"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + b"x" * 90, "total_timeout"),
    "extension": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 90, "total_timeout"),
}


@pytest.mark.parametrize("drip", DRIPS)
def test_a_drip_is_stopped_in_time(name: str, drip: str) -> None:
    response, kind = DRIPS[drip]
    whole = response.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in response else response.find(b"\r\n") + 2

    def script(conn, n: int) -> None:
        read_request(conn)
        start = whole if whole > 1 else 0
        conn.sendall(response[:start])
        for byte in response[start:]:
            conn.sendall(bytes([byte]))
            time.sleep(0.1)

    with raw(script) as server:
        began = time.monotonic()
        (result,) = ask(name, server.url, timeout=1.0)
        assert time.monotonic() - began < 6.0  # a worker's start included
    assert result.error == kind
    assert 0.9 < result.elapsed < 3.0


def test_unreachable_places(name: str) -> None:
    with closed_port() as port, hanging() as silent:
        results = ask(
            name,
            f"http://127.0.0.1:{port}/",
            "http://127.0.0.1:0/",
            "http://no-such-name.invalid/",
            silent.url,
            timeout=1.0,
        )
    assert [result.error for result in results] == [
        "connect_refused",
        "connect_refused",
        "dns_not_found",
        "read_timeout",
    ]


def test_private_addresses_are_refused_when_asked(name: str) -> None:
    with raw(answers(OK)) as server:
        port = server.port
        places = [
            f"http://127.0.0.1:{port}/",
            f"http://localhost:{port}/",
            f"http://[::ffff:127.0.0.1]:{port}/",
        ]
        results = ask(name, *places, deny_private=True)
        assert server.connections == 0
    assert [result.error for result in results] == ["blocked_address"] * 3


def test_a_name_can_be_given_an_address(name: str) -> None:
    with raw(answers(OK)) as server:
        (result,) = ask(
            name, f"http://some.test:{server.port}/", resolve=(("some.test", server.port, "127.0.0.1"),)
        )
        assert f"Host: some.test:{server.port}".encode() in server.requests[0]
    assert (result.ok, result.ip) == (True, "127.0.0.1")


def test_head_and_bodiless_answers(name: str) -> None:
    options = Options(method="HEAD", concurrency=1)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nContent-Encoding: gzip\r\n\r\n"
    none = b"HTTP/1.1 204 No Content\r\n\r\n"
    with raw(answers(head, none)) as server, engines.pick(name).engine(options) as engine:
        seen = []
        for method in ("HEAD", "GET"):
            engine.submit(asked(server.url, options, method=method))
            (result,) = collect(engine, 1)
            seen.append((result.error, result.status, result.size, result.wire_size, result.content_length))
    assert seen == [(None, 200, 0, 0, 5000), (None, 204, 0, 0, None)]


def test_cancel_ends_everything_within_a_second(name: str) -> None:
    options = Options(concurrency=3, timeout=30)
    with hanging() as silent, engines.pick(name).engine(options) as engine:
        width = min(engine.width, 3)
        requests = [asked(silent.url, options) for _ in range(width)]
        for request in requests:
            engine.submit(request)
        time.sleep(0.5)
        assert engine.wait(0.0) == []
        began = time.monotonic()
        engine.cancel()
        results = collect(engine, width, seconds=5)
        assert time.monotonic() - began < 2.0
    assert [result.error for result in results] == ["cancelled"] * width


def test_leaving_leaves_nothing(name: str) -> None:
    options = Options(concurrency=4, timeout=30)
    with engines.pick(name).engine(options) as engine:  # whatever is started once per process, is started now
        engine.wait(0.0)
    with hanging() as silent, raw(answers(*[OK] * 9)) as server:
        with engines.pick(name).engine(options) as engine:
            engine.submit(asked(server.url, options))
            collect(engine, 1)
        before = leftovers()
        with engines.pick(name).engine(options) as engine:
            engine.submit(asked(server.url, options))
            collect(engine, 1)
            for _ in range(min(engine.width, 3)):
                engine.submit(asked(silent.url, options))
            time.sleep(0.3)
            began = time.monotonic()
        assert time.monotonic() - began < 2.5
        until = time.monotonic() + 2
        while time.monotonic() < until and not all(
            now <= then for now, then in zip(leftovers(), before, strict=True)
        ):
            time.sleep(0.05)
        threads, children = (now - then for now, then in zip(leftovers(), before, strict=True))
        alive = {thread.name for thread in threading.enumerate() if thread.ident in threads}
        # The server's own threads, and lookups inside getaddrinfo, are not the engine's.
        assert {label for label in alive if "getaddrinfo" not in label and "raw" not in label} == set()
        assert children == set()


def test_parity_with_sequential(name: str, site: str) -> None:
    """The oracle: every parity field equal to what the plain engine says of the same URL."""
    paths = ["/", "/bytes/0", "/bytes/100000", "/gzip/5000", "/deflate/5000", "/br/5000", "/zstd/5000"]
    paths += [
        "/chunked/5000",
        "/status/404",
        "/status/500",
        "/status/204",
        "/redirect/1",
        "/truncated/100",
        "/headers",
    ]
    places = [f"{site}{path}" for path in paths]
    mine, oracle = ask(name, *places), ask("sequential", *places)
    for ours, theirs in zip(mine, oracle, strict=True):
        assert [getattr(ours, key) for key in PARITY] == [getattr(theirs, key) for key in PARITY], ours.url


@pytest.fixture(autouse=True)
def _no_environment_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An engine that reads these would fail every test."""
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9/")
    monkeypatch.setenv("NO_PROXY", "")
    return
