"""Charts as SVG: bars with intervals, and rows of dots.

Across, everything is in percent, and down in pixels: a chart is as wide as its place, on a phone and on a
wall, and its text is never scaled. So no margin is kept for names: each stands above its own row.
Colours are the page's: classes here, `frame.html` says what they look like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Final

LABEL: Final = 20  # pixels: the line of text above a row
GAP: Final = 16
AXIS: Final = 18
BAR: Final = 16
TICKS: Final = 5  # at most, about
WIDE: Final = 4.0  # from this ratio of most to least on, dots stand on a logarithmic scale
NARROW: Final = 0.1  # of the middle: an axis spans no less, or noise would look like much

Words = Callable[[float], str]  # a value as the text of a tick


@dataclass
class Row:
    """One arm's line: a bar has a value and perhaps an interval, dots have marks (what they are, value)."""

    name: str
    text: str  # the value in words
    note: str  # at the right
    value: float
    low: float | None = None
    high: float | None = None
    marks: Sequence[tuple[str, float]] = ()
    best: bool = False
    again: bool = False  # the control


class Scale:
    """Where a value lies, in percent of the width."""

    def __init__(self, low: float, high: float, *, log: bool = False) -> None:
        self.low, self.high, self.log = low, high, log

    def at(self, value: float) -> str:
        """As SVG writes it."""
        if self.log:
            share = log10(value / self.low) / log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return f"{100 * share:.2f}%"

    def ticks(self) -> list[float]:
        """Round values within."""
        if not self.log:
            return ticks(self.low, self.high)
        powers = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        found = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
        found = [value for value in found if self.low <= value <= self.high]
        return found if len(found) <= TICKS + 1 else [one for one in found if f"{one:e}".startswith("1.")]


def ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, from low to high."""
    least = (high - low) / TICKS
    power = 10.0 ** floor(log10(least))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= least * (1 - 1e-9))
    return [number * step for number in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]


def around(values: Sequence[float]) -> Scale:
    """A scale that the values fill, whatever they are: logarithmic where they are far apart, never from 0."""
    least, most = min(values), max(values)
    if least > 0 and most / least >= WIDE:
        return Scale(least / 1.1, most * 1.1, log=True)
    middle = (least + most) / 2
    half = max(most - least, NARROW * middle) * 0.55 or 1.0
    return Scale(max(middle - half, 0.0), middle + half)


def bars(title: str, rows: Sequence[Row], words: Words, band: int) -> str:
    """Bars from 0; the line across the end of one is its interval."""
    scale = Scale(0.0, max([row.high or row.value for row in rows]) or 1.0)

    def draw(row: Row, top: float) -> Iterator[str]:
        middle = top + band / 2
        yield (
            f'<rect class="bar{" best" * row.best}" y="{middle - BAR / 2:g}" height="{BAR}" '
            f'width="{scale.at(row.value)}"/>'
        )
        if row.low is not None and row.high is not None:
            low, high = scale.at(row.low), scale.at(row.high)
            yield _line("interval", low, high, middle, middle)
            for end in (low, high):
                yield _line("interval", end, end, middle - 4, middle + 4)

    return _chart(title, rows, words, band, scale, draw)


def dots(title: str, rows: Sequence[Row], words: Words, band: int, scale: Scale) -> str:
    """A dot for each mark, the first at the top; the line through them is the value, their median."""

    def draw(row: Row, top: float) -> Iterator[str]:
        kind = "again" if row.again else "dot"
        step = (band - 8) / max(len(row.marks) - 1, 1)
        at = scale.at(row.value)
        yield _line("median", at, at, top, top + band)
        for number, (what, value) in enumerate(row.marks):
            yield (
                f'<circle class="{kind}" cx="{scale.at(value)}" cy="{top + 4 + number * step:.1f}" r="3">'
                f"<title>{escape(what)}</title></circle>"
            )

    return _chart(title, rows, words, band, scale, draw)


def _chart(
    title: str,
    rows: Sequence[Row],
    words: Words,
    band: int,
    scale: Scale,
    draw: Callable[[Row, float], Iterator[str]],
) -> str:
    """The rows one below the other, then the axis."""
    marks = scale.ticks()
    bottom = len(rows) * (LABEL + band + GAP) - GAP
    parts = [f'<svg role="img" width="100%" height="{bottom + AXIS}"><title>{escape(title)}</title>']
    for number, row in enumerate(rows):
        top = number * (LABEL + band + GAP) + LABEL
        parts.append(
            f'<text x="0" y="{top - 6}"><tspan class="name">{escape(row.name)}</tspan>'
            f'<tspan dx="8">{escape(row.text)}</tspan></text>'
        )
        if row.note:
            parts.append(f'<text x="100%" y="{top - 6}" class="note end">{escape(row.note)}</text>')
        parts += [_line("grid", at, at, top, top + band) for at in map(scale.at, marks)]
        parts += draw(row, top)
    for value in marks:
        at = scale.at(value)
        side = " start" if float(at[:-1]) < 6 else " end" if float(at[:-1]) > 94 else ""
        parts.append(
            f'<text x="{at}" y="{bottom + AXIS - 3}" class="tick{side}">{escape(words(value))}</text>'
        )
    return "\n".join([*parts, "</svg>"])


def _line(kind: str, left: str, right: str, top: float, bottom: float) -> str:
    return f'<line class="{kind}" x1="{left}" x2="{right}" y1="{top:g}" y2="{bottom:g}"/>'
