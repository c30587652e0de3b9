"""Responses put together from bytes, right or wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from fetcher.server.plan import body as filler

BODY: Final = filler(4000)  # hexadecimal text
HEAD: Final = b"HTTP/1.1 200 OK\r\n"
CHUNKED: Final = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LAST: Final = b"0\r\n\r\n"
# Coding -> the library that it needs.
NEEDS: Final = {
    "br": "brotli",
    "zstd": "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd",
}


def head(*fields: str | bytes, status: str = "200 OK", version: str = "1.1") -> bytes:
    """A head with these fields, such as "Content-Length: 5", and no others."""
    lines = [f"HTTP/{version} {status}", *fields]
    coded = [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
    return b"\r\n".join([*coded, b"", b""])


def response(body: bytes = BODY, *fields: str | bytes, status: str = "200 OK", version: str = "1.1") -> bytes:
    """A response whose Content-Length is right."""
    return head(*fields, f"Content-Length: {len(body)}", status=status, version=version) + body


def chunks(body: bytes = BODY, size: int = 1000) -> bytes:
    """The body in chunks, without the last one."""
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def moved(place: bytes | str, *more: str | bytes, status: str = "302 Found") -> bytes:
    """A redirect to this place."""
    coded = place if isinstance(place, bytes) else place.encode()
    return response(b"", b"Location: " + coded, *more, status=status)


def good(target: str) -> bytes:
    """The body of a well-behaved path, /good/ANYTHING: it names what was asked, so no two are alike."""
    return b"good: " + target.encode("latin-1")


def numbered(form: str, numbers: Iterable[int]) -> bytes:
    """The form once for each number."""
    return "".join(form.format(number) for number in numbers).encode()
