"""Charts of lines as SVG: one figure against another, with marks where something is to be seen.

Across, everything is in percent, and down in pixels, as in `figures`. Lines are drawn in a picture of their
own that is stretched to the place; their strokes are not. The numbers of the axis at the left stand outside:
the page keeps a margin for them (class `plot`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from fetcher.report.figures import Scale, Words

HEIGHT: Final = 200  # pixels, without the axis
AXIS: Final = 22
WIDE: Final = 1000  # of the stretched picture
ASIDE: Final = 8  # pixels between the axis and its numbers

Point = tuple[float, float] | None  # None: here the line is broken


@dataclass
class Line:
    """One line; `kind` is a class of the page, which says what it looks like."""

    kind: str
    points: Sequence[Point]


@dataclass
class Mark:
    """A point that stands out, and what it says when it is pointed at."""

    kind: str
    x: float
    y: float
    title: str


@dataclass
class Axis:
    """Where values lie, and which of them are named how."""

    scale: Scale
    words: Words
    ticks: Sequence[float] | None = None  # None: round ones

    @property
    def named(self) -> list[tuple[float, str]]:
        """Where, as a share, and the text."""
        found = self.scale.ticks() if self.ticks is None else self.ticks
        return [(share(self.scale, value), self.words(value)) for value in found]


def share(scale: Scale, value: float) -> float:
    """Where a value lies, from 0 to 1; at the edge if it lies beyond."""
    return float(scale.at(min(max(value, scale.low), scale.high))[:-1]) / 100


def plot(title: str, across: Axis, up: Axis, lines: Sequence[Line], marks: Sequence[Mark] = ()) -> str:
    """The chart."""
    parts = [
        f'<svg role="img" class="plot" width="100%" height="{HEIGHT + AXIS}"><title>{escape(title)}</title>'
    ]
    for at, text in up.named:
        y = f"{HEIGHT * (1 - at):.1f}"
        parts.append(f'<line class="grid" x1="0%" x2="100%" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick end" x="{-ASIDE}" y="{float(y) + 4:.1f}">{escape(text)}</text>')
    for at, text in across.named:
        side = " start" if at < 0.04 else " end" if at > 0.96 else ""
        x = f"{100 * at:.2f}%"
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{HEIGHT}" y2="{HEIGHT + 4}"/>')
        parts.append(f'<text class="tick{side}" x="{x}" y="{HEIGHT + AXIS - 4}">{escape(text)}</text>')
    drawn = "".join(_path(line, across.scale, up.scale) for line in lines)
    parts.append(
        f'<svg width="100%" height="{HEIGHT}" viewBox="0 0 {WIDE} {HEIGHT}" preserveAspectRatio="none">'
        f"{drawn}</svg>"
    )
    parts += [_mark(mark, share(across.scale, mark.x), share(up.scale, mark.y)) for mark in marks]
    return "\n".join([*parts, "</svg>"])


def _path(line: Line, across: Scale, up: Scale) -> str:
    steps, pen = [], "M"
    for point in line.points:
        if point is None:
            pen = "M"
            continue
        at = f"{WIDE * share(across, point[0]):.1f},{HEIGHT * (1 - share(up, point[1])):.1f}"
        # A point alone is a line of no length: its round ends make a dot.
        steps.append(f"M{at}L{at}" if pen == "M" else f"L{at}")
        pen = "L"
    return f'<path class="line {line.kind}" d="{"".join(steps)}"/>' if steps else ""


def _mark(mark: Mark, across: float, up: float) -> str:
    place = f'cx="{100 * across:.2f}%" cy="{HEIGHT * (1 - up):.1f}" r="4.5"'
    return f'<circle class="{mark.kind}" {place}><title>{escape(mark.title)}</title></circle>'
