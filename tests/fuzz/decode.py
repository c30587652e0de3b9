"""Content codings undone: never over the cap, always to an end, and broken data is a Fault.

The first byte chooses the codings, the second the cap.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable

from fetcher import layers
from fetcher.decode import Decoder, codings, decodable
from fetcher.errors import Fault
from tests.fuzz._checks import cuts, kind_of

CODINGS = [
    names
    for names in [
        *(("gzip",), ("deflate",), ("br",), ("zstd",), ("gzip", "gzip"), ("deflate", "gzip"), ("br", "gzip")),
        *(("zstd", "br"), ("gzip", "zstd"), ("gzip",) * 5, ("deflate",) * 3),
    ]
    if all(map(decodable, names))
]
CAPS = [0, 1, 100, 5_000, 100_000, 1 << 20]
PLAIN = b"hello, hello, hello " * 20
RAW = zlib.compressobj(wbits=-15)
FAULTS = {"bad_encoding", "truncated_encoding", "decoded_too_large"}


def packed(names: tuple[str, ...], data: bytes) -> bytes:
    for name in names:
        library = layers.coder(name) if name in ("br", "zstd") else None
        made = {"gzip": lambda d: gzip.compress(d, mtime=0), "deflate": zlib.compress}
        data = library.compress(data) if library else made[name](data)
    return data


SEEDS = [
    bytes([number, cap]) + packed(names, plain)
    for number, names in enumerate(CODINGS)
    for cap, plain in ((5, PLAIN), (2, PLAIN), (4, bytes(200_000)), (3, b""))
]
SEEDS += [
    b"\0\5" + gzip.compress(PLAIN, mtime=0) * 3 + bytes(20) + gzip.compress(b"", mtime=0),
    b"\1\5" + RAW.compress(PLAIN) + RAW.flush(),
]
WORDS = [
    b"\x1f\x8b\x08\0\0\0\0\0\0\xff",
    b"\x78\x9c",
    b"\x28\xb5\x2f\xfd",
    b"\x50\x2a\x4d\x18\4\0\0\0",
    b"\0\0\0\xff\xff",
]
WORDS += [
    b"\x1f\x8b\x08\x1f",
    b"\x03\x00",
    b"\0" * 8,
    b"\xff" * 8,
    gzip.compress(b"", mtime=0),
    b"\x3b",
    b"\x01\0\0",
]


def target(data: bytes) -> object:
    head, body = data[:2].ljust(2, b"\0"), data[2:]
    names, cap = CODINGS[head[0] % len(CODINGS)], CAPS[head[1] % len(CAPS)]
    codings([("Content-Encoding", body[:80].decode("latin-1"))] if body.count(b",") < 5 else [])
    whole, plain = undone(names, cap, [body])
    for parts in cuts(body):
        cut, other = undone(names, cap, parts)
        # Which of two faults comes first may depend on how much was undone at once; that there is one, not.
        assert (cut == whole) or {cut, whole} == {"bad_encoding", "decoded_too_large"}, (cut, whole)
        assert whole or other == plain
    if not whole and names == ("gzip",) and body:
        assert plain == gzip.decompress(body)
    return names, cap, whole, min(len(plain).bit_length(), 12)


def undone(names: tuple[str, ...], cap: int, parts: Iterable[bytes]) -> tuple[str, bytes]:
    """The fault, or "" and the plain bytes."""
    decoder, out, size = Decoder(names, cap), [], 0
    try:
        for part in parts:
            for piece in decoder.feed(part):
                assert len(piece) <= 2 * layers.PIECE
                size += len(piece)
                assert size <= cap, "over the cap"
                out.append(piece)
        out += decoder.finish()
    except Fault as fault:
        return kind_of(fault, FAULTS), b"".join(out)
    return "", b"".join(out)
