"""`python -m bench.live`: fetch compare against known truths, with real laps on an otherwise quiet machine.

20 comparisons of asyncio with itself, of which at least 17 must say that there is no difference. Three with
an arm that is slower by exactly a fifth (tests/arms/slowed.py): each must find it, at 1.05 to 1.4, and two
must have 1.2 in their interval, for one of 95 % may miss the truth once in twenty. About five minutes. It is
no test, because it is about time: whatever else the machine does shows.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import fetcher.engines
from fetcher import comparison
from fetcher.comparison import lap
from fetcher.comparison.plan import planned
from fetcher.comparison.verdict import Comparison
from fetcher.model import Options
from fetcher.server import site

ROOT = Path(__file__).parents[1]
ARMS = ROOT / "tests/arms"


def main() -> int:
    """1 where a truth was not found."""
    fetcher.engines.__path__.append(str(ARMS))
    lap.WORDS[:] = [sys.executable, str(ARMS)]
    os.environ["PYTHONPATH"] = str(ROOT)
    with site() as base:
        same = sum(_same(compared(base, "asyncio", 2000, 6, seed), seed) for seed in range(20))
        print(f"{same} of 20 comparisons of asyncio with itself found no difference")
        found = [_slowed(compared(base, "slowed", 8000, 10, seed)) for seed in range(3)]
    return int(same < 17 or not all(right for right, _ in found) or sum(held for _, held in found) < 2)


def compared(base: str, other: str, count: int, blocks: int, seed: int) -> Comparison:
    """asyncio and the other, on pages of 10 kB: the client is the limit."""
    pieces = [("", f"{base}/bytes/10000?{number}") for number in range(count)]
    plan = planned(pieces, ["asyncio", other], Options(), blocks=blocks, seed=seed)
    return comparison.run(plan, Options())


def _same(found: Comparison, seed: int) -> bool:
    ratio = found.entries[-1].time
    print(f"  {seed + 1}: {found.verdict}, {ratio}", flush=True)
    return ratio is not None and ratio.same


def _slowed(found: Comparison) -> tuple[bool, bool]:
    """Whether it was found, and whether 1.2 is in the interval."""
    ratio = found.entries[-1].time
    print(f"slower by a fifth: {found.verdict}, {ratio}", flush=True)
    if found.fastest != "asyncio" or ratio is None or ratio.same:
        return False, False
    low, high = ratio.ratio.low, ratio.ratio.high
    return 1.05 <= low <= high <= 1.4, low <= 1.2 <= high


if __name__ == "__main__":
    sys.exit(main())
