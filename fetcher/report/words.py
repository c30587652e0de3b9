"""Numbers as people read them: thousands apart, three digits that mean something, `-` for none."""

from __future__ import annotations

from math import floor, log10


def number(value: float | None) -> str:
    """To three digits, or to the unit from 100 on."""
    if value is None:
        return "-"
    size = floor(log10(float(f"{abs(value):.2e}"))) if value else 2
    return f"{value:,.{min(max(2 - size, 0), 6)}f}"


def tick(value: float) -> str:
    """A round value on an axis."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def rate(value: float) -> str:
    """URLs per second."""
    return f"{number(value)} URLs/s"


def count(value: int | None) -> str:
    """How many."""
    return "-" if value is None else f"{value:,}"


def span(low: float, high: float) -> str:
    """From, to."""
    return f"{number(low)}-{number(high)}"
