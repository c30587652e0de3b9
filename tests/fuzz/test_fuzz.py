"""Every target with its seeds and mutations of them; the driver; what fuzzing has found, held for good."""

from __future__ import annotations

import gzip
import importlib
import io
import random
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fetcher.decode import Decoder, decodable
from fetcher.errors import Fault, UsageError
from fetcher.feeds._pauses import retry_after
from fetcher.sources import Bad, Reading, _bytes, csv, jsonl, text
from fetcher.sources._lines import BLANK, COMMENT, LIMIT
from fetcher.urls import wire
from tests.fuzz import _driver
from tests.fuzz.__main__ import TARGETS

KNOWN = 20261123  # the seed of the default run


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_finds_nothing(name: str) -> None:
    module = importlib.import_module(f"tests.fuzz.{name}")
    found(_driver.run(module, KNOWN, most=len(_driver.seeds(module)) + 800))


@pytest.mark.xdist_group("fuzz")  # one at a time
@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [KNOWN + 1, pytest.param(0, marks=pytest.mark.long, id="new")])
@pytest.mark.parametrize("name", TARGETS)
def test_a_target_finds_nothing_in_20_s(name: str, seed: int, tmp_path: Path) -> None:
    """By the clock; by default in processor time that nobody else wants: tests beside it measure times."""
    known, seed = bool(seed), seed or random.SystemRandom().getrandbits(32)
    words = ["nice", "-n", "19" if known else "0", sys.executable, "-m", "tests.fuzz", name]
    words += ["--seconds", "20", "--seed", str(seed), "--out", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=200)
    print(done.stdout, done.stderr)  # shown if it fails
    for finding in tmp_path.iterdir():
        print(f"found: {finding.read_bytes()!r}")
    assert done.returncode == 0
    said = re.fullmatch(rf"{name}: ([\d,]+) executions in .*, seed {seed}, .*: none\n", done.stdout)
    assert said
    # Where nobody has time to spare it may be few: what is sure by default are the 800 above.
    assert int(said[1].replace(",", "")) > (0 if known else 500)


def found(done: _driver.Done) -> None:
    if done.finding:
        print(f"found: {done.finding.data!r}")
        raise done.finding.error


# The driver: it must be able to find something.


def planted(target: Any, *seeds: bytes) -> _driver.Done:
    module: Any = SimpleNamespace(SEEDS=seeds, WORDS=[b"needle"], target=target)
    return _driver.run(module, 1, most=20_000)


def test_a_planted_bug_is_found_and_made_small() -> None:
    def target(data: bytes) -> int:
        if data.startswith(b"GET") and b"needle" in data:
            raise ZeroDivisionError
        return len(data)

    done = planted(target, b"GET " + b"hay" * 100)
    assert done.finding
    assert isinstance(done.finding.error, ZeroDivisionError)
    assert done.finding.data == b"GETneedle"


def test_verdicts_lead_deeper() -> None:
    """Five words in order, among ten, by one edit at a time: each that is right is a new verdict."""
    wanted = b"a1b2c3d4e5"

    def target(data: bytes) -> int:
        right = next((n for n in range(5) if data[2 * n : 2 * n + 2] != wanted[2 * n : 2 * n + 2]), 5)
        assert right < 5
        return right

    module: Any = SimpleNamespace(SEEDS=[b"x"], WORDS=[wanted[n : n + 2] for n in range(9)], target=target)
    done = _driver.run(module, 1, most=20_000)
    assert done.finding
    assert done.finding.data == wanted
    assert done.kept == 4


def test_what_is_not_linear_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_driver, "BASE", 0.1)
    monkeypatch.setattr(_driver, "EACH", 1e-6)
    monkeypatch.setattr(_driver, "HANG", 0.5)
    monkeypatch.setattr(_driver, "SHRINKING", 0.0)
    done = planted(re.compile(b"(?:x+)+y").search, b"a", b"x" * 8)
    assert done.finding
    assert isinstance(done.finding.error, _driver.Slow)


def test_the_command(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.fuzz", "retry_after", "--seconds", "0.2", "--seed", "5"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=50, check=True)
    assert re.fullmatch(r"retry_after: [\d,]+ executions in \d+ s, seed 5, .*, findings: none\n", done.stdout)
    path = tmp_path / "input"
    path.write_bytes(b"120")
    words[4:] = ["--replay", str(path)]
    assert subprocess.run(words, capture_output=True, timeout=50, check=False).returncode == 0


# What has been found.


def items(source: Any, data: bytes) -> list[Any]:
    return list(source.read(io.BytesIO(data), Reading()))


def test_the_limit_of_a_line_holds_for_the_last_one_too() -> None:
    for end in (b"", b"\n", b"\r\n"):
        assert isinstance(items(text, b"a" * (LIMIT + 1) + end)[0], Bad)
        assert items(text, b"a" * LIMIT + end) == ["a" * LIMIT]


def test_a_byte_order_mark_inside_hides_no_comment_and_no_blank_line() -> None:
    assert items(text, b"a\n\xef\xbb\xbf# b\n\xef\xbb\xbf\n\xef\xbb\xbf c") == ["a", COMMENT, BLANK, "c"]


def test_a_cut_gzip_file_gives_all_that_came() -> None:
    data = gzip.compress(bytes(3_000_000), mtime=0)
    for end in (500, 1165, 2000):
        sizes = set()
        for at in (1, end // 2, end - 1, end):
            size = 0
            with pytest.raises(_bytes.BrokenGzip):
                for piece in _bytes.gunzip([data[:at], data[at:end]]):
                    size += len(piece)
            sizes.add(size)
        assert len(sizes) == 1


def test_a_broken_gzip_file_gives_all_before_the_break() -> None:
    data = bytearray(gzip.compress(bytes(1_000_000), mtime=0))
    data[550:] = b"\xff" * 40
    sizes = set()
    for at in range(400, 580, 7):
        size = 0
        with pytest.raises(_bytes.BrokenGzip):
            for piece in _bytes.gunzip([bytes(data[:at]), bytes(data[at:])]):
                size += len(piece)
        sizes.add(size)
    assert len(sizes) == 1


def test_a_reason_is_one_line() -> None:
    (bad,) = items(jsonl, b'{"a\\nb": 1}')
    assert "\n" not in bad.why
    with pytest.raises(UsageError) as error:
        items(csv, b'"a\nb",c\nx,y\n')
    assert "\n" not in str(error.value)


def test_a_year_of_four_digits_is_that_year() -> None:
    now = 1792567680.0  # in 2026
    assert retry_after("Thu, 01 Jan 0070 00:00:00 GMT", now) == 0.0
    assert retry_after("Thu Jan  1 00:00:00 0070", now) == 0.0
    assert retry_after("Wednesday, 01-Jan-70 00:00:00 GMT", now) > 1e9


def test_a_long_scheme_makes_no_long_message() -> None:
    with pytest.raises(Fault) as fault:
        wire("s" * 60_000 + "://h/")
    assert len(fault.value.message) < 100


# A frame that promises 201 bytes and has none, and one whose head goes on like a frame of its own.
EMPTY = b"\x28\xb5\x2f\xfd\x20\xc9\x01\0\0"
TWO = b"\x28\xb5\x2f\xfdP*M\x18\4\0\0\0 \0\1\0 \0\1 \0\1\0 \0\1\0 \1\0 \0\1\0 \0\1\0"


@pytest.mark.skipif(not decodable("zstd"), reason="zstd is missing")
@pytest.mark.parametrize(("body", "kind"), [(EMPTY, "bad_encoding"), (TWO, "truncated_encoding")])
def test_a_zstd_frame_is_the_same_however_it_comes(body: bytes, kind: str) -> None:
    for at in range(len(body)):
        decoder = Decoder(("zstd",), 1 << 20)
        with pytest.raises(Fault) as fault:
            for part in (body[:at], body[at:]):
                list(decoder.feed(part))
            list(decoder.finish())
        assert fault.value.kind == kind, at
