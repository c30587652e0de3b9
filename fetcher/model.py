"""What is asked and what came back: Request, Result, Options.

A Request carries its own history through hops and retries; a Result points back at it. So no part between
the list and the record keeps a table of what is in flight (but `feeds.limits`, which counts per host).
Times named `now`, `began`, `finished` and `deadline` are seconds of one monotonic clock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

Pairs = tuple[tuple[str, str], ...]  # header fields in the order they are sent


@dataclass(slots=True)
class Options:
    """Everything a run may be told. Every field has the name and the meaning of its `--option`.

    Durations are seconds, sizes bytes, rates requests per second; 0 switches a limit off.
    """

    concurrency: int = 0  # 0: what the engine says is right for it
    per_host: int | None = None  # None: 8, but unlimited on loopback
    rate: float = 0.0
    host_rate: float = 0.0
    timeout: float = 30.0  # one attempt, from lookup to last byte
    connect_timeout: float = 10.0  # lookup, TCP and TLS together
    deadline: float = 0.0  # one URL, from its first attempt on, waits and retries included
    retries: int = 2
    max_size: int = 0  # decoded body bytes; 0: 1 GiB, or 64 MiB where a reader keeps the body
    max_redirects: int = 10  # 0: a redirect is the answer
    header: Pairs = ()
    header_for: tuple[tuple[str, str, str], ...] = ()  # (origin, name, value)
    method: str = "GET"
    data: bytes | None = None
    auth: str = ""  # "user:password"
    user_agent: str = ""
    proxy: str = ""
    cacert: str = ""
    cert: str = ""
    insecure: bool = False
    robots: bool = False
    deny_private: bool = False
    resolve: tuple[tuple[str, int, str], ...] = ()  # (host, port, address)
    family: int = 0  # 4 or 6; 0: both
    http: str = "1.1"
    hash: bool = False
    save: str = ""  # a directory
    unique: bool = False
    headers: tuple[str, ...] = ()  # response fields that go into the record, lower case


@dataclass(slots=True, eq=False)
class Request:
    """One URL to ask, and all that has happened to it so far."""

    url: str  # as given, userinfo masked
    row: int = 0
    input: str = ""
    method: str = "GET"
    data: bytes | None = None
    # Where this hop goes (set by `urls.aim`), and what is sent there after `Host` (set by `headers.sent`).
    wire: str = ""  # the normalised URL: what is asked
    scheme: str = ""
    authority: str = ""  # the Host field
    target: str = ""  # path and query, the request target
    host: str = ""  # name:port, always with the port; what limits are counted by
    headers: Pairs = ()
    # Secrets: for whom, and which.
    origin: str = ""  # scheme://authority that the user's own headers belong to
    login: str = ""  # "user:password" of the URL's userinfo
    cookies: tuple[tuple[str, str, str], ...] = ()  # (origin, name, value), set within this chain of hops
    # What the loop is to do with it.
    readers: tuple[str, ...] = ("count",)
    purpose: str = "page"  # or "robots"
    fresh: bool = False  # on a new connection, please
    timeout: float = 30.0  # this attempt; set by `begin`
    # History.
    hops: tuple[tuple[str, int], ...] = ()  # (url, status) of every redirect so far
    tries: int = 0  # attempts at this hop
    attempts: int = 0  # requests sent, hops and retries together
    began: float = -1.0  # monotonic; below 0: not yet
    started: str = ""  # RFC 3339, UTC
    deadline: float = 0.0  # monotonic; 0: none
    depth: int | None = None
    referrer: str | None = None

    def begin(self, now: float, options: Options) -> None:
        """An attempt starts: count it, and set how long it may take."""
        self.attempts += 1
        self.tries += 1
        if self.began < 0:
            self.began = now
            self.started = utc_now()
            if options.deadline:
                self.deadline = now + options.deadline
        self.timeout = options.timeout
        if self.deadline:
            self.timeout = max(min(options.timeout, self.deadline - now), 0.001)

    def answer(
        self, now: float, error: str | None = None, message: str | None = None, **facts: Any
    ) -> Result:
        """The Result of this request at the time `now`; `facts` are further fields of the record."""
        return Result(
            row=self.row,
            input=self.input,
            url=self.url,
            final_url=self.wire or None,
            error=error,
            message=message,
            elapsed=max(now - self.began, 0.0) if self.began >= 0 else 0.0,
            attempts=self.attempts,
            redirects=[{"url": url, "status": status} for url, status in self.hops],
            started=self.started or utc_now(),
            depth=self.depth,
            referrer=self.referrer,
            request=self,
            **facts,
        )


@dataclass(slots=True, eq=False)
class Result:
    """One record: what became of one URL. The fields down to `headers` are the record, in this order."""

    row: int = 0
    input: str = ""
    url: str = ""
    final_url: str | None = None
    status: int | None = None
    error: str | None = None  # a key of errors.KINDS
    message: str | None = None
    size: int | None = None  # decoded body bytes; null unless the body was whole
    wire_size: int | None = None  # after de-chunking, before decoding; null unless whole
    content_type: str | None = None
    encoding: str | None = None
    content_length: int | None = None  # what the header said
    http_version: str | None = None
    ip: str | None = None
    elapsed: float = 0.0
    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    ttfb: float | None = None
    attempts: int = 0
    redirects: list[dict[str, Any]] = field(default_factory=list)
    started: str = ""
    engine: str = ""
    sha256: str | None = None
    depth: int | None = None
    referrer: str | None = None
    headers: dict[str, str] | None = None
    # Not part of the record.
    request: Request | None = None
    fields: Pairs = ()  # the response's header fields as they came
    reused: bool = False  # the connection had served another request before
    found: dict[str, Any] | None = None  # what readers made of the body

    @property
    def ok(self) -> bool:
        """No error and a status below 400."""
        return self.error is None and self.status is not None and self.status < 400

    def get(self, name: str) -> str | None:
        """The first header field of that (lower-case) name."""
        for key, value in self.fields:
            if key.lower() == name:
                return value
        return None

    def record(self, columns: tuple[str, ...]) -> dict[str, Any]:
        """The record as a dictionary of these columns (see `columns`)."""
        return {name: getattr(self, name) for name in columns}


COLUMNS: Final = (
    *("row", "input", "url", "final_url", "ok", "status", "error", "message", "size", "wire_size"),
    *("content_type", "encoding", "content_length", "http_version", "ip", "elapsed", "dns", "connect"),
    *("tls", "ttfb", "attempts", "redirects", "started", "engine"),
)
PARITY: Final = (
    *("ok", "status", "error", "final_url", "size", "wire_size"),
    *("content_type", "encoding", "redirects", "sha256"),
)


def columns(options: Options, *, crawl: bool = False) -> tuple[str, ...]:
    """The names of a record's fields in a run with these options."""
    more = ["sha256"] if options.hash else []
    more += ["depth", "referrer"] if crawl else []
    more += ["headers"] if options.headers else []
    return (*COLUMNS, *more)


def utc_now() -> str:
    """Now as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
