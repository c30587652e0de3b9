"""Mutates inputs of one target, for so long or so often, and keeps what breaks it.

No coverage is measured (`--guided` does, with atheris, where it is installed); what guides it is the verdict:
an input that a target calls by a new name joins the others.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

LONGEST = 64 << 10  # bytes of an input, but for the blown-up ones
BLOWN = 128 << 10
KEPT = 2000  # inputs with a verdict of their own
# An input may take so much CPU time: what is quadratic, at 1 ns a step, takes 17 s for 128 KiB.
BASE, EACH = 1.0, 1e-5  # seconds, and seconds a byte
HANG = 30.0
SHRINKING = 20.0

CHARACTERS = b"\0\t\n\r \"#%&'(),-./09:;<=>?@AZ[\\]_az{|}~\x7f\x80\xbf\xc3\xef\xff"
NUMBERS = [
    *(b"0", b"-1", b"1e999", b"00", b"127", b"128", b"255", b"256", b"65535", b"65536", b"4294967296"),
    *(b"9223372036854775807", b"18446744073709551616", b"9" * 30, b"9" * 400, b"9" * 5000, b"nan", b"inf"),
]


class Slow(AssertionError):
    """An input that took more time than its size allows."""


class Finding(NamedTuple):
    data: bytes
    error: BaseException


class Done(NamedTuple):
    executions: int
    kept: int  # inputs that gave a new verdict
    slowest: float  # seconds of CPU that one execution took
    finding: Finding | None


def seeds(module: ModuleType) -> list[bytes]:
    """Those of the module, and those of the corpora where FETCH_CORPORA says where they are."""
    found = list(module.SEEDS)
    folder = os.environ.get("FETCH_CORPORA")
    if folder and hasattr(module, "more"):
        found += module.more(Path(folder))
    return [seed[:LONGEST] for seed in found]


def run(module: ModuleType, seed: int, *, seconds: float = 1e9, most: int = 1 << 62) -> Done:
    """Execute the seeds, then mutations of them. Stops at the first finding."""
    chance, corpus, seen = random.Random(seed), seeds(module), set()
    until, count, slowest, kept = time.monotonic() + seconds, 0, 0.0, 0
    first = iter(list(corpus))
    while count < most and time.monotonic() < until:
        data = next(first, None)
        is_seed = data is not None
        if data is None:
            data = mutated(corpus, module.WORDS, chance)
        count += 1
        try:
            verdict, took = timed(module.target, data)
        except Exception as error:
            return Done(count, kept, slowest, Finding(shrunk(module.target, data, error), error))
        slowest = max(slowest, took)
        if verdict not in seen and len(seen) < KEPT:
            seen.add(verdict)
            if not is_seed and len(data) <= LONGEST:
                kept += 1
                corpus.append(data)
    return Done(count, kept, slowest, None)


def timed(target: Callable[[bytes], object], data: bytes) -> tuple[object, float]:
    """The verdict, and the CPU time it took. Raises Slow if that is too much, three times in a row."""
    allowed, took = BASE + EACH * len(data), 0.0
    for _ in range(3):
        start = time.thread_time()
        with limited():
            verdict = target(data)
        took = time.thread_time() - start
        if took <= allowed:
            return verdict, took
    raise Slow(f"{took:.1f} s for {len(data):,} bytes; {allowed:.1f} s are allowed")


@contextmanager
def limited() -> Iterator[None]:
    """HANG seconds of CPU time, then Slow: regular expressions listen to signals."""

    def stop(*_: object) -> None:
        raise Slow(f"not done after {HANG:g} s")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, HANG)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def shrunk(target: Callable[[bytes], object], data: bytes, error: BaseException) -> bytes:
    """A smaller input that fails in the same way: what can be cut out is, for some seconds."""
    until, size = time.monotonic() + SHRINKING, len(data) // 2
    while size and time.monotonic() < until:
        at = 0
        while at < len(data) and time.monotonic() < until:
            less = data[:at] + data[at + size :]
            try:
                timed(target, less)
            except type(error):
                data = less
            except Exception:
                at += size
            else:
                at += size
        size //= 2
    return data


def mutated(corpus: Sequence[bytes], words: Sequence[bytes], chance: random.Random) -> bytes:
    """One of the corpus, after one to eight edits; one in 500 blown up, which shows what is not linear."""
    data = chance.choice(corpus)
    for _ in range(1 << chance.randrange(4)):
        data = edited(data, corpus, words, chance)
    data = data[:LONGEST]
    if chance.random() < 0.002:
        at = chance.randrange(len(data) + 1)
        part = data[at : at + chance.randint(1, 64)] or b"a"
        data = (data[:at] + part * (BLOWN // len(part)))[:BLOWN] + data[at:]
    return data


def edited(data: bytes, corpus: Sequence[bytes], words: Sequence[bytes], chance: random.Random) -> bytes:
    """One edit, of bits, bytes, words, lines or halves."""
    at, size = chance.randrange(len(data) + 1), 1 << chance.randrange(7)
    match chance.randrange(11):
        case 0 if at < len(data):
            return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at] + bytes([chance.choice(CHARACTERS)]) + data[at + chance.randrange(2) :]
        case 2:
            return data[:at] + data[at + size :]
        case 3:  # again, here or elsewhere
            to = chance.randrange(len(data) + 1)
            return data[:to] + data[at : at + size] * chance.choice((1, 1, 2, 30)) + data[to:]
        case 4:
            other = chance.choice(corpus)
            return data[:at] + other[chance.randrange(len(other) + 1) :]
        case 5:
            other = chance.choice(corpus)
            to = chance.randrange(len(other) + 1)
            return data[:at] + other[to : to + size] + data[at:]
        case 6:
            return data[:at] + chance.choice(NUMBERS) + data[at + chance.choice((0, 0, 1, size)) :]
        case 7:
            lines = data.split(b"\n")
            one, two = chance.randrange(len(lines)), chance.randrange(len(lines))
            lines[one], lines[two] = lines[two], lines[chance.choice((one, two))]
            return b"\n".join(lines)
        case 8:
            return data[:at]
        case _:
            return data[:at] + chance.choice(words) + data[at + chance.choice((0, 0, 1, size)) :]
