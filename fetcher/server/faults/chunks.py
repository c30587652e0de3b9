"""Chunked bodies: sizes that are none, ends that are missing, trailers, and framing that says two things."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fetcher.server.faults import Asked, End, Step, right, wrong
from fetcher.server.raw import BODY, CHUNKED, LAST, chunks, head, numbered

_SIZES: Final = {
    "negative": ("A negative size.", b"-5"),
    "negative-32": ("A size that is negative in 32 bits.", b"-80000000"),
    "negative-64": ("A size that is negative in 64 bits.", b"-8000000000000000"),
    "plus": ("A size with a plus.", b"+5"),
    "prefix": ("A size with 0x.", b"0x5"),
    "underscore": ("A size that only Python reads.", b"5_0"),
    "empty": ("An empty size.", b""),
    "blank": ("A blank before the size.", b" 5"),
    "letters": ("Letters for a size.", b"xyz"),
    "superscript": ("A digit that is none in ASCII.", b"\xb2"),
    "2-to-63": ("A size of 2 to the 63.", b"8000000000000000"),
    "2-to-64": ("A size of 2 to the 64.", b"1" + b"0" * 16),
    "16-digits": ("The largest size of 64 bits.", b"f" * 16),
    "20-digits": ("A size of 20 digits.", b"f" * 20),
    "2000-digits": ("A size of 2,000 digits.", b"f" * 2000),
    "cr-in-extension": ("A CR in an extension.", b"5;a\rb"),
    "nul-in-extension": ("A NUL in an extension.", b"5;a\0b"),
}
_CODINGS: Final = {
    "gzip": ("A transfer coding that nobody asked for.", ("gzip",)),
    "identity": ("The transfer coding `identity`, which is no more.", ("identity",)),
    "gzip-chunked": ("Two transfer codings.", ("gzip, chunked",)),
    "chunked-twice": ("Chunked in two lines.", ("chunked", "chunked")),
    "no-coding": ("An empty Transfer-Encoding.", ("",)),
}
_CUTS: Final = {
    "no-chunk": ("An end of file before the first chunk.", b""),
    "cut-size": ("An end of file inside a size.", b"fa"),
    "cut-chunk": ("An end of file inside a chunk.", chunks()[:1500]),
    "cut-gap": ("An end of file behind a chunk's CR.", chunks()[:-1]),
    "no-last": ("All chunks but the last one.", chunks()),
    "zero": ("Ends at `0`.", chunks() + b"0"),
    "zero-cr": ("Ends at `0 CR`.", chunks() + b"0\r"),
    "zero-extension": ("Ends behind the extension of the last chunk.", chunks() + b"0;x\r\n"),
    "zero-crlf": ("Ends at `0 CRLF`.", chunks() + b"0\r\n"),
    "zero-crlf-cr": ("Ends at `0 CRLF CR`.", chunks() + b"0\r\n\r"),
    "cut-in-trailer": ("An end of file inside a trailer.", chunks() + b"0\r\nX: y"),
    "cut-trailer": ("An end of file inside the trailers.", chunks() + b"0\r\nX: y\r\n"),
    "2-to-31": ("A chunk of 2 GiB that does not come.", b"80000000\r\nhello"),
    "2-to-63-less-1": ("The largest chunk there is, which does not come.", b"7fffffffffffffff\r\nhello"),
}
_LINES: Final = {
    "lf-size": ("LF alone behind a size.", b"5\nhello\r\n" + LAST),
    "lf-chunk": ("LF alone behind a chunk.", b"5\r\nhello\n" + LAST),
    "lf-last": ("LF alone behind the last chunk.", b"5\r\nhello\r\n0\n\r\n"),
    "lf-trailer": ("LF alone behind a trailer.", b"5\r\nhello\r\n0\r\nX: y\n\r\n"),
    "too-long": ("A chunk that is longer than its size.", b"5\r\nhello!\r\n" + LAST),
    "too-short": ("A chunk that is shorter than its size.", b"6\r\nhello\r\n" + LAST),
    "no-chunks": ("A body that is not chunked at all.", BODY),
}
_TRAILERS: Final = {
    "bad-trailer": ("A trailer without a colon.", b"bad\r\n\r\n"),
    "nul-trailer": ("A NUL in a trailer.", b"X: a\0b\r\n\r\n"),
}
_CODED: Final = CHUNKED + chunks(BODY, 40) + LAST
_TENTH: Final = BODY * 25  # 100 kB


def _endless(_asked: Asked) -> Iterator[Step]:
    yield CHUNKED
    while True:
        yield b"ffff\r\n" + b"x" * 65_535 + b"\r\n"


def _endless_extension(_asked: Asked) -> Iterator[Step]:
    yield CHUNKED + b"5;"
    while True:
        yield b"x" * 8192


def _endless_trailers(_asked: Asked) -> Iterator[Step]:
    yield CHUNKED + chunks() + b"0\r\n"
    number = 0
    while True:
        yield numbered("X-{0}: y\r\n", range(number, number + 100))
        number += 100


FAULTS: Final = [
    *(
        wrong(name, says, CHUNKED + size + b"\r\nhello\r\n" + LAST, "bad_framing", 200)
        for name, (says, size) in _SIZES.items()
    ),
    *(
        wrong(
            name,
            says,
            (head(*(f"Transfer-Encoding: {one}" for one in codings)) + chunks() + LAST,),
            "bad_framing",
        )
        for name, (says, codings) in _CODINGS.items()
    ),
    *(wrong(name, says, (CHUNKED + rest,), "truncated", 200) for name, (says, rest) in _CUTS.items()),
    *(wrong(name, says, CHUNKED + rest, "bad_framing", 200) for name, (says, rest) in _LINES.items()),
    *(
        wrong(n, says, CHUNKED + chunks() + b"0\r\n" + rest, "bad_header", 200)
        for n, (says, rest) in _TRAILERS.items()
    ),
    wrong("reset", "A reset inside a chunk.", (CHUNKED + chunks()[:1500], 0.05, End.RESET), "reset", 200),
    wrong("endless", "Chunks without end.", _endless, "body_too_large", 200),
    wrong("endless-extension", "An extension without end.", _endless_extension, "bad_framing", 200),
    wrong("endless-trailers", "Trailers without end.", _endless_trailers, "header_too_large", 200),
    right(
        "with-length",
        "Chunks and another length: chunks win.",
        head("Content-Length: 3", "Transfer-Encoding: chunked") + chunks() + LAST,
    ),
    right(
        "1.0",
        "Chunks under HTTP/1.0.",
        (head("Transfer-Encoding: chunked", version="1.0") + chunks() + LAST,),
    ),
    right(
        "extensions",
        "Extensions and blanks behind sizes.",
        CHUNKED + b"5;a=b;c \r\nhello\r\n0 ;end\r\n\r\n",
        b"hello",
    ),
    right(
        "upper-case",
        "Sizes in upper case, with zeros before.",
        CHUNKED + b"000A\r\n0123456789\r\n" + LAST,
        b"0123456789",
    ),
    right(
        "trailers",
        "Trailers, which are dropped.",
        CHUNKED + chunks() + b"0\r\nContent-Length: 7\r\nX: y\r\n\r\n",
    ),
    right("empty-body", "No chunk but the last one.", CHUNKED + LAST, b""),
    right("one-byte", "100 kB in chunks of one byte.", CHUNKED + chunks(_TENTH, 1) + LAST, _TENTH),
    right(
        "sliced",
        "Every write ends elsewhere in a chunk.",
        tuple(_CODED[n : n + 97] for n in range(0, len(_CODED), 97)),
    ),
]
