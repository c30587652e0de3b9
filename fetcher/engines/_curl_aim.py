"""What an easy handle of the curl engine is aimed at: only what differs from its last request is set."""

from __future__ import annotations

import time
from typing import Any, Final

import pycurl

from fetcher.addresses import local
from fetcher.engines._curl_setup import Setup
from fetcher.engines._exchange import Exchange
from fetcher.errors import Fault
from fetcher.model import IDEMPOTENT, Pairs, Request
from fetcher.resolve import Address

FRESH: Final = 1.0  # seconds; libcurl forgets the addresses it was given after 4 (`_curl_setup.KEPT`)


class Aim:
    """A handle and the attempt it is to make."""

    __slots__ = (
        *("exchange", "handle", "lines", "stirred"),
        *("_given", "_given_at", "_headers", "_host", "_known", "_limits", "_plain", "_setup"),
    )

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.exchange: Exchange = None  # type: ignore[assignment]  # set before every start
        self.lines: list[bytes] = []  # header lines, as they came
        self.stirred = False  # the pooled connection was not quiet
        self._new_handle()

    def _new_handle(self) -> None:
        self.handle: Any = pycurl.Curl()
        self._setup.prepare(self.handle)
        self._host = ""  # what the handle is aimed at
        self._known = ""  # a host that needs no lookup
        self._given = ""  # the addresses of a name, and when libcurl was given them
        self._given_at = 0.0
        self._headers: Pairs | None = None
        self._limits = (0.0, 0.0)
        self._plain = True  # only GET without a body, on whatever connection
        self.handle.setopt(pycurl.HEADERFUNCTION, self.lines.append)

    def knows(self, request: Request) -> bool:
        """Whether nothing is to be looked up: the host is an address, or the proxy's affair."""
        if request.host == self._known:
            return True
        options = self._setup.options
        if request.host.endswith(":0"):
            return False  # the resolver refuses it
        if not options.proxy:
            if options.deny_private or options.resolve or options.family:
                return False
            host = request.host.rpartition(":")[0]
            if not (host[:1] == "[" or host.replace(".", "").isdecimal()):
                return False
            if options.private_only and not local(host.strip("[]")):
                return False  # it may be allowed; that is the resolver's to say
        self._known = request.host
        return True

    def address(self, addresses: tuple[Address, ...]) -> None:
        """Connect to these: libcurl looks nothing up itself."""
        host, _, port = self.exchange.request.host.rpartition(":")
        given = f"+{host}:{port}:" + ",".join(f"[{at[0]}]" if ":" in at[0] else at[0] for _, at in addresses)
        now = time.monotonic()
        if given != self._given or now - self._given_at > FRESH:
            self._given, self._given_at = given, now
            self.handle.setopt(pycurl.RESOLVE, [given])

    def start(self) -> None:
        """Set what differs from the last request of this handle. The engine adds it to the multi."""
        exchange = self.exchange
        request, set_ = exchange.request, self.handle.setopt
        where = f"{request.scheme}://{request.authority}/"
        if where != self._host:
            self._host = where
            set_(pycurl.URL, where)
        target = request.target
        if not (target.isascii() and target.isprintable()):
            raise Fault("invalid_url", "a control character in the URL")
        if self._setup.proxy is not None and request.scheme == "http":
            target = f"http://{request.authority}{target}"
        set_(pycurl.REQUEST_TARGET, target)
        if request.headers is not self._headers or request.data is not None:
            self._headers = request.headers if request.data is None else None
            set_(pycurl.HTTPHEADER, self._setup.fields(request.headers, body=request.data is not None))
        spent = 0.0 if exchange.dns is None else round(exchange.dns, 3)
        limits = (request.timeout - spent, self._setup.options.connect_timeout - spent)
        if limits != self._limits:
            self._limits = limits
            set_(pycurl.TIMEOUT_MS, max(round(limits[0] * 1000), 1))
            set_(pycurl.CONNECTTIMEOUT_MS, max(round(limits[1] * 1000), 1))
        if request.method != "GET" or request.data is not None or request.fresh:
            self._unusual(request)
        elif self._setup.surplus and request.host in self._setup.surplus:
            self._plain = False
            set_(pycurl.FRESH_CONNECT, 1)
        exchange.phase = "connect"

    def _unusual(self, request: Request) -> None:
        """Another method, a body, a connection of its own: the next request gets a new handle."""
        self._plain = False
        set_ = self.handle.setopt
        if request.data is not None:
            set_(pycurl.POSTFIELDS, request.data)
        if request.method == "HEAD":
            set_(pycurl.NOBODY, 1)
        else:
            set_(pycurl.CUSTOMREQUEST, request.method)
        # Over TLS, surplus of the last answer may only show once the request is out (`is_early`).
        if request.fresh or (request.scheme == "https" and request.method not in IDEMPOTENT):
            set_(pycurl.FRESH_CONNECT, 1)

    def again(self) -> None:
        """The same attempt, on a new connection."""
        self.stirred = False
        self._plain = False
        self.lines.clear()
        self.handle.setopt(pycurl.FRESH_CONNECT, 1)
