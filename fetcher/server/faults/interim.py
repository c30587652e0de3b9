"""Interim responses (1xx) before the answer: one, many, endless, or of the kind that ends HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fetcher.server.faults import Asked, Step, right, wrong
from fetcher.server.raw import BODY, head, response

_HINTS: Final = head("Link: </a.css>; rel=preload", status="103 Early Hints")
_GOING: Final = head(status="100 Continue")
_UPGRADE: Final = head("Upgrade: h2c", "Connection: Upgrade", status="101 Switching Protocols")


def _endless(_asked: Asked) -> Iterator[Step]:
    while True:
        yield _GOING * 10


FAULTS: Final = [
    right("100", "A 100 that nobody asked for.", _GOING + response()),
    right("102", "A 102.", head(status="102 Processing") + response()),
    right("103", "A 103, in one write with the answer.", _HINTS + response()),
    right("103-apart", "A 103, and the answer later.", (_HINTS, 0.05, response())),
    right("199", "A 199, which no RFC knows.", head(status="199 Odd") + response()),
    right("32", "32 of them.", _HINTS * 32 + response()),
    right(
        "with-length",
        "A 103 that has a Content-Length.",
        head("Content-Length: 9", status="103 x") + response(),
        BODY,
    ),
    wrong("33", "33 of them: one too many.", _HINTS * 33 + response(), "header_too_large"),
    wrong("1000", "1,000 of them.", _GOING * 1000 + response(), "header_too_large"),
    wrong("endless", "100 without end.", _endless, "header_too_large"),
    wrong(
        "large",
        "300 kB of them.",
        head("X: " + "x" * 60_000, status="103 x") * 5 + response(),
        "header_too_large",
    ),
    wrong("101", "A 101 that nobody asked for.", _UPGRADE + response(), "bad_framing"),
    wrong(
        "101-alone",
        "A 101 and then another protocol.",
        (_UPGRADE + b"\0\0\x12\x04" + bytes(20),),
        "bad_framing",
    ),
    wrong("nothing-more", "A 103, then an end of file.", (_HINTS,), "truncated"),
    wrong(
        "bad-field",
        "A 103 with a line that is no field.",
        head("bad", status="103 x") + response(),
        "bad_header",
    ),
]
