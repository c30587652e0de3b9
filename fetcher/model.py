"""What is asked and what came back: Request and Result.

A Request carries its own history through hops and retries; a Result points back at it. So no part between
the list and the record keeps a table of what is in flight (but `feeds.limits`, which counts per host).
Times named `now`, `began`, `finished` and `deadline` are seconds of one monotonic clock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from fetcher.options import Options as Options
from fetcher.options import Pairs as Pairs
from fetcher.options import check as check

IDEMPOTENT: Final = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})  # RFC 9110 9.2.2
FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})  # RFC 9110 15.4


@dataclass(slots=True, eq=False)
class Request:
    """One URL to ask, and all that has happened to it so far."""

    url: str  # as given, userinfo masked
    row: int = 0
    input: str = ""
    method: str = "GET"
    data: bytes | None = field(default=None, repr=False)
    # Where this hop goes (set by `urls.aim`), and what is sent there after `Host` (set by `headers.sent`).
    wire: str = ""  # the normalised URL: what is asked
    scheme: str = ""
    authority: str = ""  # the Host field
    target: str = ""  # path and query, the request target
    host: str = ""  # name:port, always with the port; what limits are counted by
    headers: Pairs = field(default=(), repr=False)
    # Secrets: for whom, and which.
    origin: str = ""  # scheme://authority that the user's own headers belong to
    own: Pairs = field(default=(), repr=False)  # header fields that a caller gave on his Request
    login: str = field(default="", repr=False)  # "user:password" of the URL's userinfo
    # (origin, name, value), set within this chain of hops
    cookies: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)
    # What the loop is to do with it.
    readers: tuple[str, ...] = ("count",)
    purpose: str = "page"  # or "robots"
    fresh: bool = False  # on a new connection, please
    timeout: float = 30.0  # this attempt; set by `begin`
    # History.
    hops: tuple[tuple[str, int], ...] = ()  # (url, status) of every redirect so far
    asked: tuple[
        tuple[str, str, int], ...
    ] = ()  # (method, url, hash of the cookies sent) of every hop so far
    owed: bool = False  # it has begun, and the feeds inside `Limits` hold it
    tries: int = 0  # attempts at this hop
    attempts: int = 0  # requests sent, hops and retries together
    began: float = -1.0  # monotonic; below 0: not yet
    started: str = ""  # RFC 3339, UTC
    deadline: float = 0.0  # monotonic; 0: none
    due: float = 0.0  # when a load test wanted it to start; monotonic
    lateness: float = 0.0  # seconds that it started later for want of the client's time, not of a slot
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
        # By position, then by assignment: a keyword for each of 30 fields costs as much as parsing the head.
        result = Result(self.row, self.input, self.url, self.wire or None, None, error, message)
        if self.began >= 0:
            result.elapsed = max(now - self.began, 0.0)
        result.attempts = self.attempts
        if self.hops:
            result.redirects = [{"url": url, "status": status} for url, status in self.hops]
        result.started = self.started or utc_now()
        result.depth = self.depth
        result.referrer = self.referrer
        result.request = self
        for name, value in facts.items():
            setattr(result, name, value)
        return result


@dataclass(slots=True, eq=False)
class Result:
    """One record: what became of one URL. The fields down to `saved` are the record, in this order."""

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
    saved: str | None = None  # the file that --save wrote
    # Not part of the record.
    request: Request | None = field(default=None, repr=False)
    fields: Pairs = field(default=(), repr=False)  # the response's header fields as they came
    reused: bool = field(default=False, repr=False)  # the connection had served another request before
    found: dict[str, Any] | None = field(default=None, repr=False)  # what readers made of the body

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

    def record(self, columns: tuple[str, ...] | None = None) -> dict[str, Any]:
        """The record as a dictionary of these columns (see `columns`); None: those of every record."""
        return {name: getattr(self, name) for name in (COLUMNS if columns is None else columns)}


COLUMNS: Final = (
    *("row", "input", "url", "final_url", "ok", "status", "error", "message", "size", "wire_size"),
    *("content_type", "encoding", "content_length", "http_version", "ip", "elapsed", "dns", "connect"),
    *("tls", "ttfb", "attempts", "redirects", "started", "engine"),
)
MORE: Final = ("sha256", "depth", "referrer", "headers", "saved")  # which some runs have, in this order
PARITY: Final = (
    *("ok", "status", "error", "final_url", "size", "wire_size"),
    *("content_type", "encoding", "redirects", "sha256"),
)


def columns(options: Options, *, crawl: bool = False) -> tuple[str, ...]:
    """The names of a record's fields in a run with these options."""
    more = ["sha256"] if options.hash else []
    more += ["depth", "referrer"] if crawl else []
    more += ["headers"] if options.headers else []
    more += ["saved"] if options.save else []
    return (*COLUMNS, *more)


def utc_now() -> str:
    """Now as RFC 3339 in UTC, to the millisecond."""
    return _at(int(time.time() * 1000))


@lru_cache(2)
def _at(millisecond: int) -> str:
    """Kept, because it is asked for every URL, and they start in batches."""
    second, rest = divmod(millisecond, 1000)
    return f"{_until_second(second)}.{rest:03d}Z"


@lru_cache(2)
def _until_second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
