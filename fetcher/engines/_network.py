"""What every attempt of a requests engine may use, and how long it may wait.

Every wait is cut into slices: so a limit holds against drips and a cancel is noticed soon, without a watchdog
thread and without shutting down a socket that another thread uses.
"""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
import threading
import time
from typing import Final

from urllib3.connection import HTTPConnection
from urllib3.util.wait import wait_for_write

from fetcher.engines import _tls
from fetcher.engines._exchange import Exchange
from fetcher.engines._faults import kind_of
from fetcher.engines._proxy import Proxy
from fetcher.errors import Fault, UsageError
from fetcher.model import Options
from fetcher.resolve import Address, Resolver

SLICE: Final = 0.2  # seconds: being cancelled is never noticed later
NEVER: Final = float("inf")
CONNECTING: Final = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0))


class Network:
    """What all workers of one process share: the resolver, the TLS context, the proxy."""

    def __init__(self, options: Options) -> None:
        if not issubclass(HTTPConnection, http.client.HTTPConnection):
            raise UsageError(
                "the urllib3 installed is not urllib3 (niquests puts urllib3-future in its place): "
                "pip uninstall niquests urllib3-future, then pip install --force-reinstall urllib3"
            )
        self.connect_timeout = options.connect_timeout or NEVER
        self.proxy = Proxy.parse(options.proxy) if options.proxy else None
        self._options = options
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        if options.cacert or options.cert:
            self.context()  # a file that cannot be used ends the run before it begins
        self.resolver = Resolver(options)

    def context(self) -> ssl.SSLContext:
        """The TLS context, made when it is first needed."""
        with self._lock:
            if self._context is None:
                self._context = _tls.context(self._options)
            return self._context

    def close(self) -> None:
        """End the threads of the resolver."""
        self.resolver.close()


class Attempt:
    """One attempt on its way: its exchange, and how long it may still wait."""

    __slots__ = ("cancelled", "connect_ends", "ends", "exchange", "network")

    def __init__(self, exchange: Exchange, network: Network, cancelled: threading.Event) -> None:
        self.exchange = exchange
        self.network = network
        self.cancelled = cancelled
        self.ends = exchange.began + exchange.request.timeout
        self.connect_ends = min(self.ends, exchange.began + network.connect_timeout)

    def left(self, share: float = NEVER) -> float:
        """Seconds to wait before asking again. Raises TimeoutError at the end, Fault when cancelled."""
        if self.cancelled.is_set():
            raise Fault("cancelled")
        ends = self.ends if self.exchange.phase == "sent" else self.connect_ends
        left = min(ends, share) - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, SLICE)

    def look_up(self, host: str, port: int) -> tuple[Address, ...]:
        """The addresses of that name."""
        answer = self.network.resolver.ask(host, port)
        while True:
            left = self.left()
            try:
                return answer.result(left)
            except TimeoutError:
                continue

    def dial(self, addresses: tuple[Address, ...]) -> tuple[socket.socket, str]:
        """Connect to the first of these addresses that takes it; each has its share of the time."""
        failed: Exception | None = None
        for number, address in enumerate(addresses):
            now = time.monotonic()
            share = now + (self.connect_ends - now) / (len(addresses) - number)
            try:
                return self._reach(address, share), str(address[1][0])
            except OSError as error:
                # A refusal says more than that this machine has no route for IPv6.
                if failed is None or _fault(failed) == "connect_unreachable":
                    failed = error
        assert failed is not None
        raise failed

    def _reach(self, address: Address, share: float) -> socket.socket:
        family, at = address
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            code = sock.connect_ex(at)
            if code in CONNECTING:
                while not wait_for_write(sock, self.left(share)):
                    pass
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, "connect")
        except BaseException:
            sock.close()
            raise
        return sock


def _fault(error: Exception) -> str:
    return kind_of(error, phase="connect", started=False).kind
