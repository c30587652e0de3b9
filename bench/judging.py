"""What the rounds say of one limit: held, missed within the noise, broken, or not measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bench.measure import Figure
from bench.rounds import Group, Sample


class Unjudged(Exception):
    """There is no figure; `broken` if that is our fault."""

    def __init__(self, why: str, *, broken: bool = False) -> None:
        super().__init__(why)
        self.broken = broken


class Verdict(NamedTuple):
    """One line of the table of budgets."""

    budget: str
    limit: str
    figure: Figure | None
    word: str  # held; missed, within the noise; BROKEN; not measured
    why: str = ""

    @property
    def broken(self) -> bool:
        """Whether not one round keeps it."""
        return self.word.startswith("BROKEN")


def cpu(sample: Sample) -> float:
    """CPU time."""
    return sample.cpu


def wall(sample: Sample) -> float:
    """Wall time."""
    return sample.wall


def rss(sample: Sample) -> float:
    """Peak memory."""
    return sample.rss


def start(sample: Sample) -> float:
    """When the first output or request came, or else the end."""
    return sample.first or sample.wall


def figures(group: Group, name: str, what: Callable[[Sample], float]) -> list[float]:
    """A figure of each round; CPU is per URL, in us."""
    if name in group.refused:
        ours = name.startswith("fetch") and group.refused[name].startswith("refused")
        raise Unjudged(f"{name} {group.refused[name].partition(':')[0]}, see its table", broken=ours)
    if not group.runs.get(name):
        raise Unjudged(f"{name}: not asked for")
    scale = 1e6 / group.counts[name] if what is cpu else 1.0
    return [what(sample) * scale for sample in group.runs[name]]


def ratios(group: Group, mine: str, theirs: str, what: Callable[[Sample], float]) -> list[float]:
    """Mine to theirs in each round."""
    pairs = zip(figures(group, mine, what), figures(group, theirs, what), strict=True)
    return [one / other for one, other in pairs]


def judge(
    budget: str, limit: float, take: Callable[[], list[float]], unit: str = "x", why: str = ""
) -> Verdict:
    """At most this limit; at least minus it, if it is negative."""
    at_least = limit < 0
    bound = abs(limit)
    words = f"{'>=' if at_least else '<='} {bound:g} {unit}"
    try:
        found = take()
    except Unjudged as gap:
        return Verdict(budget, words, None, "BROKEN" if gap.broken else "not measured", str(gap))
    beyond = [value < bound if at_least else value > bound for value in found]
    figure = Figure.of(found)
    factor = bound / figure.median if at_least else figure.median / bound
    if factor <= 1:
        return Verdict(budget, words, figure, "held, within the noise" if any(beyond) else "held")
    word = "BROKEN" if all(beyond) else "missed, within the noise,"
    return Verdict(budget, words, figure, f"{word} by a factor of {factor:.2f}", why)
