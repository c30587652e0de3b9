"""Sizes and times as people read them, in the unit that leaves one to three digits before the point."""

from __future__ import annotations

from typing import Final

from fetcher.report.words import number

UNITS: Final = ("B", "kB", "MB", "GB", "TB")


def size(value: float | None) -> str:
    """Bytes: 812 B, 12.3 kB, 1.23 MB."""
    if value is None:
        return "-"
    power = 0
    while value >= 999.5 and power < len(UNITS) - 1:
        value /= 1000
        power += 1
    return f"{value:,.0f} B" if not power else f"{number(value)} {UNITS[power]}"


def tick(value: float) -> str:
    """A round size on an axis: 2 kB, 500 kB."""
    amount, unit = size(value).split(" ")
    return f"{float(amount):g} {unit}"


def seconds(value: float | None) -> str:
    """A duration: 870 us, 12.3 ms, 1.23 s."""
    if value is None:
        return "-"
    if value >= 0.9995 or not value:
        return f"{number(value)} s"
    return f"{number(value * 1e3)} ms" if value >= 0.0009995 else f"{value * 1e6:,.0f} us"
