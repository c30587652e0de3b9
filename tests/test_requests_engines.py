"""The engines that stand on requests: each kind of fault, connections, time, and workers that die."""

from __future__ import annotations

import contextlib
import gzip
import multiprocessing
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from fetcher import engines, headers, urls
from fetcher.engines import _requests, processes
from fetcher.errors import Fault, UsageError
from fetcher.feeds.rows import Rows
from fetcher.model import Options, Request, Result
from fetcher.outbox import Outbox
from fetcher.pump import Ready
from fetcher.run import Run
from tests.servers import (
    answers,
    blackhole,
    closed_port,
    hanging,
    proxy,
    raw,
    read_request,
    reset,
    response,
    tls,
)

ROOT = Path(__file__).parents[1]
OK = response(b"ok")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"


def asked(url: str, options: Options, **more: Any) -> Request:
    """A request as the feeds would hand it over."""
    request = Request(url, **more)
    urls.aim(request, urls.wire(url))
    request.headers = headers.sent(request, options)
    request.begin(time.monotonic(), options)
    return request


def collect(engine: engines.Engine, count: int, seconds: float = 20.0) -> list[Result]:
    results: list[Result] = []
    until = time.monotonic() + seconds
    while len(results) < count and time.monotonic() < until:
        results += engine.wait(0.1)
    return results + engine.wait(0.0)


def ask(*places: str, name: str = "sequential", **settings: Any) -> list[Result]:
    """Ask one after the other."""
    options = Options(**{"timeout": 5.0, "connect_timeout": 3.0, **settings})
    results = []
    with engines.pick(name).engine(options) as engine:
        for place in places:
            engine.submit(asked(place, options, method=options.method, data=options.data))
            results += collect(engine, 1)
    assert len(results) == len(places)
    return results


def ask_one(place: str, **settings: Any) -> Result:
    return ask(place, **settings)[0]


# What cannot be reached.


def test_a_full_queue_ends_at_the_connect_limit(leaves_nothing: None) -> None:
    with blackhole() as port:
        result = ask_one(f"http://127.0.0.1:{port}/", connect_timeout=0.5)
    assert result.error == "connect_timeout"
    assert 0.4 < result.elapsed < 1.6


def test_the_attempts_limit_holds_while_connecting() -> None:
    with blackhole() as port:
        result = ask_one(f"http://127.0.0.1:{port}/", timeout=0.5)
    assert result.error == "connect_timeout"
    assert result.elapsed < 1.6


def test_a_dead_address_is_followed_by_the_next() -> None:
    with raw(answers(OK)) as server:
        result = ask_one(f"http://localhost:{server.port}/")  # ::1 is refused, where there is one
    assert result.ok
    assert result.ip == "127.0.0.1"
    assert result.dns is not None
    assert result.connect is not None


def test_addresses_share_the_limit() -> None:
    from fetcher.engines._exchange import Exchange
    from fetcher.engines._network import Attempt, Network

    options = Options(connect_timeout=2.0)
    network = Network(options)
    with raw(answers(OK)) as server, blackhole() as port:
        attempt = Attempt(Exchange(asked(server.url, options), options, "x"), network, threading.Event())
        attempt.exchange.phase = "connect"
        places = tuple((socket.AF_INET, ("127.0.0.1", each)) for each in (port, server.port))
        began = time.monotonic()
        sock, _ = attempt.dial(places)
        sock.close()
        assert 0.9 < time.monotonic() - began < 2.0
    network.close()


def test_a_lookup_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [go.wait(10)][:0])
    result = ask_one("http://slow.test/", connect_timeout=0.5)
    go.set()
    assert result.error == "dns_temporary"
    assert 0.4 < result.elapsed < 1.6


# What breaks off.


def told(script: Any, **settings: Any) -> Result:
    with raw(script) as server:
        return ask_one(server.url, **settings)


def after_request(*then: bytes) -> Any:
    def script(conn: socket.socket, _n: int) -> None:
        read_request(conn)
        for data in then:
            conn.sendall(data)
            time.sleep(0.1)
        reset(conn)

    return script


def test_resets_by_what_had_come() -> None:
    assert told(after_request()).error == "no_response"
    assert told(after_request(b"HTTP/1.1 20")).error == "no_response"
    assert told(after_request(b"HTTP/1.1 200 OK\r\n")).error == "reset"
    assert told(after_request(HEAD + b"123")).error == "reset"
    assert told(after_request(b"HTTP/1.1 200 OK\r\n\r\n123")).error == "reset"


def test_a_connection_that_has_gone_stale_says_so() -> None:
    def script(conn: socket.socket, _n: int) -> None:
        read_request(conn)
        conn.sendall(OK)
        read_request(conn)  # hang up on the second request

    with raw(script) as server:
        first, second, third = ask(*[server.url] * 3)
        assert server.connections == 2
    assert (first.ok, first.reused) == (True, False)
    assert (second.error, second.reused) == ("no_response", True)
    assert (third.ok, third.reused) == (True, False)


def test_an_answer_before_the_body_was_taken() -> None:
    def script(conn: socket.socket, _n: int) -> None:
        conn.recv(1000)
        conn.sendall(response(b"", status="413 Too Much"))
        time.sleep(3)

    result = told(script, method="POST", data=b"x" * 20_000_000)
    assert (result.status, result.error) == (413, None)
    assert result.elapsed < 2.5


UPLOAD = 16_000_000  # more than the buffers of both ends hold
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
TOO_MUCH = response(b"", "Connection: close", status="413 Too Much")


def swallow(conn: socket.socket, size: int = UPLOAD) -> None:
    """Read a request whose body has that size."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += conn.recv(1000)
    size -= len(head.partition(b"\r\n\r\n")[2])
    while size > 0 and (data := conn.recv(1 << 16)):
        size -= len(data)


def busy_at_first(conn: socket.socket, _n: int) -> None:
    time.sleep(0.6)
    swallow(conn)
    conn.sendall(OK)


def speaks_of_progress(conn: socket.socket, _n: int) -> None:
    conn.sendall(INTERIM)
    time.sleep(0.3)
    conn.sendall(INTERIM)
    swallow(conn)
    conn.sendall(OK)


def answers_as_it_reads(conn: socket.socket, _n: int) -> None:
    conn.sendall(OK[:-1])
    time.sleep(0.3)
    swallow(conn)
    conn.sendall(OK[-1:])


def refuses_and_closes(conn: socket.socket, _n: int) -> None:
    # Nagle's algorithm would keep the answer back for an ACK, and closing would then discard it.
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    conn.recv(1000)
    conn.sendall(TOO_MUCH)


def refuses_and_stays(conn: socket.socket, _n: int) -> None:
    conn.recv(1000)
    time.sleep(0.3)
    conn.sendall(INTERIM + TOO_MUCH)
    time.sleep(3)


UPLOADS = {
    busy_at_first: 200,
    speaks_of_progress: 200,
    answers_as_it_reads: 200,
    refuses_and_closes: 413,
    refuses_and_stays: 413,
}


@pytest.mark.parametrize("name", ["sequential", "threads", "processes"])
@pytest.mark.parametrize("secure", [False, True])
def test_what_comes_while_the_body_is_sent(name: str, *, secure: bool) -> None:
    made = tls("good")
    options = Options(timeout=8, method="POST", data=b"x" * UPLOAD, cacert=made.cacert)
    with engines.pick(name).engine(options) as engine:
        for script, status in UPLOADS.items():
            with raw(script, made.context if secure else None) as server:
                engine.submit(asked(server.url, options, method="POST", data=options.data))
                (result,) = collect(engine, 1)
            assert (result.status, result.error) == (status, None), (script, result.message)


def test_what_comes_while_the_body_is_sent_is_judged() -> None:
    def script(answer: bytes) -> Any:
        return lambda conn, _n: (conn.recv(1000), conn.sendall(answer), time.sleep(3))

    posted = {"method": "POST", "data": b"x" * UPLOAD, "timeout": 1.0}
    assert told(script(b"SSH-2.0-OpenSSH_9.2\r\n"), **posted).error == "bad_status_line"
    assert told(script(INTERIM), **posted).error == "total_timeout"
    assert told(script(b""), **posted).error == "read_timeout"

    def ends(conn: socket.socket, _n: int) -> None:
        conn.shutdown(socket.SHUT_WR)
        time.sleep(3)

    assert told(ends, **posted).error == "no_response"


# What fails on this side.


@pytest.mark.parametrize(
    "error",
    [
        EOFError("unexpected EOF"),  # the fork server is gone
        ConnectionResetError(104, "Connection reset by peer"),
        ConnectionRefusedError(111, "Connection refused"),
        BlockingIOError(11, "Resource temporarily unavailable"),  # of fork: no process left
        TimeoutError("timed out"),
        RuntimeError("can't start new thread"),
    ],
)
def test_what_could_not_start_is_nobody_elses_fault(error: Exception) -> None:
    result = _requests.failed(asked("http://a.test/", Options()), error, "processes")
    assert result.error == "local_memory"
    assert str(error) in (result.message or "")


def test_what_could_not_start_keeps_its_reason() -> None:
    request = asked("http://a.test/", Options())
    for error, kind in (
        (OSError(24, "Too many open files"), "local_fd_limit"),
        (Fault("worker_died"), "worker_died"),
        (Fault("cancelled"), "cancelled"),
        (TypeError("cannot pickle"), "internal"),
    ):
        assert _requests.failed(request, error, "processes").error == kind


# TLS.

TLS = {
    "good": None,
    "expired": "tls_expired",
    "not_yet_valid": "tls_expired",
    "self_signed": "tls_self_signed",
    "unknown_issuer": "tls_unknown_issuer",
    "wrong_host": "tls_hostname",
    "client_cert": "tls_client_cert",
    "old_tls": "tls_protocol",
}


@pytest.mark.parametrize("kind", TLS)
def test_tls_kinds(kind: str) -> None:
    made = tls(kind)
    with raw(answers(OK), made.context) as server:
        result = ask_one(server.url, cacert=made.cacert)
    assert result.error == TLS[kind], result.message
    assert (result.tls is not None) == (kind in ("good", "client_cert"))


def test_tls_is_kept_alive_and_may_be_told_not_to_verify() -> None:
    with raw(answers(OK), tls("expired").context) as server:
        first, second = ask(server.url, server.url, insecure=True)
    assert (first.ok, second.ok, second.reused) == (True, True, True)


def test_a_client_certificate() -> None:
    made = tls("client_cert")
    with raw(answers(OK), made.context) as server:
        assert ask_one(server.url, cacert=made.cacert, cert=made.cert).ok


def test_a_ragged_end_cuts_a_body_without_length() -> None:
    made = tls("ragged")

    def script(conn: socket.socket, n: int) -> None:
        read_request(conn)
        conn.sendall(OK if n else b"HTTP/1.1 200 OK\r\n\r\nhalf of it")

    with raw(script, made.context) as server:
        cut, whole = ask(server.url, server.url, cacert=made.cacert)
    assert (cut.error, cut.status, cut.size) == ("truncated", 200, None)
    assert whole.ok


def test_a_clean_end_ends_a_body_without_length() -> None:
    made = tls("good")
    with raw(answers(b"HTTP/1.1 200 OK\r\n\r\nall of it", close=True), made.context) as server:
        assert ask_one(server.url, cacert=made.cacert).size == 9


def test_no_tls_at_all_and_a_silent_handshake() -> None:
    def script(conn: socket.socket, _n: int) -> None:
        conn.recv(9999)
        conn.sendall(response(b"speak TLS", status="400 Bad Request"))

    with raw(script) as server, hanging() as silent:
        plain = server.url.replace("http:", "https:")
        first, second = ask(plain, silent.url.replace("http:", "https:"), connect_timeout=0.5)
    assert first.error == "tls_protocol"
    assert second.error == "connect_timeout"
    with raw(lambda conn, _n: conn.recv(9999)) as server:
        assert ask_one(server.url.replace("http:", "https:")).error in ("tls_other", "connect_reset")


@pytest.mark.parametrize("name", ["sequential", "threads", "processes"])
def test_files_that_cannot_be_used_end_the_run_first(name: str, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    for settings in ({"cacert": str(junk)}, {"cert": str(junk)}, {"cacert": str(tmp_path / "none.pem")}):
        with pytest.raises(UsageError, match="pem"):
            engines.pick(name).engine(Options(**settings))


def test_a_replacement_of_urllib3_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fetcher.engines._network.HTTPConnection", object)
    with pytest.raises(UsageError, match="urllib3-future"):
        engines.pick("threads").engine(Options())


# A proxy.


def test_through_a_proxy() -> None:
    made = tls("good")
    with raw(answers(OK)) as plain, raw(answers(OK), made.context) as secret, proxy("me:p@ss") as between:
        here = f"127.0.0.1:{between.port}"
        first, second = ask(
            plain.url + "a?b", secret.url, proxy=f"http://me:p%40ss@{here}", cacert=made.cacert
        )
        assert between.requests[0].startswith(f"GET {plain.url}a?b HTTP/1.1\r\n".encode())
        assert between.requests[1].startswith(f"CONNECT 127.0.0.1:{secret.port} HTTP/1.1\r\n".encode())
        assert not any(b"roxy-" in request for request in plain.requests + secret.requests)
    assert (first.ok, first.size, second.ok, second.size) == (True, 2, True, 2), (first, second)


def test_a_proxy_that_fails() -> None:
    with proxy("me:secret") as between, closed_port() as port, hanging() as silent:
        here = f"http://127.0.0.1:{between.port}"
        refused, other = ask("https://127.0.0.1:9/", "http://127.0.0.1:9/", proxy=here)
        (gone,) = ask("http://127.0.0.1:9/", proxy=f"http://127.0.0.1:{port}")
        (mute,) = ask("https://127.0.0.1:9/", proxy=silent.url, connect_timeout=0.5)
    assert refused.error == "proxy_error"
    assert "407" in (refused.message or "")
    assert (other.error, other.status) == (None, 407)
    assert gone.error == "proxy_error"
    assert mute.error == "proxy_error"


def test_the_login_of_a_proxy_is_utf_8() -> None:
    login = "jos\u00e9:\u20acuro"
    with raw(answers(OK)) as server, proxy(login) as between:
        for spelled in (login, quote(login, safe=":")):
            (result,) = ask(server.url, proxy=f"http://{spelled}@127.0.0.1:{between.port}")
            assert result.ok, result.status


def test_reading_a_proxy_needs_no_library() -> None:
    code = "import sys, fetcher.engines._proxy; print('urllib3' in sys.modules or 'requests' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, env=environment()
    )
    assert run.stdout == "False\n", run.stderr


@pytest.mark.parametrize("place", ["socks5://127.0.0.1:1080", "https://a:b@p.test", "http://", "http://a:x"])
def test_a_proxy_that_is_none(place: str) -> None:
    with pytest.raises(UsageError, match="--proxy") as caught:
        engines.pick("threads").engine(Options(proxy=place))
    assert "a:b" not in str(caught.value)


# Many hosts, many at once.


def sockets() -> int:
    count = 0
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            count += str(one.readlink()).startswith("socket:")
    return count


def test_connections_to_many_hosts_are_bounded(monkeypatch: pytest.MonkeyPatch, leaves_nothing: None) -> None:
    monkeypatch.setattr(_requests, "KEPT", 3)
    options = Options()
    listener = socket.create_server(("0.0.0.0", 0))
    port = listener.getsockname()[1]
    taken: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                conn, _ = listener.accept()
                taken.append(conn)
                conn.recv(9999)
                conn.sendall(OK)

    server = threading.Thread(target=serve)
    server.start()
    before = sockets()
    with engines.pick("sequential").engine(options) as engine:
        for n in range(1, 41):
            engine.submit(asked(f"http://127.0.1.{n}:{port}/", options))
            assert collect(engine, 1)[0].ok
        kept = sockets() - before - len(taken)
    for conn in taken:
        conn.close()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    server.join()
    assert kept == 3


def test_threads_start_as_the_load_asks(leaves_nothing: None) -> None:
    options = Options(concurrency=32)
    with raw(answers(OK)) as server, engines.pick("threads").engine(options) as engine:
        for _ in range(10):
            engine.submit(asked(server.url, options))
            assert collect(engine, 1)[0].ok
        workers = [one for one in threading.enumerate() if one.name.startswith("fetch-threads")]
    assert 1 <= len(workers) <= 3


def test_one_after_the_other_and_all_at_once() -> None:
    def slow(conn: socket.socket, _n: int) -> None:
        while read_request(conn):
            time.sleep(0.2)
            conn.sendall(OK)

    for name, least, most in (("sequential", 0.75, 3.0), ("threads", 0.15, 0.7)):
        options = Options(concurrency=4)
        with raw(slow) as server, engines.pick(name).engine(options) as engine:
            began = time.monotonic()
            for _ in range(4):
                engine.submit(asked(server.url, options))
            assert len(collect(engine, 4)) == 4
            assert least < time.monotonic() - began < most + 1


@pytest.mark.parametrize("where", ["lookup", "connect", "handshake", "send", "head", "body"])
def test_cancel_is_noticed_everywhere(
    where: str, monkeypatch: pytest.MonkeyPatch, leaves_nothing: None
) -> None:
    go = threading.Event()
    options = Options(timeout=30, method="POST" if where == "send" else "GET")
    with contextlib.ExitStack() as stack:
        if where == "lookup":
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [go.wait(10)][:0])
            place = "http://slow.test/"
        elif where == "connect":
            place = f"http://127.0.0.1:{stack.enter_context(blackhole())}/"
        elif where == "send":
            place = stack.enter_context(raw(lambda _conn, _n: go.wait(10))).url
        elif where == "body":
            place = stack.enter_context(raw(lambda conn, _n: (conn.sendall(HEAD), go.wait(10)))).url
        else:
            place = stack.enter_context(hanging()).url
            place = place.replace("http:", "https:") if where == "handshake" else place
        engine = stack.enter_context(engines.pick("threads").engine(options))
        data = b"x" * 30_000_000 if where == "send" else None
        engine.submit(asked(place, options, method=options.method, data=data))
        assert engine.wait(0.15) == []
        engine.cancel()
        began = time.monotonic()
        (result,) = collect(engine, 1)
        assert time.monotonic() - began < 1.0
        go.set()
    assert result.error == "cancelled"
    assert result.status == (200 if where == "body" else None)


# Workers that die.


def workers(engine: Any) -> list[int]:
    """The process ids of all workers that live."""
    found = [slot._context.worker for slot in engine._slots]
    return [worker.pid for worker in found if worker is not None and worker.is_alive()]


def at_work(engine: Any) -> list[int]:
    """Those of workers at work on a URL that has cost none yet."""
    return [slot._context.worker.pid for slot, job in engine._busy.items() if not job.deaths]


@contextlib.contextmanager
def running(width: int, **settings: Any) -> Iterator[tuple[Any, Options]]:
    options = Options(concurrency=width, timeout=5, **settings)
    with processes.engine(options) as engine:
        yield engine, options


def test_a_killed_worker_costs_no_url(leaves_nothing: None) -> None:
    count = 48

    def script(conn: socket.socket, _n: int) -> None:
        while read_request(conn):
            time.sleep(0.02)
            conn.sendall(OK)

    with raw(script) as server, running(4) as (engine, options):
        waiting = [asked(f"{server.url}{n}", options) for n in range(count)]
        results: list[Result] = []
        flying = 0
        killed: set[int] = set()
        until = time.monotonic() + 30
        while len(results) < count and time.monotonic() < until:
            while waiting and flying < engine.width:
                engine.submit(waiting.pop())
                flying += 1
            batch = engine.wait(0.1)
            flying -= len(batch)
            results += batch
            victims = [pid for pid in at_work(engine) if pid not in killed]
            if len(results) // 8 > len(killed) and victims:
                os.kill(victims[0], signal.SIGKILL)
                killed.add(victims[0])
        assert engine.wait(0.1) == []
    assert len(killed) >= 4
    assert sorted(int(result.url.rpartition("/")[2]) for result in results) == list(range(count))
    assert [result.error for result in results if not result.ok] == []


@pytest.mark.long
@pytest.mark.timeout(180)
@pytest.mark.parametrize("width", [4, 8])
def test_a_worker_killed_every_second(width: int, site: str, leaves_nothing: None) -> None:
    """48 URLs of 3 s each: nothing lost or doubled; only what was hit twice fails, and it says why."""
    places = [f"{site}/delay/3?n={n}" for n in range(48)]
    rng = random.Random(width)
    hits: Counter[str] = Counter()
    options = Options(concurrency=width)
    run = Run(Rows(Ready([("", place) for place in places]), options), "processes", options, Outbox())
    over = threading.Event()

    def kill() -> None:
        while not over.wait(1.0):
            engine: Any = run.engine
            slot, job = rng.choice(list(engine._busy.items()) or [(None, None)])
            if slot is not None and slot._context.worker is not None:
                os.kill(slot._context.worker.pid, signal.SIGKILL)
                hits[job.request.url] += 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        with run:
            results = list(run)
    finally:
        over.set()
        thread.join()
    assert hits.total() >= 48 * 3 // width - 1
    assert sorted(result.url for result in results) == sorted(places)
    for result in results:
        assert result.ok or (result.error == "worker_died" and hits[result.url] >= 2), result


def killer(engine: Any) -> Any:
    """A script that kills the worker that asks for /poison, and answers all others."""

    def script(conn: socket.socket, _n: int) -> None:
        while request := read_request(conn):
            if b"/poison" in request:
                for slot, job in list(engine()._busy.items()):
                    if job.request.url.endswith("/poison"):
                        os.kill(slot._context.worker.pid, signal.SIGKILL)
                return
            conn.sendall(OK)

    return script


@pytest.mark.parametrize(("method", "asks"), [("GET", 2), ("POST", 1)])
def test_what_kills_its_workers(method: str, asks: int, leaves_nothing: None) -> None:
    held: list[Any] = []
    with raw(killer(lambda: held[0])) as server, running(2) as (engine, options):
        held.append(engine)
        engine.submit(asked(f"{server.url}poison", options, method=method))
        engine.submit(asked(server.url, options))
        results = {result.url: result for result in collect(engine, 2)}
        assert results[f"{server.url}poison"].error == "worker_died"
        assert results[f"{server.url}poison"].attempts == asks
        assert results[server.url].ok
        assert sum(b"/poison" in request for request in server.requests) == asks
        engine.submit(asked(server.url, options))
        assert collect(engine, 1)[0].ok, "the pool is whole again"


def test_a_stopped_worker_is_replaced(monkeypatch: pytest.MonkeyPatch, leaves_nothing: None) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.5)
    with raw(answers(OK)) as server, running(1) as (engine, options):
        engine.submit(asked(server.url, options))
        assert collect(engine, 1)[0].ok
        (stopped,) = workers(engine)
        os.kill(stopped, signal.SIGSTOP)
        request = asked(server.url, options)
        request.timeout = 0.5
        began = time.monotonic()
        engine.submit(request)
        (result,) = collect(engine, 1)
        assert result.ok
        assert 0.9 < time.monotonic() - began < 4.0
        assert workers(engine) != [stopped]


def test_a_worker_that_died_at_rest_is_not_held_against_the_next() -> None:
    with raw(answers(OK)) as server, running(1) as (engine, options):
        for _ in range(2):
            engine.submit(asked(server.url, options, method="POST"))
            assert collect(engine, 1)[0].ok
            os.kill(workers(engine)[0], signal.SIGKILL)
            until = time.monotonic() + 2
            while workers(engine) and time.monotonic() < until:
                time.sleep(0.01)


def test_workers_are_started_as_the_load_asks() -> None:
    with raw(answers(OK)) as server, running(8) as (engine, options):
        assert workers(engine) == []
        for _ in range(5):
            engine.submit(asked(server.url, options))
            assert collect(engine, 1)[0].ok
        assert len(workers(engine)) == 1


def test_a_request_begins_when_a_worker_takes_it_up() -> None:
    with raw(answers(OK)) as server, running(1, deadline=60.0) as (engine, options):
        request = asked(server.url, options)
        second = asked(server.url, options, hops=(("http://a.test/", 302),), attempts=1)
        for one in (request, second):
            submitted = time.monotonic()
            before = one.began
            engine.submit(one)
            (result,) = collect(engine, 1)
            assert result.ok
            assert (one.began > submitted) == (one is request), "only with the first attempt"
            assert one.began == before or one is request
            assert 0 < result.elapsed <= time.monotonic() - one.began
            assert one.deadline - one.began == pytest.approx(60.0)


def spent(pid: int) -> float:
    """CPU seconds of a process so far, as its own process_time() would say."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_cpu_of_workers_is_that_of_children() -> None:
    """Killed or not, all have been waited for when the engine is left."""
    bomb = gzip.compress(bytes(200_000_000), 1)
    coded = response(bomb, "Content-Encoding: gzip")
    before = children()
    with raw(answers(coded)) as server, running(2) as (engine, options):
        killed = 0.0
        for turn in range(2):
            for _ in range(2):
                engine.submit(asked(server.url, options, readers=("hash",)))
            assert [result.error for result in collect(engine, 2)] == [None, None]
            if not turn:
                victim = workers(engine)[0]
                killed = spent(victim)
                os.kill(victim, signal.SIGKILL)
                until = time.monotonic() + 2
                while victim in workers(engine) and time.monotonic() < until:
                    time.sleep(0.01)
        theirs = killed + sum(spent(pid) for pid in workers(engine))
        server_of_forks = spent(engine._server._forkserver_pid)
    assert killed > 0.1
    assert 0.95 * theirs < children() - before - server_of_forks < 1.25 * theirs


TO_ALL = {
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
}  # what a terminal or a service manager sends to a group


def those(pid: int, field: str) -> set[signal.Signals]:
    """Those of TO_ALL that a process blocks (SigBlk) or ignores (SigIgn)."""
    (line,) = [one for one in Path(f"/proc/{pid}/status").read_text().split("\n") if field in one]
    return {number for number in TO_ALL if int(line.split()[1], 16) & 1 << number - 1}


def test_the_fork_server_is_deaf_to_ctrl_c_and_its_kin_from_its_start() -> None:
    with raw(answers(OK)) as server, running(1) as (engine, options):
        engine._server.ensure_running()
        assert those(engine._server._forkserver_pid, "SigBlk") == TO_ALL, "while it still imports"
        assert not TO_ALL & signal.pthread_sigmask(signal.SIG_BLOCK, [])
        engine.submit(asked(server.url, options))
        assert collect(engine, 1)[0].ok
        assert those(workers(engine)[0], "SigBlk") == set()
        assert those(workers(engine)[0], "SigIgn") == TO_ALL


def group(leader: int) -> list[str]:
    """The processes of a group that live."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (one / "stat").read_text().rpartition(")")[2].split()
            found += [one.name] if int(words[2]) == leader and words[0] != "Z" else []
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_is_the_main_processs_alone(number: signal.Signals) -> None:
    told = threading.Event()
    came = threading.Semaphore(0)

    def script(conn: socket.socket, _n: int) -> None:
        while read_request(conn):
            came.release()
            told.wait(10)
            time.sleep(0.8)  # a worker that is cancelled sees it twice a second
            conn.sendall(OK)

    with raw(script) as server:
        words = ["-e", "processes", "-c", "2", "--retries", "0", f"{server.url}1", f"{server.url}2"]
        child = subprocess.Popen(
            [sys.executable, "-m", "fetcher", "--no-progress", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=environment(),
        )
        assert came.acquire(timeout=20)
        assert came.acquire(timeout=20)
        os.killpg(child.pid, number)
        told.set()
        out, err = child.communicate(timeout=20)
    assert [line.split()[0] for line in out.splitlines()] == ["200", "200"], out + err
    assert child.returncode == 128 + number
    assert "resource_tracker" not in err
    assert "Traceback" not in err
    until = time.monotonic() + 3
    while (left := group(child.pid)) and time.monotonic() < until:
        time.sleep(0.02)
    assert left == []


def test_workers_share_no_file_that_could_be_left() -> None:
    with raw(answers(OK)) as server, running(1) as (engine, options):
        engine.submit(asked(server.url, options))
        assert collect(engine, 1)[0].ok
        assert "/sem." not in Path(f"/proc/{workers(engine)[0]}/maps").read_text()


# Room for so many threads more: each has a stack of 1 GiB.
FEW_THREADS = """
    import resource, sys, threading
    from pathlib import Path
    from fetcher import engines
    from fetcher.model import Options
    from tests.test_requests_engines import asked, collect
    name, more, url = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    options = Options(concurrency=4, timeout=1.5, retries=0)
    with engines.pick(name).engine(options) as engine:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        threading.stack_size(1 << 30)
        resource.setrlimit(resource.RLIMIT_AS, (used + (more << 30) + (1 << 29),) * 2)
        for n in range(8):
            engine.submit(asked(url, options))
        results = collect(engine, 8)
    print(len(results), *sorted({result.error or str(result.status) for result in results}))
"""


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("processes", 0, "local_memory"),
        ("processes", 1, "local_memory"),  # a worker takes two
        ("processes", 2, "200"),
        ("processes", 3, "200"),
        ("threads", 0, "local_memory"),
        ("threads", 1, "200"),
    ],
)
def test_the_threads_there_are_will_do(name: str, more: int, told: str) -> None:
    def script(conn: socket.socket, _n: int) -> None:
        while read_request(conn):
            time.sleep(0.25)  # eight in a row take longer than --timeout
            conn.sendall(OK)

    with raw(script) as server:
        run = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(FEW_THREADS), name, str(more), server.url],
            capture_output=True,
            text=True,
            timeout=25,
            env=environment(),
        )
    assert (run.stdout, run.stderr) == (f"8 {told}\n", "")


def test_an_executor_whose_thread_dies_costs_no_url(
    monkeypatch: pytest.MonkeyPatch, leaves_nothing: None
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def script(conn: socket.socket, n: int) -> None:
        while read_request(conn):
            if n:
                conn.sendall(OK)

    with raw(script) as server, running(1) as (engine, options):
        engine.submit(asked(server.url, options))
        engine.wait(0.5)
        engine._slots[0]._executor._result_queue.put("what no worker sends")
        began = time.monotonic()
        assert [result.error for result in collect(engine, 1)] == [None]
        assert time.monotonic() - began < 4.0


def test_a_stopped_fork_server_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch, leaves_nothing: None
) -> None:
    """It says no more which worker has ended."""
    monkeypatch.setattr(processes, "GRACE", 0.5)
    with hanging() as silent, raw(answers(OK)) as server, running(1) as (engine, options):
        engine.submit(asked(server.url, options))
        assert collect(engine, 1)[0].ok
        os.kill(workers(engine)[0], signal.SIGSTOP)
        os.kill(engine._server._forkserver_pid, signal.SIGSTOP)
        request = asked(silent.url, options, method="POST")
        request.timeout = 0.5
        engine.submit(request)
        (result,) = collect(engine, 1)
        assert result.error == "worker_died"
        began = time.monotonic()
    assert time.monotonic() - began < 4.0


def test_it_works_in_a_directory_that_was_deleted(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    with raw(answers(OK)) as server:
        run = subprocess.run(
            [sys.executable, "-m", "fetcher", "-q", "-e", "processes", server.url],
            capture_output=True,
            text=True,
            timeout=30,
            cwd=gone,
            env=environment(),
            preexec_fn=gone.rmdir,
        )
    assert run.stdout.startswith("200\t"), run.stdout + run.stderr
    assert (run.returncode, run.stderr) == (0, "")


def in_a_pool() -> str:
    try:
        processes.engine(Options())
    except UsageError as error:
        return str(error)
    return ""


def test_inside_a_worker_of_a_pool_it_says_so() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert "take threads or asyncio" in pool.apply(in_a_pool)
        pool.close()
        pool.join()


def test_cancelled_workers_are_used_again_as_new_ones() -> None:
    with hanging() as silent, raw(answers(OK)) as server, running(2) as (engine, options):
        for _ in range(2):
            engine.submit(asked(silent.url, options))
        engine.wait(0.5)
        os.kill(at_work(engine)[0], signal.SIGSTOP)  # this one cannot even be asked
        engine.cancel()
        began = time.monotonic()
        assert [result.error for result in collect(engine, 2)] == ["cancelled"] * 2
        assert time.monotonic() - began < 2.0
        engine.submit(asked(server.url, options))
        assert collect(engine, 1)[0].ok


def test_leaving_early_leaves_no_process(leaves_nothing: None) -> None:
    with hanging() as silent:
        with running(4) as (engine, options):
            for _ in range(4):
                engine.submit(asked(silent.url, options))
            engine.wait(0.5)
            pids = workers(engine)
            began = time.monotonic()
        assert time.monotonic() - began < 2.0
    assert len(pids) == 4
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


SCRIPT = """
    import sys, time
    from fetcher import engines, urls
    from fetcher.model import Options, Request
    print("started", flush=True)
    options = Options(concurrency=2)
    engine = engines.pick("processes").engine(options)
    with engine as engine:
        for _ in range(2):
            request = Request(sys.argv[1])
            urls.aim(request, urls.wire(request.url))
            request.begin(time.monotonic(), options)
            engine.submit(request)
        results = []
        until = time.monotonic() + 20
        while len(results) < 2 and time.monotonic() < until:
            results += engine.wait(0.1)
            if len(sys.argv) > 2:
                pids = [slot._context.worker.pid for slot in engine._slots]
                print(*pids, engine._server._forkserver_pid, flush=True)
                sys.argv[2:] = []
    print([result.error or result.status for result in results])
"""


FORKING = """
    import os, sys, time
    from fetcher import engines
    from fetcher.model import Options
    from tests.test_requests_engines import asked, collect, workers
    options = Options(concurrency=1)
    with engines.pick("processes").engine(options) as engine:
        engine.submit(asked(sys.argv[1], options))
        collect(engine, 1)
        before = workers(engine)
        stays = os.fork()
        if not stays:
            time.sleep(15)
            os._exit(0)
        goes = os.fork()
        if not goes:
            sys.exit(0)  # through all hooks of an exit
        os.waitpid(goes, 0)
        engine.submit(asked(sys.argv[1], options))
        print(collect(engine, 1)[0].ok, workers(engine) == before)
        began = time.monotonic()
    print(time.monotonic() - began < 3)
    os.kill(stays, 9)
    os.waitpid(stays, 0)
"""


def test_children_that_the_caller_forks_hold_nothing_up(leaves_nothing: None) -> None:
    with raw(answers(OK)) as server:
        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", textwrap.dedent(FORKING), server.url],
            capture_output=True,
            text=True,
            timeout=30,
            env=environment(),
        )
    assert run.stdout == "True True\nTrue\n", run.stdout + run.stderr


HELD = """
    import sys, fetcher
    held = fetcher.fetch(sys.argv[2:], engine=sys.argv[1], timeout=20, concurrency=4)
    print(next(held).status, flush=True)
"""


@pytest.mark.parametrize("name", ["sequential", "threads", "processes"])
def test_a_run_still_held_at_the_exit_ends_at_once(name: str) -> None:
    with raw(answers(OK)) as server, hanging() as silent:
        began = time.monotonic()
        run = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(HELD), name, server.url, *[silent.url] * 3],
            capture_output=True,
            text=True,
            timeout=30,
            env=environment(),
        )
    assert (run.stdout, run.stderr) == ("200\n", "")
    assert time.monotonic() - began < 8


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("how", ["file", "stdin", "-c"])
def test_a_script_needs_no_main_guard(how: str, tmp_path: Path) -> None:
    text = textwrap.dedent(SCRIPT)
    file = tmp_path / "script.py"
    file.write_text(text)
    with raw(answers(OK)) as server:
        words = {"file": [str(file)], "stdin": ["-"], "-c": ["-c", text]}[how]
        run = subprocess.run(
            [sys.executable, *words, server.url],
            input=text if how == "stdin" else "",
            capture_output=True,
            text=True,
            timeout=30,
            cwd=tmp_path,
            env=environment(),
        )
    assert run.stdout == "started\n[200, 200]\n", run.stderr
    assert run.stderr == ""


def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    with hanging() as silent:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SCRIPT), silent.url, "tell"],
            stdout=subprocess.PIPE,
            text=True,
            env={**environment(), "TMPDIR": str(tmp_path)},  # multiprocessing's folder stays there
        )
        with child:
            assert child.stdout is not None
            assert child.stdout.readline() == "started\n"
            pids = child.stdout.readline().split()
            child.kill()
    assert len(pids) == 3
    until = time.monotonic() + 3
    while any(alive(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in pids)


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
