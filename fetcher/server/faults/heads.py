"""Header fields that RFC 9110 forbids, heads that are too large, and odd ones that are neither."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fetcher.server.faults import Asked, Step, right, wrong
from fetcher.server.raw import HEAD, numbered, response

_BAD: Final[dict[str, tuple[str, str | bytes]]] = {
    "no-colon": ("A line without a colon.", "no colon"),
    "no-name": ("A field without a name.", ": value"),
    "nul-in-value": ("A NUL in a value.", "X: a\0b"),
    "nul-in-name": ("A NUL in a name.", "X\0: a"),
    "cr-in-value": ("A CR in a value.", "X: a\rb"),
    "two-crs": ("Two CRs before the LF.", "X: a\r"),
    "blank-before-colon": ("A blank before the colon.", "Content-Length : 0"),
    "blank-in-name": ("A blank in a name.", "Set Cookie: a=b"),
    "utf-8-name": ("A name that is not ASCII.", "Größe: 5".encode()),
    "fold-first": ("A folded line with nothing above it.", " folded: x"),
}
_LONG: Final = {
    "many": ("10,000 fields.", ["X: y"] * 10_000),
    "1001": ("1,001 fields, the length among them.", ["X: y"] * 1000),
    "long-line": ("A field of 70 kB.", ["X: " + "x" * 70_000]),
    "megabyte": ("A field of 1 MB.", ["X: " + "x" * 1_000_000]),
    "heavy": ("300 kB in fields of 10 kB.", ["X: " + "x" * 10_000] * 30),
}
_FINE: Final[dict[str, tuple[str, list[str | bytes]]]] = {
    "20kB": ("A field of 20 kB.", ["X: " + "x" * 20_000]),
    "60kB": ("A field of 60 kB.", ["X: " + "x" * 60_000]),
    "1000": ("1,000 fields, the length among them.", ["X: y"] * 999),
    "latin-1": ("Values in Latin-1 and in UTF-8.", [b"X: \xff", "Y: ü".encode()]),
    "no-value": ("A field without a value.", ["X:"]),
}


def _endless(_asked: Asked) -> Iterator[Step]:
    yield HEAD
    number = 0
    while True:
        yield numbered("X-{0}: y\r\n", range(number, number + 100))
        number += 100


def _endless_line(_asked: Asked) -> Iterator[Step]:
    yield HEAD + b"X: "
    while True:
        yield b"x" * 8192


_CUT: Final = {
    "cut": ("Cut between two lines.", b"X: y\r\n"),
    "cut-in-line": ("Cut inside a line.", b"X: y\r\nContent-Le"),
    "cut-in-bad-line": ("Cut inside a line that might become a bad one.", b"X: y\r\nno colon"),
}
_LF: Final = b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"
_SLICED: Final = tuple(response(b"hi")[at : at + 3] for at in range(0, 42, 3))

FAULTS: Final = [
    *(wrong(name, says, response(b"", line), "bad_header") for name, (says, line) in _BAD.items()),
    *(wrong(name, says, response(b"", *lines), "header_too_large") for name, (says, lines) in _LONG.items()),
    wrong("endless", "Fields without end.", _endless, "header_too_large"),
    wrong("endless-line", "One field without end.", _endless_line, "header_too_large"),
    *(wrong(name, says, (HEAD + rest,), "truncated") for name, (says, rest) in _CUT.items()),
    wrong(
        "bad-then-cut", "A bad line, then cut: the line is it.", (HEAD + b"bad\r\nX: y\r\n",), "bad_header"
    ),
    *(right(name, says, response(b"ok", *lines), b"ok") for name, (says, lines) in _FINE.items()),
    right("fold", "A folded length.", HEAD + b"Content-Length:\r\n 5\r\n\r\nhello", b"hello"),
    right("lf", "Lines that end in LF alone.", _LF, b"hello"),
    right("sliced", "A good answer, three bytes a write.", _SLICED, b"hi"),
]
