"""Content codings that are cut short, broken, nested, called by a wrong name, or unknown."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from fetcher.server.coders import coded
from fetcher.server.faults import Asked, End, Fault, Script, Step, right, wrong
from fetcher.server.raw import BODY, LAST, NEEDS, chunks, head, response

_PACKED: Final = gzip.compress(BODY, mtime=0)
_RAW: Final = zlib.compress(BODY)[2:-4]  # deflate without the zlib format round it


def _whole(coding: str) -> bytes:
    return b"".join(coded(coding, [BODY]))


def _framed(coding: str, framing: str, cut: Callable[[bytes], bytes]) -> Script:
    """The body in that coding, cut, in framing that is right."""

    def script(_asked: Asked) -> Iterator[Step]:
        body, field = cut(_whole(coding)), f"Content-Encoding: {coding}"
        if framing == "length":
            yield response(body, field)
        elif framing == "chunked":
            yield head(field, "Transfer-Encoding: chunked") + chunks(body) + LAST
        else:
            yield head(field) + body
            yield End.EOF

    return script


def _of(coding: str) -> Iterator[Fault]:
    needs: dict[str, Any] = {"needs": NEEDS.get(coding, "")}
    for framing, with_ in (("length", "a right length"), ("chunked", "whole chunks"), ("close", "no length")):
        says = f"Half of a {coding} body with {with_}."
        sends = _framed(coding, framing, lambda body: body[: len(body) // 2])
        yield wrong(f"{coding}-half-{framing}", says, sends, "truncated_encoding", 200, **needs)
    less = _framed(coding, "length", lambda body: body[:-1])
    yield wrong(
        f"{coding}-one-short", f"A {coding} body less one byte.", less, "truncated_encoding", 200, **needs
    )
    first = _framed(coding, "length", lambda body: body[:1])
    yield wrong(
        f"{coding}-one-byte", f"The first byte of a {coding} body.", first, "truncated_encoding", 200, **needs
    )
    plain = response(BODY, f"Content-Encoding: {coding}")
    yield wrong(
        f"{coding}-plain", f"A plain body that is called {coding}.", plain, "bad_encoding", 200, **needs
    )
    more = _framed(coding, "length", lambda body: body + b"more")
    yield wrong(f"{coding}-more", f"Something behind a {coding} body.", more, "bad_encoding", 200, **needs)
    yield right(coding, f"A {coding} body, as it should be.", _framed(coding, "chunked", bytes), **needs)


def _nested(times: int) -> bytes:
    body = BODY
    for _ in range(times):
        body = gzip.compress(body, mtime=0)
    return body


def _flipped(body: bytes, at: int) -> bytes:
    changed = bytearray(body)
    changed[at] ^= 0xFF
    return bytes(changed)


_GZIP: Final = "Content-Encoding: gzip"
_ONE: Final = response(_PACKED, _GZIP)
_SIX: Final = response(_nested(6), "Content-Encoding: " + ", ".join(["gzip"] * 6))
_BROKEN: Final = {
    "gzip-bad-check": ("A gzip body with a wrong checksum.", _flipped(_PACKED, -8)),
    "gzip-bad-length": ("A gzip body with a wrong length in it.", _flipped(_PACKED, -4)),
    "gzip-bad-middle": ("A gzip body that is broken in its middle.", _flipped(_PACKED, 10)),
    "gzip-second-bad": ("A second gzip member that is none.", _PACKED + b"\x1f\x8b\x08" + b"x" * 20),
}

FAULTS: Final = [
    *(fault for coding in ("gzip", "deflate", "br", "zstd") for fault in _of(coding)),
    *(
        wrong(name, says, response(body, _GZIP), "bad_encoding", 200)
        for name, (says, body) in _BROKEN.items()
    ),
    wrong("six", "Six times gzip: at most five are undone.", _SIX, "too_many_encodings", 200),
    wrong(
        "fifty",
        "Fifty times gzip, in as many lines.",
        response(b"", *[_GZIP] * 50),
        "too_many_encodings",
        200,
    ),
    right("five", "Five times gzip.", response(_nested(5), "Content-Encoding: " + ", ".join(["gzip"] * 5))),
    right("lines", "Twice gzip, in two lines.", response(_nested(2), _GZIP, _GZIP)),
    right("members", "Two gzip members, one behind the other.", response(_PACKED * 2, _GZIP), BODY * 2),
    right("padded", "A gzip body with NULs behind it, as tapes have.", response(_PACKED + bytes(9), _GZIP)),
    right("x-gzip", "The old name x-gzip.", response(_PACKED, "Content-Encoding: x-gzip")),
    right("upper-case", "The name in upper case.", response(_PACKED, "Content-Encoding: GZIP")),
    right("raw-deflate", "Deflate without the zlib format.", response(_RAW, "Content-Encoding: deflate")),
    right("identity", "The coding `identity`.", response(BODY, "Content-Encoding: identity")),
    right(
        "unknown",
        "A coding that nobody knows: the body is kept raw.",
        response(BODY, "Content-Encoding: lzw9"),
    ),
    right("empty", "No body at all, called gzip.", response(b"", _GZIP), b""),
    right("sliced", "Gzip, 97 bytes a write.", tuple(_ONE[n : n + 97] for n in range(0, len(_ONE), 97))),
]
