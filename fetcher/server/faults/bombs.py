"""Few bytes that unpack into many: in each coding, nested, in a redirect, and in ways that hide the size."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import cache
from typing import Final

from fetcher.server.coders import coded
from fetcher.server.faults import SMALL, Asked, Fault, Step, wrong
from fetcher.server.raw import NEEDS, head, response

_MIB: Final = 1 << 20
_GZIP: Final = "Content-Encoding: gzip"


@cache
def _packed(coding: str) -> bytes:
    """32 MiB of zeros."""
    return b"".join(coded(coding, (bytes(_MIB) for _ in range(32))))


@cache
def _nested(times: int) -> bytes:
    """1 GiB of zeros in so many layers of gzip, some of them as members behind each other."""
    body = gzip.compress(bytes(16 * _MIB), 9, mtime=0) * 64
    for _ in range(times - 1):
        body = gzip.compress(body, 9, mtime=0)
    return body


def _bomb(coding: str) -> Fault:
    def script(_asked: Asked) -> Iterator[Step]:
        yield response(_packed(coding), f"Content-Encoding: {coding}")

    needs = NEEDS.get(coding, "")
    says = f"32 MiB in a small {coding} body."
    return wrong(coding, says, script, "decoded_too_large", 200, settings=SMALL, needs=needs)


def _in_layers(_asked: Asked) -> Iterator[Step]:
    yield response(_nested(5), "Content-Encoding: " + ", ".join(["gzip"] * 5))


def _in_redirect(_asked: Asked) -> Iterator[Step]:
    yield response(_packed("gzip"), _GZIP, "Location: /good/behind-a-bomb", status="302 Found")


def _endless(_asked: Asked) -> Iterator[Step]:
    member = gzip.compress(bytes(_MIB), 9, mtime=0)
    yield head(_GZIP)
    while True:
        yield member


def _members(_asked: Asked) -> Iterator[Step]:
    yield head(_GZIP)
    while True:
        yield gzip.compress(b"", mtime=0) * 4096


FAULTS: Final = [
    *(_bomb(coding) for coding in ("gzip", "deflate", "br", "zstd")),
    wrong(
        "layers", "1 GiB in 2 kB: five layers of gzip.", _in_layers, "decoded_too_large", 200, settings=SMALL
    ),
    wrong(
        "redirect",
        "32 MiB in the body of a redirect.",
        _in_redirect,
        "decoded_too_large",
        302,
        settings=SMALL,
    ),
    wrong("endless", "A gzip body without end.", _endless, "decoded_too_large", 200, settings=SMALL),
    wrong("members", "Empty gzip members without end.", _members, "bad_encoding", 200, settings=SMALL),
]
