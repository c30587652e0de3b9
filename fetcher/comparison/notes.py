"""What a reader of a comparison should know beside the figures, and whether its laps had the same work."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Final

from fetcher.comparison.bottleneck import SHORT
from fetcher.comparison.lap import Lap

if TYPE_CHECKING:
    from fetcher.comparison.verdict import Comparison, Entry

DIED: Final = 0.1  # of the answers: a server that fails so much more in one lap


def notes(found: Comparison) -> list[str]:
    """What a reader of the figures should know."""
    said = []
    fastest = found.entries[0]
    if (shortest := median(one.wall for one in fastest.laps)) < SHORT:
        said.append(
            f"a lap of {fastest.arm.name} took {shortest * 1e3:.0f} ms, which is mostly chance: "
            "compare a longer list, or add --repeat N"
        )
    soonest = min(found.entries, key=_whole)
    if soonest is not fastest:
        said.append(
            f"with start-up counted {soonest.arm.name} is done first: in {_whole(soonest):.2f} s, "
            f"{fastest.arm.name} in {_whole(fastest):.2f} s"
        )
    for entry in found.entries:
        walls = [one.wall for one in entry.laps]
        if max(walls) > 2 * median(walls):
            said.append(
                f"a lap of {entry.arm.name} took {max(walls) / median(walls):.1f} times as long as usual: "
                "something else was at work; no lap is left out"
            )
        if entry.laps[0].width < entry.arm.concurrency:
            said.append(
                f"{entry.arm.name} ran {entry.laps[0].width} at once: the limit of open files (ulimit -n)"
            )
    if found.changing:
        said.append(
            f"{found.changing:,} URLs gave different answers to the same engine: they change by themselves"
        )
    return said


def died_in(arms: Sequence[Sequence[Lap]]) -> str:
    """Whether in some lap many more URLs failed than in others: then the laps had not the same work."""
    shares = [(one.ok / max(one.urls, 1), one.block + 1) for laps in arms for one in laps]
    (least, block), (most, _) = min(shares), max(shares)
    if most - least <= DIED or any(len({one.ok for one in laps}) == 1 for laps in arms):
        return ""
    return f"in block {block} only {least:.0%} of the answers were good, in others {most:.0%}"


def _whole(entry: Entry) -> float:
    """Seconds of a lap, its start included."""
    return median(one.startup + one.wall for one in entry.laps)
