"""What libcurl knows and the bytes do not say: times, connections, heads and ends of HTTP/2 and 3."""

from __future__ import annotations

from typing import Any

import pycurl

from fetcher.engines._curl_idle import Ends, Idle
from fetcher.engines._exchange import Exchange


def measure(exchange: Exchange, handle: Any) -> None:
    """Note the times on the exchange; the phases of a pooled connection are null."""
    get = handle.getinfo
    before = exchange.dns or 0.0  # where the lookup was ours, libcurl's clock began after it
    if exchange.reused or (exchange.phase == "sent" and not get(pycurl.NUM_CONNECTS)):
        exchange.reused = True
        exchange.dns = None
    else:
        _measure_new(exchange, get)
    if exchange.ttfb is not None:  # our own clock, which reads later: libcurl notes the first byte
        exchange.ttfb = get(pycurl.STARTTRANSFER_TIME) + before


def _measure_new(exchange: Exchange, get: Any) -> None:
    if exchange.ip is None:
        exchange.ip = get(pycurl.PRIMARY_IP) or None
    connect = get(pycurl.CONNECT_TIME)
    if connect:
        lookup = get(pycurl.NAMELOOKUP_TIME)
        exchange.connect = max(connect - lookup, 0.0)
        secure = get(pycurl.APPCONNECT_TIME)
        exchange.tls = max(secure - connect, 0.0) if secure else None
        if exchange.dns is None:
            exchange.dns = lookup


def is_multiplexed(exchange: Exchange) -> bool:
    """Whether the answer came over HTTP/2 or 3, where libcurl alone knows how a body ends."""
    head = exchange.reader.head
    return head is not None and head.version >= "2"


def keep(exchange: Exchange, handle: Any, idle: Idle, ends: Ends) -> None:
    """The response is whole: watch its connection, if libcurl keeps it."""
    head = exchange.reader.head
    if exchange.reader.rest:
        idle.distrust(ends)
        return
    if head is None or (exchange.reused and not head.close) or head.version >= "2":
        return  # watched already; or one on which the streams of others are under way at any time
    if head.chunked if head.close else head.version == "1.0":
        # Not to be trusted (RFC 9112 6.1); or, asked again, libcurl would speak HTTP/1.0 there.
        idle.distrust(ends)
    elif not head.close:
        idle.keep(ends, handle.getinfo(pycurl.ACTIVESOCKET))


def serves_on(exchange: Exchange) -> bool:
    """Whether the connection may serve again: asked on one of HTTP/1.0, libcurl would speak that."""
    head = exchange.reader.head
    return exchange.reusable and head is not None and head.version != "1.0"


def judge(exchange: Exchange, lines: list[bytes], http: str) -> None:
    """Hand the head over. Raises Fault."""
    raw = b"".join(lines)
    if raw[:7] in (b"HTTP/2 ", b"HTTP/3 ") and http != "1.1":
        exchange.feed(_as_1_0(lines))
        if exchange.reader.head is not None:
            exchange.reader.head.version = raw[5:6].decode()
    elif raw:
        exchange.feed(raw)


def _as_1_0(lines: list[bytes]) -> bytes:
    """A head of HTTP/2 or 3 as one of a body that ends with the connection; its framing is libcurl's."""
    last = max(n for n, line in enumerate(lines) if line.startswith(b"HTTP/"))
    status = lines[last].split(b" ")[1].strip()
    return b"HTTP/1.0 %s\r\n" % status + b"".join(lines[last + 1 :])
