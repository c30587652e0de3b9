"""Content-Length that contradicts itself or the body, and bodies that end too early, or never."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fetcher.server.faults import SMALL, Asked, End, Script, Step, right, wrong
from fetcher.server.raw import BODY, head, response

_BAD: Final = {
    "unequal": ("Two lengths that differ.", ("4000", "3999")),
    "unequal-list": ("Two lengths that differ, in one line.", ("4000, 3999",)),
    "junk": ("A length that is no number.", ("many",)),
    "half-junk": ("A number, and more.", ("4000x",)),
    "negative": ("A negative length.", ("-4000",)),
    "plus": ("A length with a plus.", ("+4000",)),
    "hexadecimal": ("A hexadecimal length.", ("0xfa0",)),
    "underscore": ("A length that only Python reads.", ("4_000",)),
    "empty": ("An empty length.", ("",)),
    "two-numbers": ("Two numbers with a blank between.", ("4000 4000",)),
    "19-digits": ("A length of 19 digits.", ("1234567890123456789",)),
    "5000-digits": ("A length of 5,000 digits, for which int() raises.", ("9" * 5000,)),
}
_LIMIT: Final = SMALL["max_size"]
_HALF: Final = BODY[: len(BODY) // 2]
_SHORT: Final = head(f"Content-Length: {len(BODY)}") + _HALF
_TWICE: Final = (f"Content-Length: {len(BODY)}",) * 2


def _endless(*fields: str) -> Script:
    def script(_asked: Asked) -> Iterator[Step]:
        yield head(*fields)
        while True:
            yield b"x" * 65_536

    return script


FAULTS: Final = [
    *(
        wrong(name, says, (head(*(f"Content-Length: {one}" for one in values)) + BODY,), "bad_framing")
        for name, (says, values) in _BAD.items()
    ),
    wrong(
        "bad-on-204",
        "A bad length where none counts.",
        head("Content-Length: x", status="204 No"),
        "bad_framing",
    ),
    right("twice", "The same length twice.", head(*_TWICE) + BODY),
    right("list", "The same length twice in one line.", head("Content-Length: 4000, 4000") + BODY),
    right("zeros", "A length behind 5,000 zeros.", head(f"Content-Length: {'0' * 5000}4000") + BODY),
    right("none", "No length: the body ends with the connection.", (head(), BODY)),
    right("none-at-all", "Neither length nor body.", (head(),), b""),
    wrong("short", "Half of the body, then an end of file.", (_SHORT,), "truncated", 200),
    wrong("no-body", "A length, then an end of file.", (head("Content-Length: 4000"),), "truncated", 200),
    wrong("one-short", "One byte less than the length says.", (response()[:-1],), "truncated", 200),
    wrong(
        "petabytes",
        "Says 999 TB, and sends half a page.",
        (head(f"Content-Length: {'9' * 15}") + _HALF,),
        "truncated",
        200,
    ),
    wrong("short-reset", "Half of the body, then a reset.", (_SHORT, 0.05, End.RESET), "reset", 200),
    wrong(
        "none-reset",
        "A body without length, ended by a reset.",
        (head(), BODY, 0.05, End.RESET),
        "reset",
        200,
    ),
    wrong("endless", "A body without end, nor length.", _endless(), "body_too_large", 200),
    wrong(
        "endless-counted", "A body of 999 TB.", _endless(f"Content-Length: {'9' * 15}"), "body_too_large", 200
    ),
    wrong(
        "over",
        "A body one byte over --max-size.",
        response(bytes(_LIMIT + 1)),
        "body_too_large",
        200,
        settings=SMALL,
    ),
    right("at", "A body of --max-size.", response(bytes(_LIMIT)), bytes(_LIMIT), settings=SMALL),
]
