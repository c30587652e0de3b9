"""Content codings: which are undone, cuts at every byte, junk after the end, bombs, quadratic traps."""

from __future__ import annotations

import gzip
import importlib
import json
import random
import subprocess
import sys
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fetcher import decode, layers
from fetcher.decode import Decoder, accept_encoding, codings
from fetcher.errors import Fault

BIG = 1 << 40
TEXT = b"".join(b"%d bottles of beer on the wall, " % i for i in range(400))


def zstd() -> Any:
    """The zstd library, as the tests find it."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    pytest.skip("no zstd library is installed")


def encode(name: str, data: bytes) -> bytes:
    if name == "gzip":
        return gzip.compress(data, mtime=0)
    if name == "deflate":
        return zlib.compress(data)
    if name == "raw":
        return zlib.compress(data, wbits=-15)
    if name == "br":
        return bytes(pytest.importorskip("brotli").compress(data, quality=5))
    return bytes(zstd().compress(data))


def decoded(names: tuple[str, ...] | str, data: bytes, step: int = 0, limit: int = BIG) -> bytes:
    names = (names,) if isinstance(names, str) else names
    decoder = Decoder(tuple("deflate" if name == "raw" else name for name in names), limit)
    pieces: list[bytes] = []
    for i in range(0, len(data), step or max(len(data), 1)):
        pieces += decoder.feed(data[i : i + (step or len(data))])
    pieces += decoder.finish()
    assert all(len(piece) <= 256 << 10 for piece in pieces)
    return b"".join(pieces)


def kind(names: tuple[str, ...] | str, data: bytes, step: int = 0, limit: int = BIG) -> str:
    with pytest.raises(Fault) as caught:
        decoded(names, data, step, limit)
    assert caught.value.message.isprintable()
    return caught.value.kind


every_coding = pytest.mark.parametrize("name", ["gzip", "deflate", "raw", "br", "zstd"])


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([], ()),
        (["gzip"], ("gzip",)),
        (["GZip"], ("gzip",)),
        (["x-gzip"], ("gzip",)),
        (["deflate, gzip"], ("deflate", "gzip")),
        (["deflate", "gzip"], ("deflate", "gzip")),
        ([" deflate ,,\tgzip, "], ("deflate", "gzip")),
        (["identity"], ()),
        (["gzip, identity"], ("gzip",)),
        ([""], ()),
        (["gzip, lalala"], ()),  # unknown: the whole body as it is
        (["\x0bgzip"], ()),
        (["gzip;q=1"], ()),
        (["compress"], ()),
        (["gzip"] * 5, ("gzip",) * 5),
        (["identity, gzip"] * 5, ("gzip",) * 5),
    ],
)
def test_which_codings_are_undone(values: list[str], names: tuple[str, ...]) -> None:
    fields = [("Server", "x"), *(("Content-ENCODING", value) for value in values), ("Content-Encodinx", "br")]
    assert codings(fields) == names


@pytest.mark.parametrize("values", [["gzip"] * 6, ["gzip, gzip, gzip", "gzip, gzip, gzip"], ["lalala"] * 50])
def test_too_many_codings(values: list[str]) -> None:
    with pytest.raises(Fault, match="too_many_encodings"):
        codings([("content-encoding", value) for value in values])


def test_what_is_asked_for_can_be_undone() -> None:
    names = accept_encoding().split(", ")
    assert names[:2] == ["gzip", "deflate"]
    assert len(names) == len(set(names))
    for name in names:
        assert codings([("Content-Encoding", name)]) == (name,)
        assert decoded(name, encode(name, TEXT)) == TEXT


@pytest.fixture
def fresh() -> Iterator[None]:
    """Look for the libraries anew, and once more afterwards."""
    for cached in (layers.coder, decode.accept_encoding):
        cached.cache_clear()
    yield
    for cached in (layers.coder, decode.accept_encoding):
        cached.cache_clear()


def test_without_the_libraries(monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    for name in ("brotli", "backports.zstd", "compression.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    assert accept_encoding() == "gzip, deflate"
    assert codings([("Content-Encoding", "br")]) == ()
    assert codings([("Content-Encoding", "gzip, zstd")]) == ()
    assert codings([("Content-Encoding", "gzip")]) == ("gzip",)


def test_a_brotli_that_knows_no_bound_is_not_used(monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    old = ModuleType("brotli")
    old.Decompressor = type("Decompressor", (), {"process": None})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "brotli", old)
    assert "br" not in accept_encoding()


@every_coding
@pytest.mark.parametrize("size", [0, 1, 100, 5000, 65_536, 65_537, 65_700, 98_272, 131_072, 1_000_000])
def test_there_and_back(name: str, size: int) -> None:
    for data in (b"a" * size, random.Random(size).randbytes(size)):
        wire = encode(name, data)
        assert decoded(name, wire) == data
        assert decoded(name, wire, step=1000) == data
        if len(wire) < 6000:
            assert decoded(name, wire, step=1) == data


@every_coding
def test_a_body_of_no_bytes_is_whole(name: str) -> None:
    assert decoded(name, b"") == b""
    assert decoded((name, "gzip"), gzip.compress(b"")) == b""


@every_coding
def test_cut_anywhere_it_is_no_success(name: str) -> None:
    for data in (TEXT[:600], b"", b"a" * 100_000):
        wire = encode(name, data)
        for cut in range(1, len(wire)):
            assert kind(name, wire[:cut]) == "truncated_encoding", cut
            assert kind(name, wire[:cut], step=1) == "truncated_encoding", cut


@every_coding
def test_cut_inside_two_layers(name: str) -> None:
    wire = encode("gzip", encode(name, TEXT))
    assert decoded((name, "gzip"), wire) == TEXT
    for cut in range(1, len(wire), 7):
        assert kind((name, "gzip"), wire[:cut]) == "truncated_encoding", cut
    inner = encode(name, TEXT)
    for cut in range(1, len(inner), 7):
        assert kind((name, "gzip"), encode("gzip", inner[:cut])) == "truncated_encoding", cut


@every_coding
def test_what_is_not_that_coding(name: str) -> None:
    for step in (0, 1):
        assert kind(name, b"<html>not compressed at all</html>", step) == "bad_encoding"
    wire = bytearray(encode(name, TEXT))
    failed = 0
    for at in range(len(wire)):
        wire[at] ^= 0x55
        try:
            decoded(name, bytes(wire))
        except Fault as fault:
            failed += fault.kind in ("bad_encoding", "truncated_encoding")
        wire[at] ^= 0x55
    # gzip and zlib carry checks; of the others most wrong bytes show.
    assert failed >= len(wire) * (0.95 if name in ("gzip", "deflate") else 0.3)


@every_coding
def test_junk_after_the_end(name: str) -> None:
    wire = encode(name, TEXT)
    for junk in (b"?", b"junk after the end", b"\0\0?"):
        for step in (0, 1, len(wire)):
            assert kind(name, wire + junk, step) == "bad_encoding"


def test_gzip_members_and_padding() -> None:
    one, two = gzip.compress(b"one "), gzip.compress(b"two")
    padding = b"\0" * 100_000
    for step in (0, 1000, 7):
        assert decoded("gzip", one + two, step) == b"one two"
        assert decoded("gzip", one + padding, step) == b"one "
        assert decoded("gzip", one + b"\0" + two, step) == b"one two"
        assert decoded("gzip", gzip.compress(b"") * 3 + two, step) == b"two"
    assert kind("gzip", b"\0" + one) == "bad_encoding"
    assert kind("gzip", one + b"\x1f") == "truncated_encoding"
    assert kind("gzip", one + two[:-1]) == "truncated_encoding"
    for broken in (one[:-8] + b"\0\0\0\0" + one[-4:], one[:-4] + b"\0\0\0\0"):  # check sum, length
        assert kind("gzip", broken) == "bad_encoding"


def test_gzip_header_fields() -> None:
    wire = gzip.compress(TEXT, mtime=0)
    extra = wire[:3] + b"\x1c" + wire[4:10] + b"\x05\0extra" + b"name\0" + b"comment\0" + wire[10:]
    for step in (0, 1):
        assert decoded("gzip", extra, step) == TEXT


def test_deflate_with_and_without_header() -> None:
    for level in range(10):
        for wbits in (9, 12, 15, -9, -15):
            wire = zlib.compress(TEXT, level, wbits)
            for step in (0, 1, 2):
                assert decoded("deflate", wire, step) == TEXT
    needs = zlib.compressobj(zdict=b"beer on the wall")
    assert kind("deflate", needs.compress(TEXT) + needs.flush()) == "bad_encoding"


def test_zstd_frames() -> None:
    library = zstd()
    one, skipped = library.compress(b"one "), b"\x50\x2a\x4d\x18\x03\0\0\0abc"
    for step in (0, 1):
        assert decoded("zstd", one + one, step) == b"one one "
        assert decoded("zstd", skipped + one + skipped + one, step) == b"one one "
    assert kind("zstd", one + skipped[:-1]) == "truncated_encoding"


def test_zstd_window_is_bounded() -> None:
    library = zstd()
    setting = library.CompressionParameter
    for log, fits in ((23, True), (24, False)):
        packer = library.ZstdCompressor(options={setting.window_log: log})
        # Without a size in the frame's header the window is what the setting says.
        wire = packer.compress(b"a" * 1000) + packer.flush()
        if fits:
            assert decoded("zstd", wire) == b"a" * 1000
        else:
            assert kind("zstd", wire) == "bad_encoding"


@pytest.mark.parametrize("wbits", [31, 15, -15])
@pytest.mark.parametrize("mode", [zlib.Z_PARTIAL_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH])
def test_what_has_come_is_given_at_once(wbits: int, mode: int) -> None:
    packer = zlib.compressobj(wbits=wbits)
    parts = [packer.compress(b"first") + packer.flush(mode), packer.compress(b" second") + packer.flush()]
    decoder = Decoder(("gzip" if wbits == 31 else "deflate",), BIG)
    assert b"".join(decoder.feed(parts[0])) == b"first"
    assert b"".join(decoder.feed(parts[1])) == b" second"
    assert list(decoder.finish()) == []


# Bombs and traps.


@every_coding
def test_the_cap_is_exact(name: str) -> None:
    wire = encode(name, b"a" * 200_000)
    assert decoded(name, wire, limit=200_000) == b"a" * 200_000
    assert kind(name, wire, limit=199_999) == "decoded_too_large"
    assert kind((name, "gzip"), encode("gzip", wire), limit=199_999) == "decoded_too_large"


def test_the_cap_holds_while_it_streams() -> None:
    decoder = Decoder(("gzip",), 1_000_000)
    wire = gzip.compress(bytes(100_000_000))
    given_out = 0
    with pytest.raises(Fault, match="decoded_too_large"):
        for piece in decoder.feed(wire):
            given_out += len(piece)
    assert 900_000 < given_out <= 1_000_000


def bomb(name: str, size: int) -> bytes:
    """That many zero bytes, packed without ever holding them."""
    block, out = bytes(1 << 20), []
    packer: Any
    if name == "br":
        packer = pytest.importorskip("brotli").Compressor(quality=5)
        out = [packer.process(block) for _ in range(size >> 20)] + [packer.finish()]
    else:
        wbits = {"gzip": 31, "deflate": 15, "raw": -15}
        packer = zstd().ZstdCompressor() if name == "zstd" else zlib.compressobj(wbits=wbits[name])
        out = [packer.compress(block) for _ in range(size >> 20)] + [packer.flush()]
    return b"".join(out)


@every_coding
def test_a_bomb_stays_flat(name: str) -> None:
    wire = bomb(name, 200 << 20)
    decoder = Decoder(("deflate" if name == "raw" else name,), 150 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(Fault, match="decoded_too_large"):
            for _ in decoder.feed(wire):
                pass
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert decoder.size > 150 << 20


NESTED = """
import gzip, json, resource, sys
from fetcher.decode import Decoder
from fetcher.errors import Fault
wire = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    for piece in Decoder(("gzip",) * 5, 100_000_000).feed(wire):
        pass
    kind = None
except Fault as fault:
    kind = fault.kind
print(json.dumps([kind, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))
"""


def test_five_nested_bombs_stay_flat() -> None:
    wire = bomb("gzip", 200 << 20)
    for _ in range(4):
        wire = gzip.compress(wire)
    assert len(wire) < 5000
    command = [sys.executable, "-c", NESTED]
    run = subprocess.run(command, input=wire, capture_output=True, check=True, timeout=50)
    kind, grown = json.loads(run.stdout)
    assert kind == "decoded_too_large"
    unit = 1 if sys.platform == "darwin" else 1024
    assert grown * unit < 20 << 20


def test_a_bomb_of_empty_streams_ends() -> None:
    # 20 KB that unpack into a million gzip members of nothing: without content no cap on content would help.
    wire = gzip.compress(gzip.compress(b"") * 1_000_000)
    began = time.monotonic()
    assert kind(("gzip", "gzip"), wire) == "bad_encoding"
    assert kind(("gzip", "gzip"), wire, limit=1_000_000) in ("bad_encoding", "decoded_too_large")
    assert time.monotonic() - began < 15


def test_a_bomb_of_empty_blocks_ends() -> None:
    # Raw deflate, 20 MB of blocks without content: only a cap on what lies between the layers ends it.
    wire = gzip.compress(b"\0\0\0\xff\xff" * 4_000_000)
    assert kind(("raw", "gzip"), wire, limit=1_000_000) == "decoded_too_large"


def test_many_small_members_cost_no_square() -> None:
    began = time.monotonic()
    assert decoded("gzip", gzip.compress(b"a") * 50_000) == b"a" * 50_000
    assert decoded("zstd", encode("zstd", b"a") * 20_000) == b"a" * 20_000
    assert time.monotonic() - began < 10


def test_a_large_body_at_once_costs_no_square() -> None:
    # Dense input and small output steps: what is handed back unused must not be copied over and over.
    body = random.Random(1).randbytes(20_000_000)
    wire = gzip.compress(body, compresslevel=0)
    began = time.monotonic()
    assert decoded("gzip", wire) == body
    assert time.monotonic() - began < 5


# Anything at all.

LAYER = st.sampled_from(["gzip", "deflate", "br", "zstd"])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.lists(LAYER, min_size=1, max_size=3), st.integers(1, 50))
def test_any_bytes_through_any_layers(data: bytes, names: list[str], step: int) -> None:
    wire = data
    for name in names:
        wire = encode(name, wire)
    assert decoded(tuple(names), wire, step) == data


@settings(max_examples=150, deadline=None)
@given(st.data(), st.lists(LAYER, min_size=1, max_size=2), st.integers(1, 50))
def test_broken_bytes_end_in_a_fault_or_not_at_all(data: st.DataObject, names: list[str], step: int) -> None:
    wire = bytearray(TEXT[:200])
    for name in names:
        wire = bytearray(encode(name, bytes(wire)))
    for _ in range(data.draw(st.integers(1, 3))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    wire = wire[: data.draw(st.integers(0, len(wire)))]
    outcomes = []
    for size in (0, step):
        try:
            outcomes.append(decoded(tuple(names), bytes(wire), size, limit=1 << 30))
        except Fault as fault:
            outcomes.append(fault.kind.encode())
    assert outcomes[0] == outcomes[1]  # however it is cut
