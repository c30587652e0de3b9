"""What /bytes, /delay and /status answer, as values: so both halves of the server answer alike."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qs

PIECE = 1 << 16
WHOLE = 2 << 20  # bodies up to this size are made once and kept

_PATH = re.compile(r"/(bytes|delay|status)/(\d{1,15}|\d{1,6}\.\d{0,9})(?:/(\d{1,15}))?", re.ASCII)
_DELAYED = 100  # bytes of /delay/S
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_MUST = {  # fields without which such a status is no valid answer (RFC 9110)
    401: ("WWW-Authenticate", 'Basic realm="fetch"'),
    405: ("Allow", "GET, HEAD"),
    407: ("Proxy-Authenticate", 'Basic realm="fetch"'),
    426: ("Upgrade", "h2c"),
}


class Plan(NamedTuple):
    """One answer: `length` body bytes after `delay` seconds. `length` None: none, and no Content-Length."""

    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    length: int | None
    delay: float = 0.0


def plan(target: str) -> Plan | None:
    """The answer to this request target; None if it is not one of ours."""
    path, _, query = target.partition("?")
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    kind, first, second = match.groups()
    if kind == "delay":
        return _body(int(second) if second else _DELAYED, float(first))
    if second or "." in first:
        return None
    return _body(int(first)) if kind == "bytes" else _status(int(first), query)


def _body(length: int, delay: float = 0.0) -> Plan:
    return Plan(200, "OK", (("Content-Type", "application/octet-stream"),), length, delay)


def _status(status: int, query: str) -> Plan | None:
    if not 200 <= status <= 999:  # 1xx is no final answer
        return None
    reason = _REASONS.get(status, "Odd")
    fields = [_MUST[status]] if status in _MUST else []
    after = parse_qs(query, encoding="latin-1").get("retry-after", [])[:1]
    fields += [("Retry-After", re.sub(r"[^\t\x20-\x7e]", "", value)) for value in after]
    if status in (204, 304):
        return Plan(status, reason, tuple(fields), None)
    if status == 205:
        return Plan(status, reason, tuple(fields), 0)
    return Plan(status, reason, (*fields, ("Content-Type", "application/octet-stream")), _DELAYED)


@lru_cache(maxsize=1)
def _block() -> bytes:
    """64 KiB of hexadecimal text: halves under gzip, and repeats too rarely to vanish under it."""
    return b"".join(hashlib.sha256(b"%d" % n).hexdigest().encode() for n in range(PIECE // 64))


@lru_cache(maxsize=32)
def body(length: int) -> bytes:
    """The body of that length, at most `WHOLE` bytes."""
    return (_block() * (length // PIECE + 1))[:length]


def pieces(length: int) -> Iterator[bytes]:
    """The body of that length in pieces of 64 KiB; the last one is shorter."""
    block = _block()
    for at in range(0, length, PIECE):
        yield block if length - at >= PIECE else block[: length - at]
