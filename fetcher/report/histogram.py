"""How many files are how large, as an SVG of columns: sizes in steps of 1, 2 and 5 times a power of ten."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from html import escape
from typing import Final

from fetcher.report.units import tick
from fetcher.report.words import count

EDGES: Final = (0, 1, *(digit * 10**power for power in range(1, 13) for digit in (1, 2, 5)))
ABOVE: Final = 18  # for its number
BELOW: Final = 20  # for the axis
LABELS: Final = 7  # on the axis, at most: as many as a phone has room for


def step(size: int) -> int:
    """The column that a size belongs to."""
    return bisect_right(EDGES, size) - 1


def bins(sizes: Iterable[int]) -> list[tuple[int, int, int]]:
    """(from, below, how many), from the first that has any to the last; 0 bytes alone."""
    return filled(Counter(map(step, sizes)))


def filled(counts: Counter[int]) -> list[tuple[int, int, int]]:
    """The same of how many each step has."""
    if not counts:
        return []
    return [(EDGES[at], EDGES[at + 1], counts[at]) for at in range(min(counts), max(counts) + 1)]


def columns(title: str, found: list[tuple[int, int, int]], height: int) -> str:
    """The chart, so many pixels high: across in percent, so that it is as wide as its place."""
    most = max(many for _, _, many in found)
    step = 100 / max(len(found), LABELS)
    every = -(-len(found) // LABELS)
    floor = height - BELOW
    parts = [f'<svg role="img" width="100%" height="{height}"><title>{escape(title)}</title>']
    parts.append(f'<line class="grid" x1="0%" x2="100%" y1="{floor}" y2="{floor}"/>')
    for at, (low, high, many) in enumerate(found):
        tall = (floor - ABOVE) * many / most
        middle = f"{(at + 0.5) * step:.2f}%"
        told = f"{span(low, high)}: {count(many)} {'file' if many == 1 else 'files'}"
        parts.append(
            f'<rect class="bar best" x="{(at + 0.06) * step:.2f}%" width="{0.88 * step:.2f}%" '
            f'y="{floor - tall:.1f}" height="{tall:.1f}"><title>{escape(told)}</title></rect>'
        )
        if (many and many in (most, found[0][2], found[-1][2])) or len(found) <= LABELS:
            parts.append(f'<text class="tick" x="{middle}" y="{floor - tall - 5:.1f}">{count(many)}</text>')
        if at % every == 0:
            parts.append(f'<text class="tick" x="{middle}" y="{floor + BELOW - 4}">{tick(low)}</text>')
    return "\n".join([*parts, "</svg>"])


def span(low: int, high: int) -> str:
    """The sizes of one column in words."""
    return f"{tick(low)} to {tick(high)}" if low else "empty"
