"""What HTTP libraries get wrong, trap by trap: 20 rows that were measured, each held against every engine.

The traps are those of the table "What today's engine libraries get wrong": a test's name and first line say
which row it is. Rows 2, 3 and 7, and what servers do of row 1, are faults of the fault matrix, and named in
test_fault_matrix.py. All go through the whole chain, `fetcher.fetch`; no engine is named here.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import fetcher
from fetcher import engines, urls
from fetcher.engines._exchange import Exchange
from fetcher.errors import KINDS
from fetcher.model import Options, Request, Result
from tests.servers import answers, by_path, raw, read_request, response, tls
from tests.test_framing import REFUSALS

OK = response(b"ok")
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
HOME = Path(fetcher.__file__).parents[1]


@pytest.fixture(autouse=True)
def _no_environment_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that reads these would fail every test."""
    for variable in PROXIES:
        monkeypatch.setenv(variable, "http://127.0.0.1:9/")
    monkeypatch.setenv("NO_PROXY", "")


def run(name: str, asked: Iterable[str | Request], **settings: Any) -> list[Result]:
    """One record for each, in the order of the input; asked one after the other unless told otherwise."""
    settings = {
        "concurrency": 1,
        "retries": 0,
        "timeout": 5.0,
        "connect_timeout": 3.0,
        "hash": True,
    } | settings
    results = sorted(fetcher.fetch(asked, engine=name, **settings), key=lambda result: result.row)
    assert [result.row for result in results] == list(range(1, len(results) + 1))
    assert {result.error for result in results} <= KINDS.keys() - {"internal"} | {None}, [
        result.message for result in results if result.error == "internal"
    ]
    return results


def each(name: str, table: dict[str, Any], **settings: Any) -> list[Result]:
    """What becomes of every path of this table (see `by_path`)."""
    with raw(by_path(table)) as server:
        results = run(name, [server.url[:-1] + path for path in table], **settings)
    assert len(results) == len(table)
    return results


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


BODY = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(200)) * 3


def chunks(body: bytes, size: int = 1000) -> bytes:
    """The body in chunks, without the last one."""
    pieces = (body[n : n + size] for n in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


# Row 1.

EVIL_URLS = [
    *(f"http://{'a' * 64}.test/", "http://a..b/", "http://.a/", "http://[::1", "http://xn--\x80/"),
    *("http://127.0.0.1:99999/", "http://127.0.0.1:-1/", "http://127.0.0.1/\0", "http://127.0.0.1/\udcff"),
    *("http://a b/", "http://127.0.0.1%00/", "http://" + "\u30fb" * 20_000 + "/", "http://", "http://%/"),
]


def test_row_1_urls_that_make_libraries_raise(name: str) -> None:
    """Row 1: a URL gets its record, whatever it is: no UnicodeError, LocationParseError or ValueError."""
    with raw(answers(OK)) as server:
        good = f"http://\U0001f600:p\xe9@127.0.0.1:{server.port}/"  # an emoji in the userinfo is no fault
        results = run(name, [*EVIL_URLS, good])
        assert len(server.requests) == 1
        login = base64.b64encode("\U0001f600:p\xe9".encode())
        assert b"\r\nAuthorization: Basic " + login + b"\r\n" in server.requests[0]
    assert [result.error for result in results] == ["invalid_url"] * len(EVIL_URLS) + [None]
    assert all(result.message for result in results[:-1])


# Rows 4 to 6.


def cut_short(name: str, coding: str, coded: bytes) -> None:
    """Cut anywhere, in framing that is right, it is an error; whole, it is all there."""
    line = f"Content-Encoding: {coding}"
    cuts = sorted({0, 1, 2, len(coded) // 7, len(coded) // 2, len(coded) - 9, len(coded) - 1} - {0})
    table: dict[str, Any] = {}
    for at in cuts:
        part = coded[:at]
        table[f"/length/{at}"] = response(part, line)
        table[f"/chunks/{at}"] = CHUNKED[:-2] + line.encode() + b"\r\n\r\n" + chunks(part) + b"0\r\n\r\n"
        table[f"/close/{at}"] = [HEAD + line.encode() + b"\r\n\r\n" + part]
    results = each(name, table | {"/whole": response(coded, line)})
    whole = results.pop()
    assert (whole.error, whole.size, whole.wire_size, whole.sha256) == (
        None,
        len(BODY),
        len(coded),
        sha256(BODY),
    )
    seen = {(result.error, result.ok, result.size, result.wire_size, result.sha256) for result in results}
    assert seen == {("truncated_encoding", False, None, None, None)}


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_row_4_a_truncated_coding_is_no_success(name: str, coding: str) -> None:
    """Row 4: a compressed body that was cut, in HTTP framing that is whole, is not silently short."""
    if coding == "zstd":
        zstd = pytest.importorskip("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    made = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": lambda body: zstd.compress(body)}
    cut_short(name, coding, made[coding](BODY))


def test_row_5_a_truncated_br_is_no_success(name: str) -> None:
    """Row 5: br too, of which libraries make an empty success."""
    cut_short(name, "br", pytest.importorskip("brotli").compress(BODY))


def test_row_6_gzip_of_gzip_is_decoded_to_the_end(name: str) -> None:
    """Row 6: each layer of gzip is undone, up to five, whether in one line or in many; six are refused."""
    table, coded, wires = {}, BODY, []
    for layers in range(1, 7):
        coded = gzip.compress(coded)
        wires += [len(coded)] * 2
        table[f"/line/{layers}"] = response(coded, "Content-Encoding: " + ", ".join(["gzip"] * layers))
        table[f"/lines/{layers}"] = response(coded, *["Content-Encoding: gzip"] * layers)
    results = each(name, table)
    for result, wire in zip(results[:10], wires, strict=False):
        assert (result.error, result.size, result.wire_size) == (None, len(BODY), wire), result.url
        assert result.sha256 == sha256(BODY), result.url
    assert [(result.error, result.size) for result in results[10:]] == [("too_many_encodings", None)] * 2


# Rows 8 and 9.


def test_row_8_early_hints_are_not_the_answer(name: str) -> None:
    """Row 8: what follows a 103 (or any other interim response but 101) is the answer, body and all."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    going = b"HTTP/1.1 100 Continue\r\n\r\n"
    many = b"HTTP/1.1 102 Processing\r\n\r\n"
    answer = response(BODY, "Content-Type: text/plain")
    table: dict[str, Any] = {
        "/hints": hints + answer,
        "/twice": hints * 2 + answer,
        "/all": going + many * 20 + hints + answer,
        "/apart": [hints, hints, answer],
        "/none": [hints],  # and then nothing
    }
    *results, none = each(name, table)
    for result in results:
        seen = (result.status, result.size, result.content_type, result.sha256, result.attempts)
        assert seen == (200, len(BODY), "text/plain", sha256(BODY), 1), result.url
    assert (none.ok, none.size) == (False, None)
    assert none.error is not None


def test_row_9_long_headers_and_locations_are_read(name: str) -> None:
    """Row 9: one header of 20 kB and a Location of 9 kB are nothing unusual; the limit is 64 KiB a line."""
    far = "/" + "a" * 9000
    table = {f"/{size}": response(b"ok", f"X: {'x' * size}") for size in (8187, 8190, 8192, 20_000, 60_000)}
    table["/over"] = response(b"ok", f"X: {'x' * 70_000}")
    table["/moved"] = response(b"", f"Location: {far}", status="302 Found")
    *large, over, moved = each(name, {**table, far: response(BODY)})[:-1]
    assert [(result.error, result.status, result.size) for result in large] == [(None, 200, 2)] * len(large)
    assert over.error == "header_too_large"
    assert (moved.error, moved.status, moved.sha256, len(moved.redirects)) == (None, 200, sha256(BODY), 1)
    assert (moved.final_url or "").endswith(far)


# Rows 10 and 11.


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("after", [0.0, 0.002])
def test_row_10_silently_closed_connections_cost_nothing(name: str, concurrency: int, after: float) -> None:
    """Row 10: 200 connections that are closed after their answer: 0 false failures, each is asked once.

    `after` is how much later they are closed: so the next request is sometimes on its way already.
    """

    def script(conn: socket.socket, _n: int) -> None:
        path = read_request(conn).split(b" ", 2)[1:2]
        if path:
            conn.sendall(response(path[0]))
            time.sleep(after)

    with raw(script) as server:
        asked = [f"{server.url}{n}" for n in range(200)]
        results = run(name, asked, concurrency=concurrency)
        paths = sorted(int(request[5:].split(b" ", 1)[0]) for request in server.requests)
    assert [result.error for result in results] == [None] * 200
    assert [result.sha256 for result in results] == [sha256(b"/%d" % n) for n in range(200)]
    assert {result.attempts for result in results} == {1}
    assert paths == list(range(200))  # as many as were asked: none was repeated


class Surplus:
    """A server whose every answer has a whole other one behind it; `turns` waits until that was sent.

    So many requests must be there before any is answered: then each has a connection of its own.
    """

    def __init__(self, together: int = 1) -> None:
        self.together = together
        self.there = threading.Barrier(together, timeout=10)
        self.sent = threading.Semaphore(0)

    def body(self, n: int) -> bytes:
        return b"%d" % n if n % 3 else BODY * 10  # the surplus of a long one comes in another read

    def script(self, conn: socket.socket, _n: int) -> None:
        while request := read_request(conn):
            n = int(request[5:].split(b" ", 1)[0])
            self.there.wait()
            right, wrong = response(self.body(n)), response(b"wrong")
            if n % 2:
                conn.sendall(right + wrong)
            else:
                conn.sendall(right)
                time.sleep(0.002)  # when the answer has been read
                with suppress(OSError):  # an engine that closes at once is right as well
                    conn.sendall(wrong)
            self.sent.release()

    def turns(self, url: str, count: int, pause: float) -> Iterator[str]:
        for n in range(count):
            if n and n % self.together == 0:
                for _ in range(self.together):
                    assert self.sent.acquire(timeout=10)
                time.sleep(pause)
            yield f"{url}{n}"


@pytest.mark.parametrize(
    ("pause", "count"), [(0.0, 20), (0.05, 20), (0.2, 6), pytest.param(0.2, 20, marks=pytest.mark.long)]
)
def test_row_11_surplus_is_never_the_next_answer(name: str, pause: float, count: int) -> None:
    """Row 11: bytes behind a response are not the next URL's body, however long the connection was idle."""
    surplus = Surplus()
    with raw(surplus.script) as server:
        results = run(name, surplus.turns(server.url, count, pause))
        assert len(server.requests) == count
    assert [result.sha256 for result in results] == [sha256(surplus.body(n)) for n in range(count)]
    assert {(result.error, result.attempts) for result in results} == {(None, 1)}


@pytest.mark.parametrize(
    ("concurrency", "count"),
    [(16, 320), *(pytest.param(*one, marks=pytest.mark.long) for one in ((1, 1000), (16, 1008)))],
)
def test_row_11_a_thousand_answers_with_surplus(name: str, concurrency: int, count: int) -> None:
    """Row 11: the same for a thousand; and 16 at once, on as many connections, again and again.

    One step of libcurl may end an answer and begin the next request on its connection, unheard of by us.
    """
    concurrency = min(concurrency, engines.pick(name).CONCURRENCY)  # some have one slot
    surplus = Surplus(concurrency)
    with raw(surplus.script) as server:
        results = run(name, surplus.turns(server.url, count, 0.002), concurrency=concurrency)
        assert len(server.requests) == count
    assert [result.sha256 for result in results] == [sha256(surplus.body(n)) for n in range(count)]
    assert {(result.error, result.attempts) for result in results} == {(None, 1)}


# Rows 12 and 13.


def test_row_12_port_0_is_refused_and_not_taken_for_80(name: str) -> None:
    """Row 12: `http://127.0.0.1:0/` is refused; nobody connects to port 80 instead."""
    with socket.socket() as eighty:
        eighty.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # not everyone may listen there; then the message tells
            eighty.bind(("127.0.0.1", 80))
            eighty.listen()
        table = {"/": response(b"", "Location: http://127.0.0.1:0/x", status="301 Moved")}
        results = run(
            name, ["http://127.0.0.1:0/", "http://127.0.0.1:00/", "http://localhost:0/p?q"], timeout=2
        )
        (hop,) = each(name, table, timeout=2)
    assert [result.error for result in (*results, hop)] == ["connect_refused"] * 4
    assert all("port 0" in (result.message or "") for result in (*results, hop))


STARVING = """
import json, os, resource, sys, threading
from pathlib import Path
import fetcher

SOFT, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)
name, port = sys.argv[1:]


def family(pid):
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            yield child
            yield from family(child)


def starve(pids, room):
    "So many more files may each of these open."
    for pid in pids:
        used = {int(one) for one in os.listdir(f"/proc/{pid}/fd") if os.path.exists(f"/proc/{pid}/fd/{one}")}
        free = [number for number in range(len(used) + 9) if number not in used]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[room], HARD))


def rows(room, results):
    def wait(count):
        with results:
            assert results.wait_for(lambda: len(results.seen) >= count, 20)

    yield f"http://127.0.0.1:{port}/"  # so all that an engine starts, it has started
    wait(1)
    pids = [*family(os.getpid()), os.getpid()]
    starve(pids, room)
    yield from [f"http://localhost:{port}/"] * 3
    wait(4)
    for pid in reversed(pids):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (SOFT, HARD))
    yield f"http://localhost:{port}/"


for room in range(4):
    results = threading.Condition()
    results.seen = []
    for result in fetcher.fetch(rows(room, results), engine=name, concurrency=1, retries=int(not room)):
        with results:
            results.seen.append((result.error, result.message))
            results.notify()
    print(json.dumps(results.seen), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit and /proc")
def test_row_13_no_descriptor_left_is_not_an_unknown_name(name: str, tmp_path: Path) -> None:
    """Row 13: a lookup that fails because no file can be opened says so; live hosts are not `dns_*`."""
    script = tmp_path / "starving.py"
    script.write_text(STARVING)
    with raw(answers(OK)) as server:
        ended = subprocess.run(
            [sys.executable, script, name, str(server.port)],
            env=os.environ | {"PYTHONPATH": str(HOME)},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    told = [[error for error, _ in json.loads(line)] for line in ended.stdout.splitlines()]
    assert len(told) == 4
    assert told[0] == [None, *["local_fd_limit"] * 3, None]  # none left: and all is well once there are
    for kinds in told[1:]:
        assert [kinds[0], kinds[-1]] == [None, None]
        assert set(kinds) <= {None, "local_fd_limit"}


# Rows 14 and 15.

SECRETS = {"x-api-key", "x-trace", "authorization", "cookie", "proxy-authorization"}
CODES = (301, 302, 303, 307, 308)


class Seen(NamedTuple):
    """The requests that came behind a redirect: to the same origin, and to others."""

    same: list[bytes]
    other: list[bytes]


def redirected(name: str, login: str = "", **settings: Any) -> Seen:
    """Ask for a redirect of every status to every other origin, and to the same one."""

    def script(conn: socket.socket, _n: int) -> None:
        while request := read_request(conn):
            path = request.split(b" ", 2)[1].decode()
            if path.startswith("/end"):
                conn.sendall(OK)
                continue
            _, code, where = path.split("/")
            place = f"{places[where]}/end/{where}"
            cookies = ("Set-Cookie: chain=s3cret", "Set-Cookie: wide=s3cret; Domain=localhost; Path=/")
            conn.sendall(response(b"", f"Location: {place}", *cookies, status=f"{code} Moved"))

    kind = tls("good")
    with raw(script) as one, raw(script) as two, raw(script, kind.context) as safe:
        start, safe_start = f"http://localhost:{one.port}", f"https://localhost:{safe.port}"
        places = {
            "same": start,
            "host": f"http://127.0.0.1:{one.port}",
            "port": f"http://localhost:{two.port}",
            "up": safe_start,
            "down": start,
            "safe-host": f"https://127.0.0.1:{safe.port}",
        }
        froms = dict.fromkeys(places, start) | {"down": safe_start, "safe-host": safe_start}
        asked = [
            f"{site}/{code}/{where}".replace("://", f"://{login}@" if login else "://")
            for where, site in froms.items()
            for code in CODES
        ]
        # Every place is local: names and certificates are those of the servers here.
        fixed = tuple(("localhost", server.port, "127.0.0.1") for server in (one, two, safe))
        results = run(name, asked, resolve=fixed, cacert=kind.cacert, **settings)
        assert [(result.error, result.attempts) for result in results] == [(None, 2)] * len(asked)
        ends = [request for server in (one, two, safe) for request in server.requests if b"/end/" in request]
    assert len(ends) == len(asked)
    same = [request for request in ends if b"/end/same " in request]
    return Seen(same, [request for request in ends if request not in same])


def carries(request: bytes) -> set[str]:
    """Which fields of this request are nobody else's business."""
    fields = request.split(b"\r\n")[1:]
    return {field.partition(b":")[0].strip().decode().lower() for field in fields} & SECRETS


def nothing_leaked(seen: Seen, *secrets: bytes) -> None:
    assert len(seen.other) == 5 * len(CODES)
    assert len(seen.same) == len(CODES)
    for request in seen.other:
        assert carries(request) == set(), request
        assert not any(secret in request for secret in (b"s3cret", *secrets)), request
        assert b"\r\nUser-Agent: mine\r\n" in request  # it always travels


def test_row_14_own_headers_stay_at_their_origin(name: str) -> None:
    """Row 14: on a redirect to another scheme, host or port, the user's own headers are not sent."""
    own = (("X-Api-Key", "s3cret"), ("X-Trace", "s3cret-1"), ("x-trace", "s3cret-2"))
    seen = redirected(name, header=(*own, ("Authorization", "Bearer s3cret")), user_agent="mine")
    nothing_leaked(seen)
    for request in seen.same:  # else there was nothing to leak
        assert carries(request) == {"x-api-key", "x-trace", "authorization", "cookie"}
        assert request.count(b"s3cret-") == 2


@pytest.mark.parametrize("how", ["userinfo", "auth", "cookie"])
def test_row_15_cookies_and_logins_stay_at_their_origin(name: str, how: str) -> None:
    """Row 15: nor are cookies (the user's or the server's), the URL's userinfo and --auth."""
    login = {"userinfo": "me:pa%20ss", "auth": "", "cookie": ""}[how]
    more = {"userinfo": {}, "auth": {"auth": "me:pa ss"}, "cookie": {"header": (("Cookie", "mine=s3cret"),)}}[
        how
    ]
    seen = redirected(name, login, user_agent="mine", **more)
    coded = base64.b64encode(b"me:pa ss")
    nothing_leaked(seen, coded, b"pa%20ss", b"pa ss")
    for request in seen.same:
        assert b"chain=s3cret" in request
        assert carries(request) == ({"cookie"} if how == "cookie" else {"cookie", "authorization"})
        assert (b"mine=s3cret" in request) is (how == "cookie")
        assert (b"Basic " + coded in request) is (how != "cookie")


# Row 16.

LOOPBACKS = (
    "2130706433",
    "0x7f.1",
    "127.1",
    "0177.0.0.1",
    "0x7f000001",
    "017700000001",
    "127.0.1",
    "127.0.0.1.",
)


def test_row_16_odd_spellings_of_an_address_are_that_address(name: str) -> None:
    """Row 16: 2130706433 and 0x7f.1 are 127.0.0.1, to whoever connects and to whoever forbids it."""
    with raw(by_path({"/": OK, "/to": response(b"", "Location: //2130706433/", status="302 x")})) as server:
        places = [f"http://{host}:{server.port}/" for host in LOOPBACKS]
        results = run(name, places)
        assert {request.split(b"\r\n")[1] for request in server.requests} == {
            f"Host: 127.0.0.1:{server.port}".encode()
        }
        before = server.connections
        refused = run(name, places, deny_private=True)
        assert server.connections == before
    assert [(result.error, result.ip, result.final_url) for result in results] == [
        (None, "127.0.0.1", f"http://127.0.0.1:{server.port}/")
    ] * len(LOOPBACKS)
    assert [result.error for result in refused] == ["blocked_address"] * len(LOOPBACKS)


# Rows 17 and 18.


def web(corpora: Path) -> Iterator[tuple[str, str, str]]:
    """Absolute http cases of WHATWG with a name in them, as (input, host, path and query on the wire)."""
    for case in json.loads((corpora / "url" / "urltestdata.json").read_text("utf-8")):
        if not isinstance(case, dict) or case.get("failure") or case.get("protocol") != "http:":
            continue
        text, host, bare = case["input"], case["hostname"], case["href"].partition("#")[0]
        given = re.fullmatch(
            r"http:[/\\]*(?:[^/\\?#]*@)?" + re.escape(host) + r"(?=[/\\?#]|$)(.*)", text, re.DOTALL
        )
        if case["base"] or not given or urls.CONTROLS.search(text) or ".." in host or host == ".":
            continue
        if host.endswith(".") or not re.search("[a-z]", host):
            continue
        yield text, host, case["pathname"] + (case["search"] or ("?" if bare.endswith("?") else ""))


def test_row_17_urls_go_out_as_whatwg_writes_them(name: str, corpora: Path) -> None:
    """Row 17: request target and Host on the wire are those of the WHATWG href, byte for byte."""
    cases = list(web(corpora))
    assert len(cases) >= 60
    with raw(answers(OK)) as server:
        port = server.port
        # Nobody here may listen at port 80: the port is put behind the host, in the input as in the href.
        asked = [placed(text, host, port) for text, host, _ in cases]
        hosts = {host for _, host, _ in cases}
        results = run(name, asked, resolve=tuple((host, port, "127.0.0.1") for host in hosts))
        lines = [request.split(b"\r\n")[:2] for request in server.requests]
    assert [result.error for result in results] == [None] * len(cases)
    assert [line.decode() for pair in lines for line in pair] == [
        line for _, host, target in cases for line in (f"GET {target} HTTP/1.1", f"Host: {host}:{port}")
    ]
    assert [result.final_url for result in results] == [f"http://{host}:{port}{at}" for _, host, at in cases]


def placed(text: str, host: str, port: int) -> str:
    """The input with this port behind its host."""
    start = re.match(r"http:[/\\]*(?:[^/\\?#]*@)?" + re.escape(host), text)
    assert start is not None
    return f"{start[0]}:{port}{text[start.end() :]}"


def robots_cases(corpora: Path) -> Iterator[tuple[bytes, str, bool]]:
    """Google's cases that are about `FooBot`, told of us: (robots.txt, path, allowed)."""
    ours = re.compile(rb"(?i)(?<![a-z0-9_/-])foobot(?![a-z_-])")
    for case in json.loads((corpora / "robots" / "google_rep_cases.json").read_text("utf-8"))["cases"]:
        coded = case.get("robotstxt_b64")
        data = base64.b64decode(coded) if coded else case["robotstxt"].encode()
        # A URL goes out in ASCII: cases with other letters in it are about parsers alone.
        match = re.fullmatch(r"https?://[a-z.]+(/[!-~]*)", case["url"])
        if case["google_specific"] or case["user_agent"].lower() != "foobot" or not match:
            continue
        if b"fetch" in data.lower() or match[1].startswith("/robots.txt"):
            continue
        yield ours.sub(b"fetch", data), match[1], case["allowed"]


@pytest.mark.parametrize("most", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_row_18_robots_are_obeyed_as_google_does(name: str, corpora: Path, most: int) -> None:
    """Row 18: a sample of Google's RFC 9309 cases, each a site of its own: what is forbidden is not asked."""
    cases = list(robots_cases(corpora))
    assert len(cases) > 200
    cases = cases[:: max(len(cases) // most, 1)]

    def script(conn: socket.socket, _n: int) -> None:
        while request := read_request(conn):
            number = re.search(rb"\r\nHost: n(\d+)\.test:", request)
            assert number is not None
            is_robots = request.startswith(b"GET /robots.txt ")
            conn.sendall(response(cases[int(number[1])][0], "Content-Type: text/plain") if is_robots else OK)

    with raw(script) as server:
        hosts = [f"n{n}.test" for n in range(len(cases))]
        fixed = tuple((host, server.port, "127.0.0.1") for host in hosts)
        asked = [
            f"http://{host}:{server.port}{path}" for host, (_, path, _) in zip(hosts, cases, strict=True)
        ]
        results = run(name, asked, robots=True, resolve=fixed, concurrency=4)
        robots = sum(request.startswith(b"GET /robots.txt ") for request in server.requests)
        assert robots == len(cases)
        assert len(server.requests) - robots == sum(allowed for *_, allowed in cases)
    wrong = [
        (data, path, allowed, result.error)
        for (data, path, allowed), result in zip(cases, results, strict=True)
        if result.error != (None if allowed else "robots_denied")
    ]
    assert wrong == []
    assert 0 < sum(allowed for *_, allowed in cases) < len(cases)


# Rows 19 and 20: odd responses.

PARITY = ("ok", "status", "error", "size", "wire_size", "content_type", "encoding", "sha256")
LIMITS = Options(timeout=10.0, max_redirects=0, hash=True)


class Odd(NamedTuple):
    """One odd response, in the parts it is sent in; `valid`: what RFC and browsers can make sense of."""

    id: str
    parts: list[bytes]
    valid: bool = False


def odd_cases(corpora: Path) -> tuple[list[Odd], bytes]:
    """The corpus of odd responses, and the body of those that are valid."""
    found = json.loads((corpora / "http_responses" / "dubious_http.json").read_text("utf-8"))
    cases = []
    for case in found["cases"]:
        valid = case["validity"] not in ("invalid", "uncommon-invalid") and case["id"] not in REFUSALS
        cases.append(Odd(case["id"], [base64.b64decode(part) for part in case["parts_b64"]], valid))
    return cases, found["expected_body"].encode()


def judged(data: bytes) -> Result:
    """What the one judge makes of these bytes and the close behind them, without an engine."""
    request = Request("http://judge.test/", readers=("count", "hash"))
    urls.aim(request, request.url)
    exchange = Exchange(request, LIMITS, "judge")
    exchange.phase = "sent"
    try:
        for _ in exchange.feed(data) or ():
            pass
        if not exchange.done:
            exchange.eof()
    except Exception as error:  # as an engine does
        return exchange.failed(error)
    return exchange.result()


def facts(result: Result) -> tuple[Any, ...]:
    return tuple(getattr(result, key) for key in PARITY)


def ask_odd(name: str, cases: list[Odd], *, fresh: bool, concurrency: int = 1) -> list[Result]:
    """What becomes of these cases; between any two of them one plain answer, which must be its own."""
    plain = {f"/plain/{n}": response(b"plain %d" % n) for n in range(len(cases))}
    odd = {f"/odd/{n}": case.parts for n, case in enumerate(cases)}
    with raw(by_path({**plain, **odd})) as server:
        paths = [path for pair in zip(plain, odd, strict=True) for path in pair]
        asked = [
            Request(
                server.url[:-1] + path, readers=("count", "hash"), fresh=fresh and path.startswith("/odd")
            )
            for path in paths
        ]
        results = run(name, asked, concurrency=concurrency, timeout=LIMITS.timeout, max_redirects=0)
    assert len(results) == 2 * len(cases)
    assert [result.sha256 for result in results[::2]] == [sha256(b"plain %d" % n) for n in range(len(cases))]
    assert {result.attempts for result in results} == {1}
    assert max(result.elapsed for result in results) < LIMITS.timeout  # no hang
    return results[1::2]


def never_cut(results: Iterable[Result]) -> None:
    """A success has all the bytes that its length promised; a failure has no size."""
    for result in results:
        if result.error is not None:
            assert (result.size, result.wire_size, result.sha256) == (None, None, None), result.url
        elif (
            result.content_length is not None
            and not any(key.lower() == "transfer-encoding" for key, _ in result.fields)
            and result.status not in (204, 304)
        ):
            assert result.wire_size == result.content_length, result.url


def odd_responses(name: str, corpora: Path, count: int, *, fresh: bool) -> None:
    cases, body = odd_cases(corpora)
    assert len(cases) == 805
    cases = [cases[n * 805 // count] for n in range(count)]
    results = ask_odd(name, cases, fresh=fresh, concurrency=4 if fresh else 1)
    never_cut(results)
    for case, result in zip(cases, results, strict=True):
        if case.valid:
            assert (result.error, result.size, result.sha256) == (None, len(body), sha256(body)), case.id
        assert result.error == REFUSALS.get(case.id, result.error), case.id
    differing = {
        case.id: (facts(result), wanted)
        for case, result in zip(cases, results, strict=True)
        if facts(result) != (wanted := facts(judged(b"".join(case.parts))))
    }
    assert differing == {}


@pytest.mark.parametrize("count", [120, pytest.param(805, marks=pytest.mark.long)])
def test_row_19_odd_responses_on_fresh_connections(name: str, corpora: Path, count: int) -> None:
    """Row 19: on 452 of 1,220 odd responses the libraries disagree; here every engine says the same."""
    odd_responses(name, corpora, count, fresh=True)


@pytest.mark.parametrize("count", [120, pytest.param(805, marks=pytest.mark.long)])
def test_row_20_odd_responses_through_one_session(name: str, corpora: Path, count: int) -> None:
    """Row 20: and the same again when all go through one pooled session, whose connections grow stale."""
    odd_responses(name, corpora, count, fresh=False)
