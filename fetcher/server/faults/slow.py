"""Answers that come late, byte by byte, or stop coming: all within a time limit of one second."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Final

from fetcher.server.faults import BRIEF, Asked, End, Fault, Script, Sends, Step, right, wrong
from fetcher.server.raw import BODY, CHUNKED, HEAD, LAST, chunks, head, response

_STEP: Final = 0.1  # of a drip: far below every limit for one read


def _late(name: str, says: str, sends: Sends, error: str, status: int | None = None) -> Fault:
    return wrong(name, says, sends, error, status, settings=BRIEF, at_least=1.0)


def _drip(start: bytes, drops: bytes, size: int = 1) -> Script:
    """`start` at once, then the rest again and again, so many bytes at a time."""

    def script(_asked: Asked) -> Iterator[Step]:
        if start:
            yield start
        while True:
            for at in range(0, len(drops), size):
                yield _STEP
                yield drops[at : at + size]

    return script


_HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
_COUNTED: Final = head(f"Content-Length: {len(BODY)}")
_PACKED: Final = gzip.compress(BODY, mtime=0)
_CODED: Final = head("Content-Encoding: gzip", f"Content-Length: {len(_PACKED)}")
_HANGING: Final = {
    "silent": ("Reads the request and says nothing.", b"", "read_timeout", None),
    "half-a-line": ("Half of a status line, then nothing.", b"HTTP/1.1 20", "read_timeout", None),
    "line": ("A status line, then nothing.", HEAD, "total_timeout", None),
    "half-a-head": ("Half of a head, then nothing.", HEAD + b"X: y\r\nContent-", "total_timeout", None),
    "head": ("A head, then nothing.", _COUNTED, "total_timeout", 200),
    "half-a-body": ("Half of a body, then nothing.", _COUNTED + BODY[:2000], "total_timeout", 200),
    "one-short": ("All but the last byte, then nothing.", _COUNTED + BODY[:-1], "total_timeout", 200),
    "no-end": ("A body without length, whose connection stays open.", head() + BODY, "total_timeout", 200),
    "no-chunk": ("A chunked head, then nothing.", CHUNKED, "total_timeout", 200),
    "no-last-chunk": ("All chunks but the last one, then nothing.", CHUNKED + chunks(), "total_timeout", 200),
    "no-final-crlf": ("No CRLF behind the last chunk.", CHUNKED + chunks() + LAST[:-2], "total_timeout", 200),
    "half-a-coding": ("Half of a gzip body, then nothing.", _CODED + _PACKED[:1000], "total_timeout", 200),
    "interim": ("A 103, then nothing.", _HINTS, "total_timeout", None),
    "redirect": (
        "Half of a redirect, then nothing.",
        b"HTTP/1.1 302 Found\r\nLocation: /good/",
        "total_timeout",
        None,
    ),
}

FAULTS: Final = [
    *(
        _late(name, says, (sent, End.HANG) if sent else (End.HANG,), error, status)
        for name, (says, sent, error, status) in _HANGING.items()
    ),
    _late(
        "drip-line", "A status line, byte by byte.", _drip(b"", b"HTTP/1.1 200 " + b"x" * 99), "read_timeout"
    ),
    _late("drip-head", "A head, byte by byte.", _drip(HEAD, b"X: aaaaaaaa\r\n"), "total_timeout"),
    _late("drip-fields", "A head, line by line.", _drip(HEAD, b"X: y\r\n", 6), "total_timeout"),
    _late("drip-body", "A body, byte by byte.", _drip(_COUNTED, b"x"), "total_timeout", 200),
    _late("drip-close", "A body without length, byte by byte.", _drip(head(), b"x"), "total_timeout", 200),
    _late("drip-chunks", "Chunks of one byte.", _drip(CHUNKED, b"1\r\nx\r\n", 6), "total_timeout", 200),
    _late(
        "drip-sizes",
        "The size of a chunk, byte by byte.",
        _drip(CHUNKED, b"1;xxxxxxxxxxxxx"),
        "total_timeout",
        200,
    ),
    _late(
        "drip-trailers",
        "Trailers, byte by byte.",
        _drip(CHUNKED + b"0\r\n", b"X: y\r\n"),
        "total_timeout",
        200,
    ),
    _late("drip-interim", "One 103 after the other.", _drip(b"", _HINTS, len(_HINTS)), "total_timeout"),
    _late("drip-coding", "A gzip body, byte by byte.", _drip(_CODED, _PACKED), "total_timeout", 200),
    right("in-time", "An answer that comes late, but in time.", (0.3, response(), End.KEEP), at_least=0.3),
    right(
        "stuttering",
        "An answer with pauses, all in time.",
        (HEAD, 0.1, response()[17:40], 0.1, response()[40:], End.KEEP),
        at_least=0.2,
    ),
]
