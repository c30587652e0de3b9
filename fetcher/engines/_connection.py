"""The urllib3 connection of the requests engines: how one comes to be, through a proxy or TLS, and serves."""

from __future__ import annotations

import http.client
import socket
import time

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from fetcher.engines import _transfer as transfer
from fetcher.engines._faults import kind_of
from fetcher.engines._network import Attempt
from fetcher.errors import Fault
from fetcher.framing import Reader


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
            transfer.take(self.attempt, self._receive())
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

    def send(self, data: object) -> None:
        """Send all, unless the answer makes it vain."""
        assert isinstance(data, bytes | bytearray)
        assert self.sock is not None
        self.unsent = transfer.send(self.sock, self.attempt, data) > 0 or self.unsent

    def _receive(self) -> bytes:
        assert self.sock is not None
        return transfer.receive(self.sock, self.attempt)


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
        transfer.patiently(self.sock, self.attempt, "do_handshake")
        self.attempt.exchange.tls = time.monotonic() - began


class Pool(HTTPConnectionPool):
    """Connections to one host."""

    ConnectionCls = Wired


class PoolTLS(HTTPSConnectionPool):
    """Connections to one host over TLS."""

    ConnectionCls = WiredTLS
