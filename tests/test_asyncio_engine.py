"""The asyncio engine against raw sockets: what it sends, how it reads, when it gives up, what it leaves."""

from __future__ import annotations

import gzip
import os
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
import trustme
from aiohttp.client_proto import ResponseHandler

from fetcher.engines import _aiohttp
from fetcher.engines import asyncio as engine_module
from fetcher.errors import UsageError
from fetcher.model import Options, Request, Result
from fetcher.urls import aim

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Talk = Callable[[socket.socket], None]


@pytest.fixture(params=["uvloop", "plain"])
def loop_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, leaves_nothing: None) -> str:
    """Both loops, and nothing left behind by either."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
        monkeypatch.delenv("FETCH_NO_UVLOOP", raising=False)
    else:
        monkeypatch.setenv("FETCH_NO_UVLOOP", "1")
    return str(request.param)


class Server:
    """Listens on 127.0.0.1 and gives each connection to `talk`, in a thread of its own."""

    def __init__(self, talk: Talk, tls: ssl.SSLContext | None = None, family: int = socket.AF_INET) -> None:
        self.talk = talk
        self.tls = tls
        self.heads: list[bytes] = []
        self.connections = 0
        self.open: set[socket.socket] = set()
        self.threads: list[threading.Thread] = []
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        self.listener.listen(512)
        self.port = self.listener.getsockname()[1]
        scheme, host = "https" if tls else "http", "[::1]" if family == socket.AF_INET6 else "127.0.0.1"
        self.authority = f"{host}:{self.port}"
        self.url = f"{scheme}://{self.authority}"
        self._run(self._accept)

    def _run(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self._run(self._serve, conn)

    def _serve(self, conn: socket.socket) -> None:
        with suppress(OSError):
            if self.tls:
                conn = self.tls.wrap_socket(conn, server_side=True)
            self.open.add(conn)
            self.talk(conn)
        conn.close()
        self.open.discard(conn)

    def head(self, conn: socket.socket) -> bytes:
        """The head of the next request; raises ConnectionError at the end."""
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            byte = conn.recv(1)
            if not byte:
                raise ConnectionError
            data += byte
        self.heads.append(data)
        return data

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for conn in list(self.open):
            with suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)
            assert not thread.is_alive()


@contextmanager
def serving(talk: Callable[[Server, socket.socket], None], **more: object) -> Iterator[Server]:
    """A server that talks like this."""
    server = Server(lambda conn: talk(server, conn), **more)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.close()


def always(*answers: bytes) -> Callable[[Server, socket.socket], None]:
    """Each request on a connection gets the next of these answers; after the last, the connection closes."""

    def talk(server: Server, conn: socket.socket) -> None:
        for answer in answers:
            server.head(conn)
            conn.sendall(answer)

    return talk


def forever(answer: bytes) -> Callable[[Server, socket.socket], None]:
    """Every request gets this answer."""

    def talk(server: Server, conn: socket.socket) -> None:
        while True:
            server.head(conn)
            conn.sendall(answer)

    return talk


def reset(conn: socket.socket) -> None:
    """Close with RST."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def make(url: str, timeout: float = 5.0, **more: object) -> Request:
    """A request for this URL, sent as it is written."""
    request = Request(url=url, timeout=timeout, **more)  # type: ignore[arg-type]
    aim(request, url)
    request.began = time.monotonic()
    return request


def collect(engine: object, count: int, within: float = 10.0) -> list[Result]:
    """So many results."""
    results: list[Result] = []
    until = time.monotonic() + within
    while len(results) < count and time.monotonic() < until:
        results += engine.wait(0.1)  # type: ignore[attr-defined]
    assert len(results) == count
    return results


def fetch(*requests: Request, **options: object) -> list[Result]:
    """These requests, one after the other, through one engine."""
    with engine_module.engine(Options(**options)) as engine:  # type: ignore[arg-type]
        results = []
        for request in requests:
            engine.submit(request)
            results += collect(engine, 1)
        return results


def one(talk: Callable[[Server, socket.socket], None], timeout: float = 5.0, **options: object) -> Result:
    """What becomes of one request to a server that talks like this."""
    with serving(talk) as server:
        return fetch(make(server.url + "/", timeout), **options)[0]


# What is sent.


@pytest.mark.parametrize(
    "target",
    ["/", "/p?", "/p?a=b&c=%e2%82%ac", "/%7E/%e2", "/a|b'c{}^[]", "/a//b/./%2f", "/?q=a+b%20c&&", "/%zz"],
)
def test_the_target_goes_out_byte_for_byte(target: str, loop_kind: str) -> None:
    with serving(always(OK)) as server:
        request = make(server.url + "/")
        request.target = target
        assert fetch(request)[0].status == 200
        assert server.heads[0] == f"GET {target} HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode()


def test_headers_go_out_in_order_and_nothing_is_added(loop_kind: str) -> None:
    headers = (("X-b", "1"), ("accept", "*/*"), ("X-A", " two  words"), ("x-b", "2"), ("X-Latin", "\xe9"))
    with serving(always(OK)) as server:
        fetch(make(server.url + "/", headers=headers))
        lines = [f"{name}: {value}" for name, value in headers]
        assert server.heads[0].decode("latin-1").split("\r\n")[2:-2] == lines


def test_a_body_is_sent_once_with_the_length_it_was_given(loop_kind: str) -> None:
    got = []

    def talk(server: Server, conn: socket.socket) -> None:
        for size in (300_000, 2):
            server.head(conn)
            body = b""
            while len(body) < size:
                body += conn.recv(1 << 16)
            got.append(body)
            conn.sendall(OK)

    with serving(talk) as server:
        bodies = (b"x" * 300_000, b"ab")
        requests = [
            make(server.url + "/", method="POST", data=body, headers=(("Content-Length", str(len(body))),))
            for body in bodies
        ]
        assert [result.reused for result in fetch(*requests)] == [False, True]
        assert got == list(bodies)
        assert all(head.lower().count(b"content-length") == 1 for head in server.heads)


def test_post_without_a_body_gets_no_header_of_aiohttp(loop_kind: str) -> None:
    with serving(always(OK)) as server:
        fetch(make(server.url + "/", method="POST"))
        assert server.heads[0] == f"POST / HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode()


def test_a_line_break_in_a_header_is_not_sent(loop_kind: str) -> None:
    with serving(always(OK)) as server:
        result = fetch(make(server.url + "/", headers=(("X", "a\r\nY: b"),)))[0]
        assert result.error == "invalid_url"
        assert not server.heads


def test_an_answer_before_the_body_was_read_costs_the_connection(loop_kind: str) -> None:
    def talk(server: Server, conn: socket.socket) -> None:
        server.head(conn)
        conn.sendall(OK)
        if len(server.heads) == 1:
            time.sleep(0.3)  # reads no more, so the rest never leaves

    size = 20_000_000
    with serving(talk) as server:
        post = make(
            server.url + "/", method="POST", data=b"x" * size, headers=(("Content-Length", str(size)),)
        )
        first, second = fetch(post, make(server.url + "/"))
        assert (first.error, second.error, second.reused) == (None, None, False)


def test_ipv6_is_asked_with_brackets(loop_kind: str) -> None:
    try:
        server = Server(lambda conn: always(OK)(server, conn), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 loopback here")
    try:
        result = fetch(make(server.url + "/"))[0]
        assert (result.error, result.ip) == (None, "::1")
        assert f"Host: [::1]:{server.port}\r\n".encode() in server.heads[0]
    finally:
        server.close()


# What is read.

GZIPPED = gzip.compress(b"a" * 5000)
CASES: dict[str, tuple[bytes, int | None, str | None, int | None]] = {
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, None, 0),
    "length": (OK, 200, None, 2),
    "until close": (b"HTTP/1.0 200 OK\r\n\r\nabc", 200, None, 3),
    "chunked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200, None, 3),
    "gzip": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(GZIPPED) + GZIPPED,
        200,
        None,
        5000,
    ),
    "cut gzip": (
        b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + GZIPPED[:20],
        200,
        "truncated_encoding",
        None,
    ),
    "103": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, 200, None, 2),
    "error status": (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 503, None, 0),
    "20 kB header": (
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n",
        200,
        None,
        0,
    ),
    "redirect, 9 kB": (
        b"HTTP/1.1 302 Found\r\nLocation: /" + b"y" * 9000 + b"\r\nContent-Length: 0\r\n\r\n",
        302,
        None,
        0,
    ),
    "70 kB header": (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", None, "header_too_large", None),
    "cut body": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", 200, "truncated", None),
    "cut chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        200,
        "truncated",
        None,
    ),
    "cut head": (b"HTTP/1.1 200 OK\r\nContent-", None, "truncated", None),
    "nothing": (b"", None, "no_response", None),
    "no HTTP": (b"SSH-2.0-x\r\n", None, "bad_status_line", None),
    "lone CR": (b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", None, "bad_header", None),
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        None,
        "bad_framing",
        None,
    ),
    "101": (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", None, "bad_framing", None),
}


@pytest.mark.parametrize("name", CASES)
def test_each_answer_is_judged_by_our_reader(name: str, loop_kind: str) -> None:
    answer, status, error, size = CASES[name]
    result = one(always(answer))
    assert (result.status if status else None, result.error, result.size) == (status, error, size)
    assert result.engine == "asyncio"


def test_the_record_says_where_and_how_long(loop_kind: str) -> None:
    with serving(forever(OK)) as server:
        first, second = fetch(make(server.url + "/"), make(server.url + "/"))
        assert server.connections == 1
        assert (first.ip, first.http_version, first.wire_size) == ("127.0.0.1", "1.1", 2)
        assert not first.reused
        assert second.reused
        assert None not in (first.dns, first.connect, first.ttfb)
        assert first.tls is None
        assert (second.dns, second.connect, second.tls) == (None, None, None)
        assert second.ttfb is not None
        assert first.dns + first.connect <= first.ttfb <= first.elapsed


def test_a_body_is_handed_on_as_it_comes(loop_kind: str, tmp_path: Path) -> None:
    size, script = (
        64 << 20,
        """
import resource, sys
from fetcher.engines.asyncio import engine
from fetcher.model import Options, Request
from fetcher.urls import aim
request = Request(url=sys.argv[1], timeout=50)
aim(request, sys.argv[1])
with engine(Options()) as running:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    running.submit(request)
    while not (results := running.wait(1)):
        pass
    print(results[0].size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
""",
    )

    def talk(server: Server, conn: socket.socket) -> None:
        server.head(conn)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 20):
            conn.sendall(b"x" * (1 << 20))

    with serving(talk) as server:
        ran = subprocess.run(
            [sys.executable, "-c", script, server.url + "/"], capture_output=True, text=True, check=True
        )
    got, grown = map(int, ran.stdout.split())
    assert got == size
    assert grown < 16 << 10  # kB


# How connections are kept, and not.


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"surplus",
        b"HTTP/1.1 204 No\r\n\r\nbytes",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_connection_with_surplus_or_close_is_not_used_again(answer: bytes, loop_kind: str) -> None:
    with serving(forever(answer)) as server:
        results = fetch(*[make(server.url + "/") for _ in range(3)])
        assert [(result.error, result.reused) for result in results] == [(None, False)] * 3
        assert server.connections == 3


@pytest.mark.parametrize("idle", ["turning", "standing"])
def test_late_surplus_is_never_the_next_answer(idle: str, loop_kind: str) -> None:
    """While the loop turns it sees the bytes; while it stands, only a look at the socket tells."""

    def talk(server: Server, conn: socket.socket) -> None:
        while b"/good" in server.head(conn):
            conn.sendall(OK)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")
        time.sleep(0.05)
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong")
        conn.recv(1)

    with serving(talk) as server, engine_module.engine(Options()) as engine:
        for _ in range(2):
            engine.submit(make(server.url + "/bad"))
            assert collect(engine, 1)[0].size == 3
            if idle == "turning":
                engine.wait(0.15)
            else:
                time.sleep(0.15)
            engine.submit(make(server.url + "/good"))
            result = collect(engine, 1)[0]
            assert (result.error, result.size, result.reused) == (None, 2, False)
            engine.submit(make(server.url + "/good"))
            assert collect(engine, 1)[0].reused


def test_a_connection_closed_while_idle_is_replaced(loop_kind: str) -> None:
    with serving(always(OK)) as server, engine_module.engine(Options()) as engine:
        for _ in range(5):
            engine.submit(make(server.url + "/"))
            assert collect(engine, 1)[0].error is None
            time.sleep(0.05)
        assert server.connections == 5
        engine.wait(0.1)
        assert not engine.pool._conns  # nothing is kept of what the server has closed


def test_a_request_is_sent_once_when_an_old_connection_ends_unanswered(loop_kind: str) -> None:
    def talk(server: Server, conn: socket.socket) -> None:
        server.head(conn)
        conn.sendall(OK)
        server.head(conn)

    with serving(talk) as server:
        first, second = fetch(make(server.url + "/"), make(server.url + "/"))
        assert (first.error, second.error, second.reused) == (None, "no_response", True)
        assert len(server.heads) == 2


def test_fresh_asks_for_a_new_connection(loop_kind: str) -> None:
    with serving(forever(OK)) as server:
        results = fetch(
            make(server.url + "/"), make(server.url + "/", fresh=True), make(server.url + "/", fresh=False)
        )
        assert [result.reused for result in results] == [False, False, True]
        assert server.connections == 2


def test_idle_connections_are_bounded(loop_kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fetcher.descriptors.idle", lambda _: 4)
    with serving(forever(OK)) as server, engine_module.engine(Options()) as engine:
        for row in range(24):
            request = make(server.url + "/")
            request.authority = f"host{row}:{server.port}"
            engine.resolver.fixed[f"host{row}", server.port] = "127.0.0.1"
            engine.submit(request)
            if row % 8 == 7:  # in batches: several come back in one turn
                assert {result.error for result in collect(engine, 8)} == {None}
                assert len(engine.pool._idle) <= 4
        engine.wait(0.1)
        assert len(server.open) == 4
        assert sum(map(len, engine.pool._conns.values())) == 4


# When it fails.


def test_refused_and_port_0(loop_kind: str, free_port: int) -> None:
    assert fetch(make(f"http://127.0.0.1:{free_port}/"))[0].error == "connect_refused"
    assert fetch(make("http://127.0.0.1:0/"))[0].error == "connect_refused"


def test_names_that_cannot_be(loop_kind: str) -> None:
    long, empty = fetch(make(f"http://{'a' * 64}.invalid/"), make("http://a..invalid/"))
    assert {long.error, empty.error} <= {"invalid_url", "dns_not_found", "dns_temporary"}
    assert None not in (long.error, empty.error)


def test_deny_private_holds_for_addresses_and_names(loop_kind: str) -> None:
    with serving(forever(OK)) as server:
        for host in ("127.0.0.1", "localhost"):
            result = fetch(make(f"http://{host}:{server.port}/"), deny_private=True)[0]
            assert result.error == "blocked_address"
        assert not server.connections


def test_resolve_decides_where_to_connect(loop_kind: str) -> None:
    with serving(forever(OK)) as server:
        pinned = (("made-up.invalid", server.port, "127.0.0.1"),)
        result = fetch(make(f"http://made-up.invalid:{server.port}/"), resolve=pinned)[0]
        assert (result.error, result.ip) == (None, "127.0.0.1")
        assert f"Host: made-up.invalid:{server.port}".encode() in server.heads[0]


def drip(before: bytes, byte: bytes) -> Callable[[Server, socket.socket], None]:
    def talk(server: Server, conn: socket.socket) -> None:
        server.head(conn)
        conn.sendall(before)
        while True:
            conn.sendall(byte)
            time.sleep(0.05)

    return talk


DRIPS = {
    "status line": (b"HTTP/1.1 200 O", b"K", "read_timeout"),
    "head": (b"HTTP/1.1 200 OK\r\nX: ", b"y", "total_timeout"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", b"y", "total_timeout"),
    "chunk extension": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x", b"y", "total_timeout"),
    "silence": (b"", b"", "read_timeout"),
}


@pytest.mark.parametrize("name", DRIPS)
def test_the_limit_holds_against_drips(name: str, loop_kind: str) -> None:
    before, byte, kind = DRIPS[name]
    result = one(drip(before, byte), timeout=0.2)
    assert result.error == kind
    assert 0.2 <= result.elapsed + 0.01 < 1.2


def full_queue() -> tuple[socket.socket, list[socket.socket]]:
    """A listener that takes no more connections: the next one hangs in TCP."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    time.sleep(0.05)
    return listener, fillers


def test_the_connect_limit_is_its_own(loop_kind: str) -> None:
    listener, fillers = full_queue()
    try:
        result = fetch(make(f"http://127.0.0.1:{listener.getsockname()[1]}/"), connect_timeout=0.3)[0]
        assert result.error == "connect_timeout"
        assert 0.3 <= result.elapsed + 0.01 < 1.3
    finally:
        for one_of in (listener, *fillers):
            one_of.close()


def test_after_the_connection_the_connect_limit_counts_no_more(loop_kind: str) -> None:
    def talk(server: Server, conn: socket.socket) -> None:
        server.head(conn)
        time.sleep(0.3)
        conn.sendall(OK)

    assert one(talk, connect_timeout=0.1).error is None


def test_0_is_no_limit(loop_kind: str) -> None:
    def talk(server: Server, conn: socket.socket) -> None:
        server.head(conn)
        time.sleep(0.2)
        conn.sendall(OK)

    with serving(talk) as server:
        assert fetch(make(server.url + "/", 0.0), connect_timeout=0.0)[0].error is None


def test_each_request_has_its_own_limit(loop_kind: str) -> None:
    with serving(drip(b"", b"")) as server, engine_module.engine(Options()) as engine:
        for timeout in (0.3, 0.1, 0.2):
            engine.submit(make(server.url + "/", timeout))
        assert [result.request.timeout for result in collect(engine, 3)] == [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nabc", "reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "reset"),
        (b"", "no_response"),
    ],
)
def test_a_reset_is_no_success(sent: bytes, kind: str, loop_kind: str) -> None:
    def talk(server: Server, conn: socket.socket) -> None:
        server.head(conn)
        conn.sendall(sent)
        time.sleep(0.1)
        reset(conn)

    assert one(talk).error == kind


def test_a_bug_in_a_reader_is_internal_and_the_worker_lives_on(
    loop_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fetcher.readers import count

    def broken(self: object, piece: bytes) -> None:
        raise ZeroDivisionError

    with serving(forever(OK)) as server, engine_module.engine(Options()) as engine:
        with monkeypatch.context() as patch:
            patch.setattr(count._Count, "feed", broken)
            engine.submit(make(server.url + "/"))
            assert collect(engine, 1)[0].error == "internal"
        engine.submit(make(server.url + "/"))
        assert collect(engine, 1)[0].error is None
        assert len(engine._idle) == 1


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def cacert(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def context(authority: trustme.CA, host: str = "127.0.0.1") -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(made)
    return made


def test_tls_is_kept_alive_and_timed(loop_kind: str, authority: trustme.CA, cacert: str) -> None:
    with serving(forever(OK), tls=context(authority)) as server:
        first, second = fetch(make(server.url + "/"), make(server.url + "/"), cacert=cacert)
        assert (first.error, second.error, second.reused) == (None, None, True)
        assert first.tls is not None
        assert first.connect is not None
        assert 0 < first.tls <= first.elapsed
        assert second.tls is None


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("framed", [True, False])
def test_only_a_clean_tls_end_ends_a_body_without_length(
    clean: bool, framed: bool, loop_kind: str, authority: trustme.CA, cacert: str
) -> None:
    answer = b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 3\r\n" if framed else b"") + b"\r\nabc"

    def talk(server: Server, conn: socket.socket) -> None:
        server.head(conn)
        conn.sendall(answer)
        if clean:
            assert isinstance(conn, ssl.SSLSocket)
            with suppress(OSError):
                conn.unwrap()

    with serving(talk, tls=context(authority)) as server:
        result = fetch(make(server.url + "/"), cacert=cacert)[0]
        assert result.error == (None if clean or framed else "truncated")


def test_certificates_are_judged(loop_kind: str, authority: trustme.CA, cacert: str) -> None:
    with serving(forever(OK), tls=context(authority)) as server:
        assert fetch(make(server.url + "/"))[0].error == "tls_unknown_issuer"
        assert fetch(make(server.url + "/"), insecure=True)[0].error is None
    with serving(forever(OK), tls=context(authority, "other.example")) as server:
        assert fetch(make(server.url + "/"), cacert=cacert)[0].error == "tls_hostname"


def test_no_tls_at_all_is_tls_protocol(loop_kind: str) -> None:
    with serving(lambda _, conn: conn.sendall(b"220 mail ready\r\n")) as server:
        assert fetch(make(server.url.replace("http", "https") + "/"))[0].error == "tls_protocol"


def test_a_silent_handshake_is_a_connect_timeout(loop_kind: str) -> None:
    with serving(lambda _, conn: time.sleep(0.3)) as server:
        result = fetch(make(server.url.replace("http", "https") + "/"), connect_timeout=0.2)[0]
        assert result.error == "connect_timeout"


# Proxies.


def tunnel(server: Server, conn: socket.socket) -> None:
    """A proxy that tunnels to where CONNECT says."""
    target = server.head(conn).split()[1].decode()
    host, _, port = target.rpartition(":")
    with socket.create_connection((host, int(port))) as far:
        conn.sendall(b"HTTP/1.1 200 Fine\r\n\r\n")
        while True:
            for ready in select.select([conn, far], [], [], 5)[0]:
                data = ready.recv(1 << 16)
                if not data:
                    return
                (far if ready is conn else conn).sendall(data)


def test_http_through_a_proxy_asks_with_the_whole_url(loop_kind: str) -> None:
    with serving(forever(OK)) as proxy:
        through = f"http://me:pass@{proxy.authority}"
        requests = [make("http://made-up.invalid/p?a|b%7E", headers=(("X", "y"),)) for _ in range(2)]
        assert [result.error for result in fetch(*requests, proxy=through)] == [None, None]
        assert proxy.connections == 1
        assert proxy.heads[0] == proxy.heads[1]
        assert proxy.heads[0] == (
            b"GET http://made-up.invalid/p?a|b%7E HTTP/1.1\r\nHost: made-up.invalid\r\nX: y\r\n"
            b"Proxy-Authorization: Basic bWU6cGFzcw==\r\n\r\n"
        )


def test_https_through_a_proxy_is_tunnelled(loop_kind: str, authority: trustme.CA, cacert: str) -> None:
    with serving(forever(OK), tls=context(authority)) as server, serving(tunnel) as proxy:
        through = f"http://me:pass@{proxy.authority}"
        results = fetch(make(server.url + "/p?"), make(server.url + "/p?"), proxy=through, cacert=cacert)
        assert [(result.error, result.size) for result in results] == [(None, 2)] * 2
        assert results[1].reused
        assert proxy.heads[0].startswith(f"CONNECT {server.authority} HTTP/1.1\r\n".encode())
        assert b"Proxy-Authorization: Basic bWU6cGFzcw==\r\n" in proxy.heads[0]
        assert server.heads[0] == f"GET /p? HTTP/1.1\r\nHost: {server.authority}\r\n\r\n".encode()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Password\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 502 No\r\n\r\n",
        b"rubbish\r\n\r\n",
        b"",
    ],
)
def test_a_proxy_that_refuses_is_proxy_error(answer: bytes, loop_kind: str) -> None:
    with serving(always(answer)) as proxy:
        assert fetch(make("https://made-up.invalid/"), proxy=proxy.url)[0].error == "proxy_error"


def test_no_proxy_there_is_proxy_error(loop_kind: str, free_port: int) -> None:
    for scheme in ("http", "https"):
        result = fetch(make(f"{scheme}://127.0.0.1/"), proxy=f"http://127.0.0.1:{free_port}")[0]
        assert result.error == "proxy_error"


def test_what_is_wrong_behind_the_tunnel_is_not_the_proxys_fault(
    loop_kind: str, authority: trustme.CA
) -> None:
    with serving(forever(OK), tls=context(authority)) as server, serving(tunnel) as proxy:
        assert fetch(make(server.url + "/"), proxy=proxy.url)[0].error == "tls_unknown_issuer"


# Many, and the end.


def test_2000_requests_at_once_64_each_exactly_once(loop_kind: str) -> None:
    with serving(forever(OK)) as server, engine_module.engine(Options()) as engine:
        assert engine.width == 64
        todo = [make(server.url + f"/{row}", row=row) for row in range(2000)]
        results: list[Result] = []
        running = 0
        while len(results) < 2000:
            while todo and running < engine.width:
                engine.submit(todo.pop())
                running += 1
            batch = engine.wait(0.1)
            running -= len(batch)
            results += batch
        assert sorted(result.row for result in results) == list(range(2000))
        assert {result.error for result in results} == {None}
        assert server.connections <= 64
        asked = Counter(head.split()[1] for head in server.heads)
        assert len(asked) == 2000
        assert set(asked.values()) == {1}
        assert len(engine._idle) <= 64


def test_few_requests_make_few_workers(loop_kind: str) -> None:
    with serving(forever(OK)) as server, engine_module.engine(Options(concurrency=5000)) as engine:
        assert engine.width == 5000
        for _ in range(10):
            engine.submit(make(server.url + "/"))
        collect(engine, 10)
        assert len(engine._idle) == 10


def test_waiting_for_nothing_sleeps(loop_kind: str) -> None:
    with engine_module.engine(Options()) as engine:
        began = time.monotonic()
        assert engine.wait(0.2) == []
        assert 0.19 < time.monotonic() - began < 1.2


@pytest.mark.parametrize("turned", [True, False])
def test_cancel_ends_everything_in_flight(turned: bool, loop_kind: str) -> None:
    listener, fillers = full_queue()
    with serving(drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x")) as server, engine_module.engine(Options()) as engine:
        for _ in range(10):
            engine.submit(make(server.url + "/"))
            engine.submit(make(f"http://127.0.0.1:{listener.getsockname()[1]}/"))
        if turned:
            assert engine.wait(0.2) == []
        began = time.monotonic()
        engine.cancel()
        results = collect(engine, 20, within=1.0)
        assert time.monotonic() - began < 1.0
        assert {result.error for result in results} == {"cancelled"}
        assert engine.wait(0.1) == []
        engine.submit(make(server.url + "/", 0.2))  # it still works
        assert collect(engine, 1)[0].error == "total_timeout"
    for one_of in (listener, *fillers):
        one_of.close()


def foreign_threads() -> int:
    """The threads that are none of Python's, as those of libuv; meaningless, but constant, without /proc."""
    return len(list(Path("/proc/self/task").glob("*"))) - threading.active_count()


@pytest.mark.parametrize("turned", [True, False])
def test_leaving_in_flight_leaves_nothing(turned: bool, loop_kind: str) -> None:
    listener, fillers = full_queue()
    hanging = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    foreign = foreign_threads()
    with serving(drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x")) as server:
        with engine_module.engine(Options()) as engine:
            for url in (server.url + "/", hanging, server.url.replace("http", "https") + "/"):
                for _ in range(5):
                    engine.submit(make(url))
            if turned:
                engine.wait(0.2)
            began = time.monotonic()
        assert time.monotonic() - began < 1.0
        until = time.monotonic() + 1  # a thread that ends leaves Python's list first
        while foreign_threads() > foreign and time.monotonic() < until:
            time.sleep(0.01)
        assert foreign_threads() <= foreign
    for one_of in (listener, *fillers):
        one_of.close()


def test_developer_mode_has_nothing_to_say() -> None:
    """Under -X dev, with everything in flight when the engine is left: no warning, no traceback."""
    script = """
import gc, socket, sys
from fetcher.engines.asyncio import engine
from fetcher.model import Options, Request
from fetcher.urls import aim
listener = socket.create_server(("127.0.0.1", 0))
url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
for scheme in ("http", "https"):
    with engine(Options()) as running:
        for _ in range(5):
            request = Request(url=url, timeout=9)
            aim(request, url.replace("http", scheme))
            running.submit(request)
        running.wait(0.2)
listener.close()
gc.collect()
"""
    for no_uvloop in ("0", "1"):
        ran = subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", "-c", script],
            capture_output=True,
            text=True,
            env={**os.environ, "FETCH_NO_UVLOOP": no_uvloop},
            timeout=30,
            check=False,
        )
        # That a turn took over 0.1 s says how busy this machine is, nothing else.
        said = [line for line in ran.stderr.splitlines() if not line.startswith("Executing <")]
        assert (ran.returncode, ran.stdout, said) == (0, "", [])


def test_made_in_one_thread_used_in_another(loop_kind: str) -> None:
    results: list[Result] = []

    def drive() -> None:
        engine.submit(make(server.url + "/"))
        results.extend(collect(engine, 1))

    with serving(forever(OK)) as server, engine_module.engine(Options()) as engine:
        thread = threading.Thread(target=drive)
        thread.start()
        thread.join()
    assert results[0].error is None


def test_another_running_loop_is_not_disturbed(loop_kind: str) -> None:
    """As in a notebook: a loop runs in this thread, the engine in another."""
    import asyncio

    async def main(url: str) -> tuple[list[Result], int]:
        ticks = 0
        work = asyncio.get_running_loop().run_in_executor(None, lambda: fetch(make(url)))
        while not work.done():
            ticks += 1
            await asyncio.sleep(0.01)
        return await work, ticks

    def slow(server: Server, conn: socket.socket) -> None:
        server.head(conn)
        time.sleep(0.3)
        conn.sendall(OK)

    with serving(slow) as server:
        results, ticks = asyncio.run(main(server.url + "/"))
    assert results[0].error is None
    assert ticks > 5


# What of aiohttp is private.


def test_the_private_names_of_aiohttp_are_where_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    with engine_module.engine(Options()) as engine:
        stock = aiohttp.TCPConnector(loop=engine.loop)
        mine = {name for name in vars(engine.pool) if name not in vars(stock)}
        assert mine == {"proxy", "_tls", "_origins", "_most_idle", "_idle", "_wires"}
        assert set(_aiohttp.PRIVATE) - {"_resolve_host"} <= set(vars(stock))
        assert callable(aiohttp.TCPConnector._resolve_host)
        assert stock._conns == {}
        handler = ResponseHandler(engine.loop)
        wire = engine.pool._factory()
        assert isinstance(stock._factory(), ResponseHandler)
        assert handler._parser is None
        added = {"served", "ip", "_lost", "_exchange", "_upload", "_uploaded", "_answer", "_poll"}
        added |= {"_more", "_after", "_early", "_early_end"}
        assert set(vars(wire)) == set(vars(handler)) | added
        assert not added & set(dir(handler))
    lower, upper = _aiohttp.VERSIONS.removeprefix("aiohttp>=").split(",<")
    installed = tuple(map(int, aiohttp.__version__.split(".")[:2]))
    assert tuple(map(int, lower.split("."))) <= installed < tuple(map(int, upper.split(".")))
    monkeypatch.setattr(_aiohttp, "PRIVATE", ("_gone",))
    with pytest.raises(UsageError, match=r"has no _gone.*pip install"), engine_module.engine(Options()):
        pass
