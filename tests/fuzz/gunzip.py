"""A gzipped list as a stream: what can be read of it is, however it comes; then it says what is wrong."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable

from fetcher.sources._bytes import CHUNK, BrokenGzip, gunzip
from tests.fuzz._checks import cuts

TEXT = b"http://example.org/\n" * 50
SEEDS = [
    gzip.compress(TEXT, mtime=0),
    gzip.compress(TEXT, mtime=0) * 2 + bytes(30) + gzip.compress(b"", mtime=0) + bytes(9),
    gzip.compress(bytes(200_000), mtime=0),
    gzip.compress(TEXT, mtime=0)[:-5],
    gzip.compress(TEXT, mtime=0) + b"junk",
]
WORDS = [
    b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
    b"\0",
    bytes(8),
    b"\xff" * 8,
    gzip.compress(b"a", mtime=0),
    b"\x1f\x8b\x08\x1f",
]


def target(data: bytes) -> object:
    whole = undone([data])
    for parts in cuts(data):
        assert undone(parts) == whole
    members, rest = 0, data.lstrip(b"\0")
    plain = b""
    while rest and members >= 0:
        inflater = zlib.decompressobj(31)
        try:
            plain += inflater.decompress(rest)
        except zlib.error:
            members = -1
        else:
            members = members + 1 if inflater.eof else -1
            rest = inflater.unused_data.lstrip(b"\0")
    assert (members < 0) == bool(whole[1])
    assert whole[0] == plain if members >= 0 else whole[0].startswith(plain)
    return whole[1], len(whole[0]).bit_length(), min(members, 4)


def undone(parts: Iterable[bytes]) -> tuple[bytes, str]:
    out = []
    try:
        for piece in gunzip(parts):
            assert 0 < len(piece) <= CHUNK
            out.append(piece)
    except BrokenGzip as error:
        return b"".join(out), str(error)
    return b"".join(out), ""
