"""What the asyncio engine takes from aiohttp: its connections and their pool.

aiohttp connects, shakes hands, tunnels through proxies and pools; the resolver, the TLS context and the
protocol class `Wire` are ours. That takes some private names (`PRIVATE`); so its versions are pinned
(`VERSIONS`), and tests/test_asyncio_engine.py fails loudly when a name has moved.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import cached_property
from socket import AddressFamily
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from multidict import CIMultiDict
from yarl import URL

from fetcher.engines._aiosteps import ATTEMPT
from fetcher.engines._aiowire import Wire
from fetcher.engines._proxy import Proxy
from fetcher.errors import Fault, UsageError
from fetcher.model import Request
from fetcher.resolve import Resolver

VERSIONS: Final = "aiohttp>=3.14,<3.15"
PRIVATE: Final = ("_factory", "_conns", "_resolver", "_resolve_host")  # of TCPConnector
UNTIMED: Final = aiohttp.ClientTimeout()  # the engine keeps the time; aiohttp rounds it up to whole seconds
KEEPALIVE: Final = 60.0
ORIGINS: Final = 1024  # remembered; at more all are forgotten, and cost some microseconds once more


class Names(AbstractResolver):
    """Our resolver, as aiohttp wants it."""

    def __init__(self, resolver: Resolver) -> None:
        self._ours = resolver

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of that name. Raises Fault."""
        del family  # -4 and -6 are obeyed by ours
        attempt = ATTEMPT.get()
        attempt.mark = time.monotonic()
        asked = self._ours.ask(host, port)
        found = asked.result() if asked.done() else await asyncio.wrap_future(asked)
        attempt.step("dns")
        attempt.exchange.phase = "connect"
        return [
            ResolveResult(hostname=host, host=at[0], port=at[1], family=kind, proto=0, flags=0)
            for kind, at in found
        ]

    async def close(self) -> None:
        """Whoever made ours closes it."""


class Origin(aiohttp.ClientRequest):
    """Where to connect: scheme, host, port and proxy, as aiohttp's connector asks for them."""

    @cached_property
    def connection_key(self) -> ConnectionKey:  # aiohttp makes it anew each time
        """Which pooled connections serve it."""
        return super().connection_key

    def message(self, request: Request, proxy: Proxy | None) -> bytes:
        """The head as it goes over the wire: not a byte of target and headers is changed."""
        target, headers = request.target, request.headers
        if proxy is not None and request.scheme == "http":
            target = f"http://{request.authority}{target}"
            headers = (*headers, *proxy.headers)
        lines = [f"{request.method} {target} HTTP/1.1\r\nHost: {request.authority}\r\n"]
        lines += [f"{name}: {value}\r\n" for name, value in headers]
        head = "".join(lines)
        if head.count("\n") != len(lines) + 1 or head.count("\r") != len(lines) + 1:
            raise Fault("invalid_url", "a line break in the URL or in a header")
        return head.encode("latin-1") + b"\r\n"


class Connector(aiohttp.TCPConnector):
    """aiohttp's pool, in which names go through our resolver, connections are Wires, and few lie idle."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        resolver: Resolver,
        *,
        proxy: str = "",
        most_idle: int = 0,
        tls: Callable[[], ssl.SSLContext],
    ) -> None:
        keep: dict[str, Any] = {"keepalive_timeout": KEEPALIVE} if most_idle else {"force_close": True}
        super().__init__(loop=loop, limit=0, use_dns_cache=False, resolver=Names(resolver), **keep)
        missing = [name for name in PRIVATE if not hasattr(self, name)]
        if missing:
            words = f"aiohttp {aiohttp.__version__} has no {', '.join(missing)}, which this engine stands on"
            raise UsageError(f"{words}: pip install '{VERSIONS}'")
        self._factory = self._wire  # type: ignore[assignment]
        self.proxy = Proxy.parse(proxy) if proxy else None
        self._tls = tls
        self._origins: dict[tuple[str, str], Origin] = {}
        self._most_idle = most_idle
        self._idle: OrderedDict[Wire, ConnectionKey] = OrderedDict()
        self._wires: weakref.WeakSet[Wire] = weakref.WeakSet()

    def origin(self, scheme: str, authority: str) -> Origin:
        """What `connect` wants to know, made once."""
        found = self._origins.get((scheme, authority))
        if found is None:
            if len(self._origins) >= ORIGINS:
                self._origins.clear()
            found = self._origins[scheme, authority] = Origin(
                "GET",
                URL.build(scheme=scheme, authority=authority, path="/", encoded=True),
                loop=self._loop,
                ssl=self._tls() if scheme == "https" else True,
                **self._through(),
            )
        return found

    def _through(self) -> dict[str, Any]:
        """The proxy, and what it is told when a tunnel is asked for."""
        if self.proxy is None:
            return {}
        where = URL.build(scheme="http", host=self.proxy.host, port=self.proxy.port)
        return {"proxy": where, "proxy_headers": CIMultiDict(self.proxy.headers)}

    async def lend(self, origin: Origin) -> tuple[Connection, Wire]:
        """A connection to that origin that is up, and quiet. Raises what aiohttp raises, or Fault."""
        while True:
            connection = await self.connect(origin, [], UNTIMED)
            wire = connection.protocol
            assert isinstance(wire, Wire)
            self._idle.pop(wire, None)
            if not wire.served or not wire.stirred():
                return connection, wire
            self.discard(connection)

    def take_back(self, connection: Connection, origin: Origin) -> None:
        """The connection may serve again. If too many lie idle, the one idle longest is closed."""
        wire = connection.protocol
        if not self._most_idle or not isinstance(wire, Wire):
            self.discard(connection)
            return
        connection.release()
        self._idle[wire] = origin.connection_key
        if len(self._idle) > self._most_idle:
            oldest, key = self._idle.popitem(last=False)
            self._forget(oldest, key)
            oldest.drop()

    def discard(self, connection: Connection) -> None:
        """The connection is not to be used again."""
        if isinstance(connection.protocol, Wire):
            connection.protocol.drop()
        connection.close()

    def abort(self) -> None:
        """Close every connection at once."""
        for wire in list(self._wires):
            wire.drop()

    def _wire(self) -> Wire:
        wire = Wire(self._loop, self._lost)
        self._wires.add(wire)
        return wire

    def _lost(self, wire: Wire) -> None:
        key = self._idle.pop(wire, None)
        if key is not None:
            self._forget(wire, key)

    def _forget(self, wire: Wire, key: ConnectionKey) -> None:
        """Out of the pool: aiohttp would keep what is left of a closed connection for up to two minutes."""
        pooled = self._conns.pop(key, ())
        left = [entry for entry in pooled if entry[0] is not wire]
        if left:
            self._conns[key] = deque(left)

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> list[ResolveResult]:
        """Addresses are judged too: aiohttp asks no resolver about them."""
        del traces
        return await self._resolver.resolve(host, port)
