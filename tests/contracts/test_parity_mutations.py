"""Odd responses, mutated at random: what nobody has thought of must not divide the engines either."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fetcher.model import Result
from tests.contracts.test_traps import Odd, ask_odd, judged, never_cut, odd_cases
from tests.test_framing import mutate

SAME = 0.999  # of the mutations: ok, status, size and wire size
SAME_KIND = 0.99
KNOWN = 20261122  # the seed of the default run


def mutations(cases: list[Odd], count: int, seed: int) -> Iterator[Odd]:
    """So many mutations of these cases, in two parts where the cut falls that way."""
    chance = random.Random(seed)
    for number in range(count):
        case = chance.choice(cases)
        data = mutate(b"".join(case.parts), chance)
        at = chance.randrange(len(data) + 1)
        parts = [data[:at], data[at:]] if chance.random() < 0.1 else [data]
        yield Odd(f"{number} of {case.id}", [part for part in parts if part])


def known(result: Result) -> tuple[bool, int | None, int | None, int | None]:
    return result.ok, result.status, result.size, result.wire_size


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "pooled"])
@pytest.mark.parametrize("count", [40, pytest.param(3000, marks=pytest.mark.long)])
def test_mutations_are_told_alike(name: str, corpora: Path, count: int, *, fresh: bool) -> None:
    """One run an engine. Each is held against the one judge of the raw bytes, so all against each other."""
    seed = KNOWN if count == 40 else random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")  # shown if it fails
    cases = list(mutations(odd_cases(corpora)[0], count, seed))
    results = ask_odd(name, cases, fresh=fresh, concurrency=4 if fresh else 1)  # also: no `internal`, no hang
    never_cut(results)
    wanted = [judged(b"".join(case.parts)) for case in cases]
    differing = [
        (case, known(result), known(want))
        for case, result, want in zip(cases, results, wanted, strict=True)
        if known(result) != known(want)
    ]
    kinds = [
        (case, result.error, want.error)
        for case, result, want in zip(cases, results, wanted, strict=True)
        if result.error != want.error
    ]
    bodies = [
        case
        for case, result, want in zip(cases, results, wanted, strict=True)
        if result.error is None and want.error is None and result.sha256 != want.sha256
    ]
    print(f"{name}: of {count} {len(differing)} told otherwise, {len(kinds)} as another kind")
    assert bodies == []
    assert len(differing) <= count * (1 - SAME), differing
    assert len(kinds) <= count * (1 - SAME_KIND), kinds


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("options", "environment", "which"),
    [(["-X", "dev"], {}, ""), ([], {"AIOHTTP_NO_EXTENSIONS": "1"}, " and asyncio")],
    ids=["dev", "without-extensions"],
)
def test_all_of_it_holds_elsewhere(
    corpora: Path, options: list[str], environment: dict[str, str], which: str
) -> None:
    """In Python's development mode, which sees memory and descriptors; and with aiohttp in Python alone."""
    words = ["-m", "pytest", "-q", "-rP", "-p", "no:cacheprovider", "-m", "long", "--timeout", "400"]
    files = [str(Path(__file__).with_name(name)) for name in ("test_parity_mutations.py", "test_traps.py")]
    done = subprocess.run(
        [sys.executable, *options, *words, "-k", f"(3000 or 805){which}", *files],
        env=os.environ | environment | {"FETCH_CORPORA": str(corpora)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b[1-9]\d* passed", done.stdout)
