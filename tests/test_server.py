"""The embedded test site, asked over real sockets: what it promises is what other tests build on."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from fetcher.server import Base, faults, pages, raw
from fetcher.server import site as start

Ask = Callable[..., http.client.HTTPResponse]


@contextmanager
def connected(base: str, *said: bytes) -> Iterator[socket.socket]:
    """A connection to the site on which these bytes have been sent."""
    with socket.create_connection(("127.0.0.1", int(base.rsplit(":", 1)[1])), timeout=10) as conn:
        for one in said:
            conn.sendall(one)
        yield conn


def rest(conn: socket.socket) -> bytes:
    """All that comes until the site hangs up."""
    return b"".join(iter(lambda: conn.recv(1 << 20), b""))


def get(base: str, path: str, method: str = "GET", **more) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=20)
    try:
        connection.request(method, path, **more)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def request(path: str, *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: x", *fields, "", ""]).encode()


@pytest.mark.parametrize("size", [0, 1, 100, 65_536, 65_537, 2 << 20, (2 << 20) + 1, 20_000_000])
def test_bytes_are_as_many_as_asked_for(site: str, size: int) -> None:
    response, body = get(site, f"/bytes/{size}")
    assert response.status == 200
    assert response.getheader("Content-Length") == str(size) == str(len(body))
    again = get(site, f"/bytes/{size}?other=1")[1]
    assert body == again, "the same bytes each time"
    response, slow = get(site, f"/bytes/{size}", "POST", body=b"x")
    assert body == slow, "the same bytes from both halves of the server"


HEADS = [
    *("/bytes/0", "/bytes/10", "/bytes/5000000", "/delay/0/7", "/status/200", "/status/204", "/status/304")
]
HEADS += [
    "/status/404",
    "/",
    "/gzip/3000",
    "/gzip/3000000",
    "/chunked/30",
    "/drip?duration=0",
    "/truncated/9",
]
HEADS += ["/help", "/redirect/2", "/robots.txt", "/headers", "/anything", "/cookies", "/no/such/page"]


@pytest.mark.parametrize("path", HEADS)
def test_head_is_get_without_a_body(site: str, path: str) -> None:
    twice = request(path, method="HEAD") + request("/bytes/3", "Connection: close")
    with connected(site, twice) as conn:
        both = rest(conn)
    first, second, body = both.split(b"\r\n\r\n")  # a body would be in the way
    assert body == b"5fe"
    assert second.startswith(b"HTTP/1.1 200")
    with connected(site, request(path, "Connection: close")) as conn:
        whole = rest(conn)
    assert first.split(b"\r\n")[0] == whole.split(b"\r\n")[0]
    if path not in {"/headers", "/anything"}:  # these say how they were asked
        length = re.search(rb"(?i)content-length: \d+", whole.split(b"\r\n\r\n")[0])
        assert (length[0].lower() if length else b"") in first.lower()


@pytest.mark.parametrize(
    "paths",
    [
        ["/bytes/3", "/bytes/50000", "/status/404"],
        ["/bytes/10", "/help", "/bytes/20", "/delay/0.05/30", "/", "/status/204", "/bytes/40"],
        ["/delay/0.1/3", "/bytes/4", "/delay/0.05/5", "/cookies", "/bytes/6"],
        ["/bytes/3000000", "/bytes/1", "/bytes/2500000", "/gzip/100", "/bytes/2"],
    ],
)
@pytest.mark.parametrize("cut", [0, 1, 7])
def test_pipelined_requests_are_answered_in_order(site: str, paths: list[str], cut: int) -> None:
    alone = [get(site, path)[1] for path in paths]
    said = b"".join(request(path) for path in paths)
    pieces = [said[at : at + cut] for at in range(0, len(said), cut)] if cut else [said]
    with connected(site, *pieces) as conn:
        bodies = []
        file = conn.makefile("rb")
        for _ in paths:
            bodies.append(one_body(file))
        file.close()
    assert [len(body) for body in bodies] == [len(body) for body in alone]
    assert bodies == alone


def one_body(file) -> bytes:
    """The body of the next response; by hand, because http.client reads one response a connection."""
    status = int(file.readline().split()[1])
    length = 0
    while (line := file.readline()) != b"\r\n":
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return b"" if status in {204, 304} else file.read(length)


def test_a_request_may_come_byte_by_byte(site: str) -> None:
    with connected(site, *(bytes([b]) for b in request("/bytes/5", "Connection: close"))) as conn:
        assert rest(conn).endswith(b"\r\n\r\n5fece")


def test_thousands_of_pipelined_requests_find_their_answers(site: str) -> None:
    # More than the socket buffers hold, so that the site must stop reading and go on.
    number, size = 3_000, 10_000
    with connected(site) as conn:
        conn.setblocking(False)
        said, seen = (
            memoryview(request(f"/bytes/{size}") * number + request("/", "Connection: close")),
            bytearray(),
        )
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with suppress(BlockingIOError):
                said = said[conn.send(said) :] if said else said
            try:
                if not (data := conn.recv(1 << 20)):
                    break
                seen += data
            except BlockingIOError:
                time.sleep(0.001)
    assert seen.count(b"HTTP/1.1 200 OK") == number + 1
    assert len(seen) > number * size


def test_http_1_0_and_connection_close_end_the_connection(site: str) -> None:
    for said in (request("/bytes/2", version="1.0"), request("/bytes/2", "connection: Close")):
        with connected(site, said + request("/bytes/9")) as conn:
            answer = rest(conn)
        assert answer.count(b"HTTP/1.1 200 OK") == 1
        assert b"\r\nConnection: close\r\n" in answer
        assert answer.endswith(b"\r\n\r\n5f")


def test_a_peer_that_has_finished_speaking_still_hears_a_late_answer(site: str) -> None:
    with connected(site, request("/delay/0.2/4")) as conn:
        conn.shutdown(socket.SHUT_WR)
        assert rest(conn).endswith(b"\r\n\r\n5fec")


def test_delay(site: str) -> None:
    began = time.monotonic()
    assert len(get(site, "/delay/0.4")[1]) == 100
    assert 0.39 <= time.monotonic() - began < 2
    assert len(get(site, "/delay/0.01/70000")[1]) == 70_000
    assert len(get(site, "/delay/0.01/70000", "PUT", body=b"")[1]) == 70_000


def test_delays_do_not_wait_for_each_other(site: str) -> None:
    began = time.monotonic()
    connections = [http.client.HTTPConnection(site.removeprefix("http://"), timeout=9) for _ in range(30)]
    for connection in connections:
        connection.request("GET", "/delay/0.5/10")
    for connection in connections:
        assert len(connection.getresponse().read()) == 10
        connection.close()
    assert time.monotonic() - began < 3  # 15 s one after another


@pytest.mark.parametrize("status", [200, 201, 204, 205, 304, 401, 404, 418, 500, 503, 600, 999])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_status(site: str, status: int, method: str) -> None:
    response, body = get(site, f"/status/{status}", method)
    assert response.status == status
    assert len(body) == (0 if status in {204, 205, 304} else 100)
    if status == 204:
        assert response.getheader("Content-Length") is None  # RFC 9110 section 8.6
    assert (response.getheader("WWW-Authenticate") is not None) == (status == 401)


def test_status_carries_retry_after_and_no_more(site: str) -> None:
    for status in (429, 503):
        assert get(site, f"/status/{status}?retry-after=7")[0].getheader("Retry-After") == "7"
    response, _ = get(site, "/status/503?retry-after=Wed,%2021%20Oct%202026%2007:28:00%20GMT%0d%0aX-Bad:%201")
    assert response.getheader("Retry-After") == "Wed, 21 Oct 2026 07:28:00 GMTX-Bad: 1"
    assert response.getheader("X-Bad") is None
    assert get(site, "/status/503")[0].getheader("Retry-After") is None


@pytest.mark.parametrize("path", ["/status/99", "/status/100", "/status/1000", "/status/x", "/status/2.5"])
def test_what_is_no_status_is_not_found(site: str, path: str) -> None:
    assert get(site, path)[0].status == 404


def decoder(name: str) -> Callable[[bytes], bytes]:
    if name == "br":
        return pytest.importorskip("brotli").decompress
    if name == "zstd":
        return pytest.importorskip(
            "backports.zstd" if sys.version_info < (3, 14) else "compression.zstd"
        ).decompress
    return gzip.decompress if name == "gzip" else zlib.decompress


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("size", [0, 1, 10_000, 3_000_000])
def test_codings_decode_to_the_size_asked_for(site: str, name: str, size: int) -> None:
    decode = decoder(name)
    response, body = get(site, f"/{name}/{size}")
    assert response.getheader("Content-Encoding") == name
    assert decode(body) == get(site, f"/bytes/{size}")[1]
    assert size < 1000 or len(body) < size * 0.7


def test_redirects(site: str) -> None:
    path, seen = "/redirect/3", []
    while True:
        response, body = get(site, path)
        seen.append((path, response.status))
        if response.status == 200:
            break
        path = response.getheader("Location")
    assert seen == [("/redirect/3", 302), ("/redirect/2", 302), ("/redirect/1", 302), ("/bytes/100", 200)]
    assert len(body) == 100
    response, _ = get(site, "/redirect-to?url=http://elsewhere.invalid/%20x&status=307")
    assert (response.status, response.getheader("Location")) == (307, "http://elsewhere.invalid/ x")
    assert get(site, "/redirect-to?url=/%0d%0aX:1")[0].status == 400
    assert get(site, "/redirect-to?url=/&status=200")[0].status == 400
    assert get(site, "/redirect-loop")[0].getheader("Location") == "/redirect-loop/b"
    assert get(site, "/redirect-loop/b")[0].getheader("Location") == "/redirect-loop"


def test_chunked(site: str) -> None:
    with connected(site, request("/chunked/10?pieces=3", "Connection: close")) as conn:
        head, _, body = rest(conn).partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    assert b"content-length" not in head.lower()
    assert body == b"4\r\n5fec\r\n4\r\neb66\r\n2\r\nff\r\n0\r\n\r\n"
    assert get(site, "/chunked/300000?pieces=7")[1] == get(site, "/bytes/300000")[1]
    with connected(site, request("/chunked/10", version="1.0")) as conn:
        assert rest(conn).endswith(b"\r\n\r\n5feceb66ff")


def test_drip(site: str) -> None:
    began = time.monotonic()
    assert len(get(site, "/drip?numbytes=5&duration=0.5&delay=0.2")[1]) == 5
    assert 0.69 <= time.monotonic() - began < 2.5
    assert len(get(site, "/drip?numbytes=100000&duration=0.1")[1]) == 100_000
    assert get(site, "/drip?duration=-1")[0].status == 400


def test_echoes(site: str) -> None:
    said = (
        request("/headers", "X-One: a", "x-two: \xe9", "X-One: b", "Connection: close")
        .decode()
        .encode("latin-1")
    )
    with connected(site, said) as conn:
        body = json.loads(rest(conn).partition(b"\r\n\r\n")[2])
    pairs = [["Host", "x"], ["X-One", "a"], ["x-two", "\xe9"], ["X-One", "b"], ["Connection", "close"]]
    assert body == {"headers": pairs}
    _, body = get(site, "/anything/a?b=%20c", "PATCH", body=b"hello", headers={"X-Y": "z"})
    seen = json.loads(body)
    assert (seen["method"], seen["target"], seen["body"], seen["body_size"]) == (
        *("PATCH", "/anything/a?b=%20c", "hello", 5),
    )
    assert ["X-Y", "z"] in seen["headers"]
    coded = gzip.compress(b"hello")
    _, body = get(site, "/anything", "POST", body=coded, headers={"Content-Encoding": "gzip"})
    assert json.loads(body)["body_size"] == len(coded), "a coded body is counted as it was sent"


def test_cookies(site: str) -> None:
    response, _ = get(site, "/cookies/set?a=1&b=two")
    assert (response.status, response.getheader("Location")) == (302, "/cookies")
    assert response.headers.get_all("Set-Cookie") == ["a=1; Path=/", "b=two; Path=/"]
    _, body = get(site, "/cookies", headers={"Cookie": "a=1; b=two"})
    assert json.loads(body) == {"cookies": {"a": "1", "b": "two"}}
    assert get(site, "/cookies/set?a%20b=1")[0].status == 400
    assert get(site, "/cookies/set?a=%0d%0aX:1")[0].status == 400


def test_truncated_bodies_are_cut(site: str) -> None:
    for size in (10, 1_000_000):
        with connected(site, request(f"/truncated/{size}")) as conn:
            head, _, body = rest(conn).partition(b"\r\n\r\n")
        assert f"Content-Length: {size}".encode() in head
        assert len(body) == size // 2


def test_hang_says_nothing(site: str) -> None:
    with connected(site, request("/hang")) as conn:
        conn.settimeout(0.5)
        with pytest.raises(TimeoutError):
            conn.recv(1)


def test_the_linked_site_has_its_sizes(site: str) -> None:
    sizes = pages.sizes()
    assert len(sizes) > 30
    for path, size in sizes.items():
        response, body = get(site, path)
        assert response.status == 200
        assert len(body) == size == int(response.getheader("Content-Length"))
    assert sizes["/"] == 4_000
    assert sizes["/shop/6.html"] == 100_000
    assert get(site, "/img/logo.png")[1].startswith(b"\x89PNG\r\n\x1a\n")


def test_every_page_of_the_linked_site_can_be_reached(site: str) -> None:
    from urllib.parse import urljoin, urlsplit

    todo, seen, broken = ["/"], {"/"}, []
    while todo:
        path = todo.pop()
        response, body = get(site, path)
        if response.status == 404:
            broken.append(path)
        links = re.findall(r'(?:href="|src="|url\()([^")]+)', body.decode("latin-1"))
        links += [response.getheader("Location")] if response.status == 301 else []
        for link in links:
            target = urlsplit(urljoin(site + path, link))
            if target.scheme == "http" and target.path not in seen:
                assert f"http://{target.netloc}" == site, "nothing leads away"
                seen.add(target.path)
                todo.append(target.path)
    assert broken == [pages.BROKEN]
    assert seen == {*pages.sizes(), pages.BROKEN, pages.MOVED[0]}


def test_robots_and_sitemap(site: str) -> None:
    _, robots = get(site, "/robots.txt")
    assert b"Disallow: /private/\n" in robots
    assert f"Sitemap: {site}/sitemap.xml\n".encode() in robots
    _, sitemap = get(site, "/sitemap.xml")
    paths = {url.removeprefix(site) for url in re.findall(r"<loc>(.*?)</loc>", sitemap.decode())}
    html = {p for p, page in pages.pages().items() if page.type.startswith("text/html")}
    assert paths == html - {pages.PRIVATE}


def test_help_names_every_path_and_every_example_answers(site: str) -> None:
    text = get(site, "/help")[1].decode()
    for word in (
        "/bytes/N",
        "/delay/S/N",
        "/zstd/N",
        "/redirect-to",
        "/drip",
        "/cookies/set",
        "/sitemap.xml",
    ):
        assert word in text
    named = re.findall(r"(?m)(?<=^)/\S*|(?<=  )/\S+", text)
    for path in set(named) - {"/hang", "/truncated/N"}:
        example = re.sub(r"\b[NS]\b", "0" if path.startswith("/delay") else "200", path)
        assert get(site, example)[0].status < 400, path


JUNK = [
    b"\0" * 300,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 200,
    b"hello\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /bytes/1\r\n\r\n",
    b"GET  /bytes/1 HTTP/1.1\r\n\r\n",
    b"GET /bytes/1 HTTP/9.9\r\n\r\n",
    b"GET /bytes/1 HTTP/1.1\n\n",
    b"GET /bytes/1 HTTP/1.1\r\nbad field\r\n\r\n",
    b"GET /bytes/1 HTTP/1.1\r\n: x\r\n\r\n",
    b"GET /bytes/1 HTTP/1.1\r\nA: \0\r\n\r\n",
    b"GET /bytes/1 HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
    b"GET /bytes/1 HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"GET /bytes/1 HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /anything HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"GET /%zz%00%ff HTTP/1.1\r\nHost: \xff\r\nConnection: close\r\n\r\n",
    b"GET /sitemap.xml HTTP/1.1\r\nHost: <&>\xff\r\nConnection: close\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\n\r\n",
    b"GET http://x:99999/bytes/1 HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nConnection: close\r\n\r\n",
    b'GET /cookies HTTP/1.1\r\nCookie: \xff=;;;="\\\r\nConnection: close\r\n\r\n',
    b"GET /cookies/set?=x HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /redirect-to?url=%ff%ed%a0%80 HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /drip?duration=nan&numbytes=1e400 HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /chunked/9?pieces=1e12 HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /bytes/99999999999999999999 HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /gzip/\xd9\xa3 HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /status/200 HTTP/1.1\r\nUpgrade: websocket\r\nConnection: close, upgrade\r\n\r\n",
    b"GET /bytes/1 HTTP/1.1\r\nExpect: 200-maybe\r\nConnection: close\r\n\r\n",
    b"GET /bytes/1 HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    b"GET /bytes/1?" + b"x" * 200_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /bytes/1 HTTP/1.1\r\nA: " + b"x" * 200_000,
]


MUTATED = ["/bytes/1", "/cookies/set?a=b", "/redirect-to?url=/x&status=302", "/headers", "/cookies"]
MUTATED += ["/chunked/5?pieces=2", "/status/503?retry-after=3", "/sitemap.xml", "/robots.txt"]


@contextmanager
def own_site(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A site whose stderr we see; `.url` is its base URL."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-m", "fetcher.server", *words], **pipes) as child:
        try:
            child.url = child.stdout.readline().decode().strip()
            yield child
        finally:
            child.kill()


def test_junk_is_answered_or_dropped_without_a_word_on_stderr() -> None:
    dice = random.Random(1)
    valid = [request(path, "Accept: */*", "Cookie: a=b", "Connection: close") for path in MUTATED]
    mutants = [bytearray(valid[n % len(valid)]) for n in range(200)]
    for mutant in mutants:
        for _ in range(dice.randint(1, 4)):
            mutant[dice.randrange(len(mutant))] = dice.randrange(256)
    with own_site() as child, ExitStack() as held:
        junk = [*JUNK, *map(bytes, mutants)]
        conns = [held.enter_context(connected(child.url)) for _ in junk]
        for conn, said in zip(conns, junk, strict=True):
            with suppress(ConnectionError):  # dropped while we were still talking
                conn.sendall(said)
        time.sleep(1)  # for all answers at once; then those that wait for more are told that none will come
        for conn, said in zip(conns, junk, strict=True):
            answer = b""
            with suppress(OSError):
                conn.shutdown(socket.SHUT_WR)
                answer = rest(conn)
            assert not answer or answer.startswith(b"HTTP/"), said[:80]
            assert b" 500 " not in answer[:20], said[:80]
        assert len(get(child.url, "/bytes/10")[1]) == 10, "it still serves"
        child.stdin.close()
        assert child.wait(5) == 0
        assert child.stderr.read() == b""


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00\x01\n", b"hello\r\n", b"GET /bytes/1 HTTP/1.1\n\n"])
def test_what_cannot_become_a_request_is_refused_at_once(site: str, junk: bytes) -> None:
    with connected(site, junk) as conn:
        assert rest(conn).startswith(b"HTTP/1.0 400")


def test_leaving_takes_everything_along(leaves_nothing: None) -> None:
    began = time.monotonic()
    with start() as base, connected(base, request("/hang")), connected(base, request("/delay/60")):
        assert isinstance(base, Base)
        assert len(get(base, "/bytes/10")[1]) == 10
        with connected(base, request("/drip?duration=60")) as conn:
            conn.recv(10)
        time.sleep(0.1)
        left = time.monotonic()
    assert time.monotonic() - left < 3
    assert time.monotonic() - began < 20
    with pytest.raises(OSError):
        get(base, "/bytes/1")


def test_an_interrupt_is_for_the_parent() -> None:
    with own_site() as child:
        child.send_signal(signal.SIGINT)
        time.sleep(0.1)
        assert len(get(child.url, "/bytes/10")[1]) == 10


def test_run_in_this_process_ends_with_an_interrupt() -> None:
    code = "from fetcher.server import run; run(ready=lambda base: print(base, flush=True))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=-1, stderr=-1, text=True) as child:
        assert len(get(child.stdout.readline().strip(), "/bytes/10")[1]) == 10
        child.send_signal(signal.SIGINT)
        assert child.stderr.read().strip().endswith("KeyboardInterrupt")


def test_port_zero_gives_each_its_own(site: str) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*", site)
    with start() as other:
        assert other != site


def test_a_port_that_is_taken_is_one_line_and_exit_2(site: str) -> None:
    port = site.rsplit(":", 1)[1]
    run = subprocess.run(
        [sys.executable, "-m", "fetcher.server", port],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
    )
    assert run.returncode == 2
    assert run.stdout == b""
    assert run.stderr.count(b"\n") == 1
    assert f"cannot listen at 127.0.0.1:{port}: ".encode() in run.stderr


PARENT = """
import subprocess, sys, time
from fetcher.server import site
with site() as base:
    # A child of ours inherits our end of the leash and lives on.
    {other}
    print(base.pid, base, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX")
@pytest.mark.parametrize("other", ["", "import os; other = os.fork(); other or (time.sleep(4), os._exit(0))"])
def test_the_site_dies_when_its_parent_is_killed(other: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT.format(other=other)], stdout=subprocess.PIPE, text=True
    ) as parent:
        pid, base = parent.stdout.readline().split()
        assert len(get(base, "/bytes/10")[1]) == 10
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        until = time.monotonic() + 3
        while alive(int(pid)) and time.monotonic() < until:
            time.sleep(0.02)
        assert not alive(int(pid))


def alive(pid: int) -> bool:
    """Whether this process runs; a zombie that nobody has reaped does not."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not Path("/proc/self").exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.fixture(scope="module")
def troubled() -> Iterator[str]:
    with start(faults=True) as base:
        yield base


def test_the_fault_server_lists_all_that_it_serves(troubled: str) -> None:
    text = get(troubled, "/help")[1].decode()
    listed = {one["path"]: one for one in json.loads(get(troubled, "/faults")[1])}
    assert len(listed) > 300
    assert get(troubled, "/urls")[1].decode().split() == [one["url"] for one in listed.values()]
    for fault in faults.every():
        assert fault.says in text
        if fault.path not in listed:
            assert fault.place == "full"  # where the queue of a port cannot be filled
            continue
        own = fault.place != "path" or fault.certificate
        assert (listed[fault.path]["url"] == troubled + fault.path) is not own
        assert listed[fault.path]["error"] == fault.error
        assert f"{listed[fault.path]['url'] if own else fault.path} " in text
    assert get(troubled, "/ca.pem")[1].startswith(b"-----BEGIN CERTIFICATE-----\n")


def test_what_a_fault_server_does_not_have_is_404_and_the_rest_is_good(troubled: str) -> None:
    for path in ("/no/such", "/chunks", "/chunks/no-such", "/tls/expired", "/connecting/refused", "/x?y"):
        response, body = get(troubled, path)
        assert response.status == 404
        assert b"/help" in body
    assert get(troubled, "/good/a?b")[1] == b"good: /good/a?b"
    response, body = get(troubled, "/good/a", "HEAD")
    assert (response.getheader("Content-Length"), body) == ("13", b"")
    assert get(troubled, "/status/299", "POST", body=b"x" * 100_000)[0].status == 299


def test_a_fault_is_sent_as_it_is_written(troubled: str) -> None:
    with connected(troubled, request("/chunks/zero-crlf")) as conn:
        assert rest(conn) == raw.CHUNKED + raw.chunks() + b"0\r\n"  # and an end of file
    with connected(troubled, request("/closing/reset-in-line")) as conn, pytest.raises(ConnectionResetError):
        assert rest(conn)
    with connected(troubled, request("/slow/half-a-line")) as conn:
        assert conn.recv(100) == b"HTTP/1.1 20"
        conn.settimeout(0.3)
        with pytest.raises(TimeoutError):
            conn.recv(1)
    with connected(troubled, request("/lengths/twice") * 2 + request("/lengths/short")) as conn:
        kept = raw.head("Content-Length: 4000", "Content-Length: 4000") + raw.BODY
        assert rest(conn).startswith(kept * 2 + raw.head("Content-Length: 4000") + raw.BODY[:2000])


def test_junk_does_no_harm_to_the_fault_server() -> None:
    with own_site("0", "--faults") as child:
        for said in [
            *JUNK,
            b"\r\n\r\n",
            b"GET\r\n\r\n",
            request("/redirects/on/x"),
            request("/redirects/ten/a/b"),
        ]:
            with connected(child.url, said) as conn, suppress(OSError):
                conn.shutdown(socket.SHUT_WR)
                rest(conn)
        for one in json.loads(get(child.url, "/faults")[1]):
            if one["path"] in ("/tls/good", "/tls/client-wanted", "/connecting/silent"):
                with connected(one["url"].rsplit("/", 2)[0], b"\x16\x03\x01\xff\xff" + b"x" * 99) as conn:
                    conn.shutdown(socket.SHUT_WR)
                    rest(conn)
        assert get(child.url, "/good/still")[1] == b"good: /good/still"
        child.stdin.close()
        assert child.wait(5) == 0
        assert child.stderr.read() == b""


WITHOUT = """
import sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("trustme", "brotli"):
            raise ModuleNotFoundError(name=name)
sys.meta_path.insert(0, Without())
sys.argv = ["fetch", "serve", "--faults", "--port", "0"]
from fetcher.cli import main
main()
"""


def test_faults_are_served_without_the_libraries_of_the_tests() -> None:
    with subprocess.Popen([sys.executable, "-c", WITHOUT], stdout=-1, stderr=-1, text=True) as child:
        try:
            base = child.stdout.readline().strip()
            text = get(base, "/help")[1].decode()
            assert get(base, "/chunks/upper-case")[1] == b"0123456789"
            assert get(base, "/ca.pem")[0].status == 404
            assert "/codings/gzip " in text
            assert "/codings/br " not in text
            assert "/tls/" not in text
            assert re.search(r"\d\d more: needs trustme, which is not installed: pip install trustme\n", text)
        finally:
            child.send_signal(signal.SIGINT)
            assert child.wait(10) == 130
        assert "Traceback" not in child.stderr.read()
