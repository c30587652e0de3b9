"""Servers that tests talk to: raw ones that say exactly these bytes, TLS of every kind, a proxy, nginx.

Every server here is a context manager on 127.0.0.1, runs in threads, and ends within half a second whatever
its clients do. Nothing is a fixture: a test opens what it needs.

    with raw(answers(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi")) as server:
        ... ask server.url ...
        assert server.connections == 1 and server.requests[0].startswith(b"GET / ")
"""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.certificates import KINDS as KINDS
from tests.certificates import Tls as Tls
from tests.certificates import tls as tls

Script = Callable[[socket.socket, int], object]


class Raw:
    """A running raw server, and what it has seen; `requests` are the whole ones that `read_request` read."""

    def __init__(self, script: Script, context: ssl.SSLContext | None) -> None:
        self.script = script
        self.context = context
        self.requests: list[bytes] = []
        self.connections = 0  # accepted
        self.handshakes = 0  # TLS handshakes that succeeded
        self.open: set[socket.socket] = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self.listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}/"
        self.lock = threading.Lock()
        self.stopping = False
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if self.stopping:
                    conn.close()
                    return
                self.open.add(conn)
                number, self.connections = self.connections, self.connections + 1
                thread = threading.Thread(target=self._serve, args=(conn, number), daemon=True)
                self.threads = [t for t in self.threads if t.is_alive()] + [thread]
                thread.start()

    def _serve(self, conn: socket.socket, number: int) -> None:
        """Run the script. A broken connection is the client's affair; any other exception fails the test."""
        try:
            with contextlib.suppress(OSError):
                if self.context is not None:
                    conn = self._wrap(conn, self.context)
                    try:
                        conn.do_handshake()
                    except ssl.SSLError:
                        _linger(conn)
                        raise
                    self.handshakes += 1
                _seen[conn] = _Seen(self)
                self.script(conn, number)
                self._say_goodbye(conn)
        finally:
            with self.lock:
                self.open.discard(conn)
            conn.close()

    def _wrap(self, conn: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        with self.lock:
            self.open.discard(conn)
            wrapped = context.wrap_socket(conn, server_side=True, do_handshake_on_connect=False)
            self.open.add(wrapped)
        return wrapped

    def _say_goodbye(self, conn: socket.socket) -> None:
        """TLS ends with close_notify, unless the kind is "ragged"."""
        if (
            isinstance(conn, ssl.SSLSocket)
            and conn.fileno() >= 0
            and not getattr(self.context, "ragged", False)
        ):
            conn.settimeout(0.05)  # it is said at once; the client's need not be heard
            conn.unwrap()

    def stop(self) -> None:
        """Close everything; a script that waits for its client wakes up with an end of file."""
        with self.lock:
            self.stopping = True
            held = list(self.open)
        for sock in (self.listener, *held):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # an SSLSocket's own would drop its TLS state
        self.listener.close()
        until = time.monotonic() + 0.4
        for thread in self.threads:
            thread.join(max(until - time.monotonic(), 0))


def _linger(conn: socket.socket) -> None:
    """Let the client read our alert: to close on what it sends meanwhile would reset the connection."""
    socket.socket.shutdown(conn, socket.SHUT_WR)
    conn.settimeout(0.3)
    while socket.socket.recv(conn, 65536):
        pass


class _Seen:
    """What belongs to a connection: its server, and bytes that were read too far."""

    def __init__(self, server: Raw) -> None:
        self.server = server
        self.rest = b""


_seen: weakref.WeakKeyDictionary[socket.socket, _Seen] = weakref.WeakKeyDictionary()


@contextmanager
def raw(script: Script, context: ssl.SSLContext | None = None) -> Iterator[Raw]:
    """A server that runs `script(conn, n)` in a thread for its n-th connection (from 0), then closes it.

    A script that returns without having read what was sent closes with a reset: that is TCP's rule.
    """
    server = Raw(script, context)
    try:
        yield server
    finally:
        server.stop()


def read_request(conn: socket.socket) -> bytes:
    """The next whole request: its head, and as much body as its Content-Length says. Empty at the end."""
    seen = _seen[conn]
    data = seen.rest
    while True:
        head, found, _ = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        size = len(head) + 4 + (int(length[1]) if length else 0)
        if found and len(data) >= size:
            break
        more = conn.recv(65536)
        if not more:
            return b""
        data += more
    seen.rest = data[size:]
    seen.server.requests.append(data[:size])
    return data[:size]


def response(body: bytes = b"", *fields: str, status: str = "200 OK") -> bytes:
    """A response with a Content-Length and these fields, such as "Content-Type: text/html"."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def answers(*responses: bytes, close: bool = False) -> Script:
    """A script that gives each request the next of these; the last one again and again.

    The order runs through all connections. `close`: hang up after each answer.
    """
    lock = threading.Lock()
    at = -1

    def script(conn: socket.socket, _n: int) -> None:
        nonlocal at
        while read_request(conn):
            with lock:
                at = min(at + 1, len(responses) - 1)
                answer = responses[at]
            conn.sendall(answer)
            if close:
                return

    return script


def by_path(table: Mapping[str, bytes | Sequence[bytes]], pause: float = 0.02) -> Script:
    """A script that answers each path with what the table holds for it.

    Bytes: the connection is kept. A sequence of parts: each is a write of its own, `pause` seconds apart,
    then our side is shut down, and what the client still says there is not answered.
    """

    def script(conn: socket.socket, _n: int) -> None:
        while request := read_request(conn):
            answer = table[request.split(b" ", 2)[1].decode("ascii")]
            if isinstance(answer, bytes):
                conn.sendall(answer)
                continue
            for number, part in enumerate(answer):
                time.sleep(pause if number else 0)
                conn.sendall(part)
            conn.shutdown(socket.SHUT_WR)
            hold(conn)
            return

    return script


def hold(conn: socket.socket) -> None:
    """Keep the connection open, silently, until the client or the test ends it."""
    while conn.recv(65536):
        pass


def reset(conn: socket.socket) -> None:
    """Close with a reset (RST) instead of an end of file."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def hanging(context: ssl.SSLContext | None = None) -> contextlib.AbstractContextManager[Raw]:
    """A server that accepts and never speaks."""
    return raw(lambda conn, _n: hold(conn), context)


@contextmanager
def closed_port() -> Iterator[int]:
    """A port at which nothing listens; kept bound, so that nobody else gets it meanwhile."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@contextmanager
def blackhole() -> Iterator[int]:
    """A port whose queue is full: a connect to it neither succeeds nor fails."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = listener.getsockname()[1]
        for _ in range(8):
            filler = held.enter_context(socket.socket())
            filler.settimeout(0.1)
            try:
                filler.connect(("127.0.0.1", port))
            except TimeoutError:
                break
        else:
            pytest.skip("needs a system whose listen queue can be filled")
        yield port


@contextmanager
def proxy(login: str = "") -> Iterator[Raw]:
    """A forward proxy: absolute-form requests and CONNECT; `login` "user:password" is then required.

    `requests` holds what clients asked of it; what goes through a tunnel is not looked at.
    """
    wanted = f"basic {base64.b64encode(login.encode()).decode()}"

    def script(conn: socket.socket, _n: int) -> None:
        while request := read_request(conn):
            head = request.partition(b"\r\n\r\n")[0].decode("latin-1")
            method, target, _ = head.split("\r\n")[0].split(" ")
            given = re.search(r"(?i)\r\nproxy-authorization: *([^\r]*)", head)
            if login and (given is None or given[1].lower() != wanted.lower()):
                conn.sendall(response(b"", 'Proxy-Authenticate: Basic realm="p"', status="407 Who Are You"))
                continue
            where = urlsplit(target if method != "CONNECT" else f"//{target}")
            try:
                upstream = socket.create_connection((where.hostname or "", where.port or 80), timeout=5)
            except OSError:
                conn.sendall(response(b"", status="502 Bad Gateway"))
                continue
            upstream.settimeout(None)
            with upstream, _also(conn, upstream):
                if method == "CONNECT":
                    conn.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    upstream.sendall(_seen[conn].rest)
                    _tunnel(conn, upstream)
                else:
                    upstream.sendall(_origin_form(request))
                    _pump(upstream, conn)
            return

    with raw(script) as server:
        yield server


@contextmanager
def _also(conn: socket.socket, upstream: socket.socket) -> Iterator[None]:
    """When the server of `conn` stops, this socket is shut down too."""
    server = _seen[conn].server
    with server.lock:
        server.open.add(upstream)
    try:
        yield
    finally:
        with server.lock:
            server.open.discard(upstream)


def _origin_form(request: bytes) -> bytes:
    """The request as an origin server wants it, without what is meant for the proxy, on a last connection."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    method, target, version = line.split(b" ")
    path = b"/" + target.split(b"/", 3)[3] if target.count(b"/") > 2 else b"/"
    kept = [f for f in fields if not f.lower().startswith((b"proxy-", b"connection:"))]
    return b"\r\n".join([b" ".join((method, path, version)), *kept, b"Connection: close", b"", body])


def _tunnel(conn: socket.socket, upstream: socket.socket) -> None:
    back = threading.Thread(target=_pump, args=(upstream, conn), daemon=True)
    back.start()
    _pump(conn, upstream)
    back.join(2)


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source ends, and say so to the target."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Nginx(NamedTuple):
    """A running nginx: `access()` is its access log, one line a request, as far as it is written."""

    url: str
    port: int
    root: Path
    log: Path
    pid: int

    def access(self) -> list[str]:
        """The lines of the access log."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@contextmanager
def nginx(
    conf: str = "", files: Mapping[str, bytes] | None = None, *, gzip: bool = False, log: bool = False
) -> Iterator[Nginx]:
    """A real nginx that serves `files` (path -> bytes); `conf` goes into its server block."""
    binary = next((b for b in ("/usr/sbin/nginx", "/usr/local/bin/nginx") if Path(b).exists()), None)
    if binary is None:
        pytest.skip("needs nginx: apt install nginx-light")
    with tempfile.TemporaryDirectory(prefix="fetch-nginx-") as folder, socket.socket() as probe:
        home = Path(folder)
        for path, content in (files or {}).items():
            file = home / "root" / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        (home / "root").mkdir(exist_ok=True)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))  # bound, not listening: nginx may have it too, nobody else is given it
        port = probe.getsockname()[1]
        (home / "nginx.conf").write_text(_nginx_conf(home, port, conf, gzip, log))
        child = subprocess.Popen(
            [binary, "-p", folder, "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]
        )
        try:
            _await_port(port, child, home / "error.log")
            yield Nginx(f"http://127.0.0.1:{port}/", port, home / "root", home / "access.log", child.pid)
        finally:
            child.kill()
            child.wait()


def _nginx_conf(home: Path, port: int, conf: str, gzip: bool, log: bool) -> str:
    temporary = "".join(
        f"{kind}_temp_path {home}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""
daemon off; master_process off; worker_processes 1; pid {home}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  {temporary}
  default_type application/octet-stream;
  types {{ text/html html; text/css css; text/javascript js; text/plain txt; image/png png; }}
  access_log {f"{home}/access.log" if log else "off"};
  keepalive_requests 1000000;
  gzip {"on" if gzip else "off"}; gzip_types *; gzip_min_length 1;
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    root {home}/root;
    {conf}
  }}
}}
"""


def _await_port(port: int, child: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until and child.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nginx did not start: {log.read_text() if log.exists() else child.returncode}")
