"""The charts of a load test: second by second, by percentile, and by the rate that was asked."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fetcher.loadtest.figures import percentile
from fetcher.report.curves import Axis, Line, Mark, plot
from fetcher.report.explained import peak
from fetcher.report.figures import Scale, around
from fetcher.report.latency import Record, a_second, histogram, said
from fetcher.report.units import seconds
from fetcher.report.words import count, number, tick

POINTS: Final = 240  # of a line over time, at most: the worst of the seconds that share one is kept
STEPS: Final = 80  # of a line over percentiles
LOWEST: Final = 1 / 0.9  # p10, where the lines begin: what lies below is of no interest
HIGHEST: Final = 1e4  # one in so many lies above the last percentile that is drawn: p99.99
ABOVE: Final = 10  # samples that must lie above a percentile
SHARES: Final = {2.0: "50", 10.0: "90", 100.0: "99", 1e3: "99.9", 1e4: "99.99"}
MINUTES: Final = 600  # seconds from which on the axis is in minutes

Rows = Sequence[dict[str, Any]]


@dataclass
class Chart:
    """A figure with how to read it; `keys`: the lines in it by kind, and their names."""

    title: str
    hint: str
    svg: str
    keys: Sequence[tuple[str, str]] = ()


def charts(record: Record) -> dict[str, list[Chart]]:
    """Those that have something to show: `over_time`, one below the other, and `others`."""
    rows = record["per_second"]
    over_time = [_rates(rows), _times(record, rows)] if len(rows) > 1 else []
    return {
        "over_time": [one for one in over_time if one],
        "others": [one for one in (_percentiles(record), _curve(record)) if one],
    }


def _together(rows: Rows) -> list[Rows]:
    """The seconds that share a point of a line."""
    many = -(-len(rows) // POINTS)
    return [rows[at : at + many] for at in range(0, len(rows), many)]


def _clock(rows: Rows) -> Axis:
    first, last = rows[0]["second"], rows[-1]["second"] + rows[-1].get("span", 1)
    scale = Scale(first, last)
    if last - first < MINUTES:
        return Axis(scale, lambda value: f"{tick(value)} s")
    minutes = Scale(first / 60, last / 60).ticks()
    return Axis(scale, lambda value: f"{tick(value / 60)} min", [60 * one for one in minutes])


def _middle(group: Rows) -> float:
    return float(group[0]["second"] + group[-1]["second"] + group[-1].get("span", 1)) / 2


def _mean(group: Rows, name: str) -> float:
    """A second. What was asked is so already; counts are those of the whole span of their row."""
    spans = [1 if name == "asked" else row.get("span", 1) for row in group]
    return sum((row.get(name) or 0) / span for row, span in zip(group, spans, strict=True)) / len(group)


def _rates(rows: Rows) -> Chart:
    """What was asked, and what became of it."""
    groups = _together(rows)
    kinds = ["ok", *(["failed"] if any(row.get("failed") for row in rows) else [])]
    if any(row.get("asked") is not None for row in rows):
        kinds.insert(0, "asked")
    lines = [Line(kind, [(_middle(group), _mean(group, kind)) for group in groups]) for kind in kinds]
    most = max((point[1] for line in lines for point in line.points if point), default=0.0)
    drawn = plot(
        "Requests per second, over time", _clock(rows), Axis(Scale(0, most * 1.08 or 1.0), tick), lines
    )
    return Chart("Requests per second", _each(groups, "their mean"), drawn, [(kind, kind) for kind in kinds])


def _each(groups: list[Rows], taken: str) -> str:
    many = len(groups[0]) * groups[0][0].get("span", 1)
    return f"each point stands for {many} seconds: {taken}" if many > 1 else ""


def _times(record: Record, rows: Rows) -> Chart | None:
    """Half of the response times, and the longest of them; the worst second is marked."""
    high = peak(rows)
    groups = _together(rows)
    if not high:
        return None
    lines = []
    for kind, name in (("half", "p50"), ("response", high)):
        known = [[row[name] for row in group if row.get(name) is not None] for group in groups]
        pairs = zip(groups, known, strict=True)
        lines.append(
            Line(kind, [(_middle(group), max(values)) if values else None for group, values in pairs])
        )
    keys, marks, at = [("half", "p50"), ("response", high)], [], record.get("worst")
    if at is not None and at < len(rows) and rows[at].get(high) is not None:
        group = next(group for group in groups if rows[at] in group)
        keys.append(("worst", f"worst: second {count(rows[at]['second'])}, {seconds(rows[at][high])}"))
        told = f"{keys[-1][1]}, {count(rows[at]['ok'])} ok"
        marks.append(Mark("worst", _middle(group), rows[at][high], told))
    scale = _durations([point[1] for line in lines for point in line.points if point])
    drawn = plot("Response time, over time", _clock(rows), Axis(scale, _edge), lines, marks)
    hint = "; ".join(part for part in (_axis(scale), _each(groups, "the worst")) if part)
    return Chart(f"Response time: p50 and {high} of each second", hint, drawn, keys)


def _durations(values: Sequence[float]) -> Scale:
    """Never from 0 where they are far apart."""
    found = around([max(value, 1e-6) for value in values])
    return found if found.log else Scale(0.0, max(values) * 1.1 or 1.0)


def _axis(scale: Scale) -> str:
    return "the axis is logarithmic" if scale.log else "the axis begins at 0"


def _edge(value: float) -> str:
    """A round duration."""
    amount, unit = seconds(value).split(" ")
    return f"{float(amount.replace(',', '')):g} {unit}"


def _percentiles(record: Record) -> Chart | None:
    """How long so many percent took at most, as far as there are enough samples to say so."""
    lines, values, most = [], [], 0.0
    for kind in ("response", "service"):  # the second one upon the first: they may be the same
        found = histogram(record, kind)
        top = min(found.total / ABOVE, HIGHEST)
        if top < 2:
            continue
        points = []
        for step in range(STEPS + 1):
            above = LOWEST * (top / LOWEST) ** (step / STEPS)
            value = found.percentile(100 * (1 - 1 / above))
            if value is not None:
                points.append((above, value))
        known = _known(record["histogram"][kind], [above for above, _ in points])
        lines += [Line(kind, points[: known + 1]), Line(f"{kind} bound", points[known:])]
        values += [value for _, value in points]
        most = max(most, top)
    if not values:
        return None
    ticks = [above for above in SHARES if above <= most * 1.01]
    across = Axis(Scale(LOWEST, max(most, 2.1), log=True), lambda value: SHARES[value], ticks)
    scale = _durations(values)
    drawn = plot("Latency by percentile", across, Axis(scale, _edge), [line for line in lines if line.points])
    hint = f"so many percent took at most so long; {_axis(scale)}"
    if any("bound" in line.kind and line.points for line in lines):
        hint += "; dotted: at least so long"
    return Chart("Latency by percentile", hint, drawn, [(one, one) for one in ("service", "response")])


def _known(stored: Record, points: Sequence[float]) -> int:
    """From which of the points on percentiles are lower bounds only: their number if none is."""
    return bisect_left(points, True, key=lambda above: percentile(stored, 100 * (1 - 1 / above))[1])


def _curve(record: Record) -> Chart | None:
    """p99 against the rate that was asked."""
    found = record.get("max_rate") or {}
    points = sorted(
        ((one["rate"], one["p99"], one) for one in found.get("curve") or () if one.get("p99") is not None),
        key=lambda point: point[:2],
    )
    if len(points) < 2:
        return None
    marks = []
    for asked, p99, one in points:
        told = f"{a_second(asked)}: p99 {said(one, 'p99')}, {one['verdict']}"
        marks.append(Mark("passed" if one["verdict"] == "PASS" else "missed", asked, p99, told))
    rates, scale = around([point[0] for point in points]), _durations([point[1] for point in points])
    line = Line("half", [point[:2] for point in points])
    drawn = plot("p99 by the rate that was asked", Axis(rates, number), Axis(scale, _edge), [line], marks)
    hint = f"of the response, each dot a rate that was tried; {_axis(scale)}"
    keys = [("passed", "kept the limits"), ("missed", "did not")]
    return Chart("p99 by the rate that was asked", hint, drawn, keys)
