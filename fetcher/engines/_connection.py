"""The urllib3 connection of the requests engines, with our resolver, clock and reader on its socket."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from typing import Any, Final

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.wait import wait_for_socket

from fetcher.engines._faults import kind_of
from fetcher.engines._network import Attempt
from fetcher.errors import Fault
from fetcher.framing import Reader

PIECE: Final = 1 << 16
LOCAL: Final = threading.local()
CLOSED: Final = (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError)
BLOCKED: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Ended:
    """The response as http.client sees it: our reader has read it to its end, nothing is left to do."""

    will_close = False  # else http.client would close the connection

    def __init__(self, *_: object, **__: object) -> None: ...

    def begin(self) -> None:
        """Nothing."""

    def isclosed(self) -> bool:
        """True: the next request may go out."""
        return True

    def close(self) -> None:
        """Nothing."""


class Wired(HTTPConnection):
    """A connection that serves attempts, one after the other, and is the same to urllib3 as its own."""

    response_class = Ended  # type: ignore[assignment]
    attempt: Attempt
    ip: str | None = None
    unsent = False  # the peer answered before it had taken the whole request

    def exchange(self, attempt: Attempt, target: str, extra: tuple[tuple[str, str], ...]) -> None:
        """Send the request of this attempt, then read the whole answer into its exchange."""
        self.attempt = attempt
        exchange, request = attempt.exchange, attempt.exchange.request
        if request.fresh:
            self.close()
        exchange.reused = self.sock is not None
        if self.sock is None:
            self.connect()
        exchange.ip = self.ip
        exchange.phase = "sent"
        self.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        self.putheader("Host", request.authority)
        for name, value in (*request.headers, *extra):
            self.putheader(name, value)
        self.endheaders(request.data)
        while not exchange.done:
            self._take(self._receive())
        http.client.HTTPConnection.getresponse(self)  # its bookkeeping: ready for the next request

    @property
    def reusable(self) -> bool:
        """Whether the next attempt may use this connection."""
        undrained = getattr(self.sock, "pending", int)()  # decrypted, but not read
        return self.attempt.exchange.reusable and not self.unsent and not undrained

    # From nothing to a connection: what urllib3 calls, or would.

    def connect(self) -> None:
        """Connect to the server or the proxy, and through the proxy."""
        self.unsent = False
        proxy = self.attempt.network.proxy
        try:
            self.sock = self._new_conn()
            if proxy and isinstance(self, HTTPSConnection):
                self._pass_through(proxy.headers)
        except Exception as error:
            if proxy is None:
                raise
            fault = kind_of(error, phase=self.attempt.exchange.phase, started=False)
            if fault.kind.startswith("local_") or fault.kind in ("cancelled", "internal", "proxy_error"):
                raise
            raise Fault("proxy_error", f"the proxy at {proxy.host}:{proxy.port}: {fault.message}") from error

    def _new_conn(self) -> socket.socket:
        attempt, exchange = self.attempt, self.attempt.exchange
        host, _, port = exchange.request.host.rpartition(":")
        if proxy := attempt.network.proxy:
            host, port = proxy.host, str(proxy.port)
        began = time.monotonic()
        addresses = attempt.look_up(host, int(port))
        exchange.dns = time.monotonic() - began
        exchange.phase = "connect"
        began = time.monotonic()
        sock, self.ip = attempt.dial(addresses)
        exchange.connect = time.monotonic() - began
        return sock

    def _pass_through(self, headers: tuple[tuple[str, str], ...]) -> None:
        """Ask the proxy for a tunnel."""
        host = self.attempt.exchange.request.host
        lines = [
            f"CONNECT {host} HTTP/1.1",
            f"Host: {host}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        reader = Reader("HEAD")  # like its answer, that to CONNECT has no body
        while not reader.done:
            data = self._receive()
            if not data:
                raise Fault("proxy_error", "the proxy closed the connection, instead of answering CONNECT")
            reader.feed(data)
        assert reader.head is not None
        if not 200 <= reader.head.status < 300:
            raise Fault("proxy_error", f"the proxy answered {reader.head.status} to CONNECT {host}")

    # Bytes.

    def send(self, data: object) -> None:
        """Send all, unless the answer makes it vain; what has come meanwhile is in the exchange.

        That the peer takes no more is not raised: an answer, or a TLS alert, may be waiting to be read.
        """
        assert isinstance(data, bytes | bytearray)
        assert self.sock is not None
        view = memoryview(data)
        self.sock.settimeout(0)
        while view and not self._answered:
            write = True
            try:
                view = view[self.sock.send(view) :]
            except ssl.SSLWantReadError:
                write = False
            except BLOCKED:
                pass
            except CLOSED:
                break
            if view and wait_for_socket(self.sock, read=True, write=write, timeout=self.attempt.left()):
                self._listen()
        self.unsent = self.unsent or len(view) > 0

    @property
    def _answered(self) -> bool:
        """Whether the rest of the request need not be sent (RFC 9112 9.5); 100 and 102 are no answer."""
        exchange = self.attempt.exchange
        head = exchange.reader.head
        return exchange.done or (head is not None and head.status >= 300)

    def _listen(self) -> None:
        """Take what there is, without waiting: maybe nothing, or only what is between the TLS layers."""
        assert self.sock is not None
        exchange, buffer = self.attempt.exchange, _buffer()
        while exchange.phase == "sent" and not exchange.done:
            self.attempt.left()
            try:
                size = self.sock.recv_into(buffer)
            except BLOCKED:
                return
            self._take(bytes(buffer[:size]))

    def _take(self, data: bytes) -> None:
        if data:
            more = self.attempt.exchange.feed(data)
            if more is not None:
                for _ in more:
                    self.attempt.left()
        else:
            self.attempt.exchange.eof()

    def _receive(self) -> bytes:
        """What has come, waited for."""
        buffer = _buffer()
        size = self._patiently("recv_into", buffer)
        return bytes(buffer[:size])

    def _patiently(self, call: str, *args: object) -> Any:
        """What this method of the socket gives, waited for in slices."""
        assert self.sock is not None
        while True:
            self.sock.settimeout(self.attempt.left())
            try:
                return getattr(self.sock, call)(*args)
            except TimeoutError as error:
                if error.errno:  # the system's own, not that of this slice
                    raise


class WiredTLS(Wired, HTTPSConnection):
    """The same over TLS."""

    def connect(self) -> None:
        """Connect, then shake hands."""
        super().connect()
        assert self.sock is not None
        began = time.monotonic()
        # Without suppress_ragged_eofs an end without close_notify is an error, as it must be.
        self.sock = self.attempt.network.context().wrap_socket(
            self.sock,
            server_hostname=self.host.strip("[]").rstrip(".").partition("%")[0],
            do_handshake_on_connect=False,
            suppress_ragged_eofs=False,
        )
        self._patiently("do_handshake")
        self.attempt.exchange.tls = time.monotonic() - began


def _buffer() -> memoryview:
    """Where this thread receives: a new buffer for each piece, cut to its size, leaves holes in the heap."""
    buffer: memoryview | None = getattr(LOCAL, "buffer", None)
    if buffer is None:
        buffer = LOCAL.buffer = memoryview(bytearray(PIECE))
    return buffer


class Pool(HTTPConnectionPool):
    """Connections to one host."""

    ConnectionCls = Wired


class PoolTLS(HTTPSConnectionPool):
    """Connections to one host over TLS."""

    ConnectionCls = WiredTLS
