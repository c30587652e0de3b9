"""The servers that other tests build on do what they say, and end at once."""

from __future__ import annotations

import base64
import gzip
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests import servers
from tests.servers import answers, raw, read_request, response, tls


def get(url: str, **more) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request("GET", urlsplit(url).path or "/", **more)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def handshake(server: servers.Raw, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as conn,
    ):
        yield conn


def test_answers_come_in_order_on_a_kept_connection(leaves_nothing: None) -> None:
    with raw(answers(response(b"one"), response(b"two", "X-Y: z"))) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        bodies = []
        for body in (None, b"hello", None):
            connection.request("POST" if body else "GET", "/a", body=body)
            bodies.append(connection.getresponse().read())
        connection.close()
        assert bodies == [b"one", b"two", b"two"]
        assert server.connections == 1
        assert [one.split()[0] for one in server.requests] == [b"GET", b"POST", b"GET"]
        assert server.requests[1].endswith(b"\r\n\r\nhello")
    with raw(answers(b"HTTP/1.1 200 OK\r\n\r\nto the end", close=True)) as server:
        assert get(server.url) == (200, b"to the end")
        assert get(server.url) == (200, b"to the end")
        assert server.connections == 2


def test_pipelined_requests_are_told_apart() -> None:
    with raw(answers(response(b"1"), response(b"2"))) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as conn:
            conn.sendall(b"GET /1 HTTP/1.1\r\nContent-Length: 2\r\n\r\nxyGET /2 HTTP/1.1\r\n\r\n")
            seen = b""
            while seen.count(b"HTTP/1.1") < 2 or not seen.endswith(b"2"):
                seen += conn.recv(1000)
        assert server.requests == [
            b"GET /1 HTTP/1.1\r\nContent-Length: 2\r\n\r\nxy",
            b"GET /2 HTTP/1.1\r\n\r\n",
        ]


def test_a_server_ends_at_once_whatever_its_clients_do(leaves_nothing: None) -> None:
    with (
        raw(lambda conn, _n: (read_request(conn), servers.hold(conn))) as server,
        servers.hanging() as silent,
    ):
        conns = [socket.create_connection(("127.0.0.1", s.port)) for s in (server, silent) for _ in range(20)]
        for conn in conns[:10]:
            conn.sendall(b"GET / HTTP/1.1\r\n\r\n")
        until = time.monotonic() + 5
        while server.connections + silent.connections < 40 and time.monotonic() < until:
            time.sleep(0.01)
        assert server.connections == silent.connections == 20
        began = time.monotonic()
    assert time.monotonic() - began < 2
    for conn in conns:
        conn.settimeout(5)
        assert conn.recv(1) == b""
        conn.close()


def test_a_reset_is_a_reset() -> None:
    with (
        raw(lambda conn, _n: (read_request(conn), servers.reset(conn))) as server,
        pytest.raises(ConnectionResetError),
    ):
        get(server.url)


@pytest.mark.parametrize("kind", servers.KINDS)
def test_tls_kinds(kind: str) -> None:
    made = tls(kind)
    context = ssl.create_default_context(cafile=made.cacert)
    why = {
        "expired": "certificate has expired",
        "not_yet_valid": "certificate is not yet valid",
        "self_signed": "self-signed certificate",
        "unknown_issuer": "unable to get local issuer certificate",
        "wrong_host": "IP address mismatch",
        "client_cert": "(?i)certificate required",
        "old_tls": "(?i)protocol version|unsupported protocol",
        "ragged": "(?i)EOF occurred",
    }
    with raw(answers(response(b"hi"), close=True), made.context) as server:
        assert server.url.startswith("https://")
        if kind in why:
            with pytest.raises(ssl.SSLError, match=why[kind]):
                talk(server, context)
        if kind == "client_cert":
            context.load_cert_chain(made.cert)
        if kind in {"good", "client_cert"}:
            assert talk(server, context).endswith(b"\r\n\r\nhi")
            assert server.handshakes == 1


def talk(server: servers.Raw, context: ssl.SSLContext) -> bytes:
    with handshake(server, context) as conn:
        conn.sendall(b"GET / HTTP/1.1\r\n\r\n")
        return b"".join(iter(lambda: conn.recv(1000), b""))


def test_old_tls_works_for_those_who_ask_for_it() -> None:
    made = tls("old_tls")
    context = ssl.create_default_context(cafile=made.cacert)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with (
        raw(answers(response(b"hi"), close=True), made.context) as server,
        handshake(server, context) as conn,
    ):
        assert conn.version() == "TLSv1.1"


def test_a_closed_port_refuses_and_a_black_hole_does_not_answer(leaves_nothing: None) -> None:
    with servers.closed_port() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    for _ in range(3):
        with servers.blackhole() as port, pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", port), timeout=0.3)


def test_the_proxy_forwards_and_tunnels(leaves_nothing: None) -> None:
    made = tls()
    with (
        raw(answers(response(b"plain"))) as plain,
        raw(answers(response(b"secret")), made.context) as secure,
        servers.proxy() as proxy,
    ):
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
        connection.request(
            "POST", f"{plain.url}a?b", body=b"hello", headers={"Proxy-Connection": "x", "X": "y"}
        )
        assert connection.getresponse().read() == b"plain"
        connection.close()
        assert proxy.requests[0].startswith(f"POST {plain.url}a?b HTTP/1.1\r\n".encode())
        assert plain.requests[0].startswith(b"POST /a?b HTTP/1.1\r\n")
        assert plain.requests[0].endswith(b"\r\n\r\nhello")
        assert b"\r\nX: y\r\n" in plain.requests[0]
        assert b"Proxy-" not in plain.requests[0]
        context = ssl.create_default_context(cafile=made.cacert)
        tunnel = http.client.HTTPSConnection("127.0.0.1", proxy.port, timeout=5, context=context)
        tunnel.set_tunnel("127.0.0.1", secure.port)
        for _ in range(2):
            tunnel.request("GET", "/")
            assert tunnel.getresponse().read() == b"secret"
        tunnel.close()
        assert proxy.requests[1].startswith(f"CONNECT 127.0.0.1:{secure.port} HTTP/1.".encode())
        assert secure.connections == 1
        with servers.closed_port() as port:
            connection.request("GET", f"http://127.0.0.1:{port}/")
            assert connection.getresponse().status == 502
            connection.close()


def test_the_proxy_asks_for_its_login() -> None:
    with raw(answers(response(b"plain"))) as plain, servers.proxy("me:pw") as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=5)
        for login, status in ((b"", 407), (b"me:no", 407), (b"me:pw", 200)):
            field = {"Proxy-Authorization": f"Basic {base64.b64encode(login).decode()}"} if login else {}
            connection.request("GET", plain.url, headers=field)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status
        connection.close()
        assert plain.connections == 1


def test_a_proxy_whose_origin_hangs_ends_at_once(leaves_nothing: None) -> None:
    with servers.hanging() as silent:
        with servers.proxy() as proxy:
            conn = socket.create_connection(("127.0.0.1", proxy.port))
            conn.sendall(f"GET {silent.url} HTTP/1.1\r\n\r\n".encode())
            until = time.monotonic() + 5
            while not silent.connections and time.monotonic() < until:
                time.sleep(0.01)
            threads, began = list(proxy.threads), time.monotonic()
        assert time.monotonic() - began < 2
        assert not [one for one in threads if one.is_alive()]
        conn.close()


def test_an_error_in_a_script_is_not_swallowed() -> None:
    caught: list[BaseException | None] = []
    before, threading.excepthook = threading.excepthook, lambda args: caught.append(args.exc_value)
    try:
        with raw(lambda _conn, _n: 1 // 0) as server, pytest.raises(ConnectionError):
            get(server.url)
    finally:
        threading.excepthook = before
    assert [type(one) for one in caught] == [ZeroDivisionError]


def test_nginx_serves_files(leaves_nothing: None) -> None:
    files = {"/a.html": b"<p>" + b"x" * 5000, "/deep/b.txt": b"b"}
    with servers.nginx("location /gone { return 410; }", files, gzip=True, log=True) as server:
        assert get(f"{server.url}a.html") == (200, files["/a.html"])
        status, body = get(f"{server.url}a.html", headers={"Accept-Encoding": "gzip"})
        assert status == 200
        assert gzip.decompress(body) == files["/a.html"]
        assert get(f"{server.url}deep/b.txt") == (200, b"b")
        assert get(f"{server.url}gone")[0] == 410
        until = time.monotonic() + 2  # nginx writes the line once the answer has gone out
        while len(server.access()) < 4 and time.monotonic() < until:
            time.sleep(0.02)
        assert len(server.access()) == 4
    with pytest.raises(ConnectionRefusedError):
        get(server.url)
