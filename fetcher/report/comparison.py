"""A comparison, or an experiment of several, as a page: the verdict first, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from fetcher import __version__
from fetcher.report.figures import Row as Line
from fetcher.report.figures import around, bars, dots
from fetcher.report.markup import table, text
from fetcher.report.page import render
from fetcher.report.rows import Row
from fetcher.report.section import Chart, Section, environment, section
from fetcher.report.words import number, rate, tick

HELD: Final = {True: "yes", False: "no", None: "cannot be told"}
RULES: Final = ("---", "---", "---")  # columns to the left
LAPS: Final = 4  # pixels from one lap's dot to the next


def html(record: dict[str, Any]) -> str:
    """The page, with charts."""
    found = _page(record)
    for one in found["sections"]:
        one.charts = _charts(one)
    title = f"fetch compare: {found['words']}"
    return render("comparison.html", page=found, title=title, version=__version__)


def markdown(record: dict[str, Any]) -> str:
    """The same in tables."""
    return "\n".join(_markdown(_page(record)))


def _page(record: dict[str, Any]) -> dict[str, Any]:
    """What both show: one section, or one for each workload."""
    workloads, machine = record.get("workloads"), environment(record)
    if workloads:
        words = record["verdict"]
        sections = [section(one, one.get("title") or name) for name, one in workloads.items()]
        machine = [("Seed", str(record["seed"])), ("Blocks", f"{record['blocks']:,}"), *machine]
    else:
        sections = [section(record)]
        words = sections[0].words
        sections[0].facts += machine
        machine = []
    advice = [{**one, "held": HELD[one["held"]]} for one in record.get("advice", ())]
    page = {name: record[name] for name in ("verdict", "sentence")}
    return {**page, "words": words, "advice": advice, "sections": sections, "facts": machine}


def _charts(one: Section) -> list[Chart]:
    """Those that the verdict allows: none where engines disagree, raw laps where the run is invalid."""
    if one.verdict == "disagree":
        return []
    found = [_finish(one)]
    if one.rank:
        found = [_throughput(one), *found, _cpu(one)]
    if one.rank == "cpu":
        found = [found[2], *found[:2]]
    return found


def _band(one: Section) -> int:
    """As high for all charts of a section, so that an engine is in one line through all of them."""
    most = max(len(entry["blocks"]) for entry in one.engines.values())
    return min(max(8 + LAPS * (most - 1), 20), 64)


def _throughput(one: Section) -> Chart:
    lines = [
        Line(
            name,
            rate(entry["urls_per_s"]["median"]),
            _note(one, name, "ratio", "same", "fastest") if one.rank == "time" else "",
            entry["urls_per_s"]["median"],
            entry["urls_per_s"]["low"],
            entry["urls_per_s"]["high"],
            best=one.rank == "time" and entry["same"],
        )
        for name, entry in one.engines.items()
    ]
    hint = "bar: the middle of all blocks; line: its 95 % interval"
    if one.rank == "time":
        hint += "; right: its time as a multiple of the fastest's, ~ no more than chance"
    return Chart("URLs per second", hint, bars("URLs per second, by engine", lines, tick, _band(one)))


def _finish(one: Section) -> Chart:
    laps = {name: [lap["wall"] for lap in entry["blocks"]] for name, entry in one.arms.items()}
    unit, times = ("ms", 1e3) if max(map(max, laps.values())) < 1 else ("s", 1.0)
    lines = []
    for name, walls in laps.items():
        middle = one.arms[name]["seconds"] * times
        marks = [
            (f"block {at}: {number(wall * times)} {unit}", wall * times) for at, wall in enumerate(walls, 1)
        ]
        words = f"{number(middle)} {unit}"
        lines.append(Line(name, words, "", middle, marks=marks, again=name not in one.engines))
    scale = around([wall * times for walls in laps.values() for wall in walls])
    title = "Time to finish the list, every lap, by engine"
    drawn = dots(title, lines, lambda at: f"{tick(at)} {unit}", _band(one), scale)
    axis = "is logarithmic" if scale.log else "does not begin at 0" if scale.low else "begins at 0"
    hint = f"each dot one lap, the first block at the top; line: their median; the axis {axis}"
    return Chart("Time to finish the list", hint, drawn)


def _cpu(one: Section) -> Chart:
    lines = [
        Line(
            name,
            f"{number(entry['cpu_per_url'] * 1e6)} us",
            _note(one, name, "cpu_ratio", "cpu_same", "least"),
            entry["cpu_per_url"] * 1e6,
            best=entry["cpu_same"],
        )
        for name, entry in one.engines.items()
    ]
    drawn = bars("CPU time per URL in us, by engine", lines, lambda at: f"{tick(at)} us", _band(one))
    hint = "of all its processes; right: as a multiple of the least, ~ no more than chance"
    return Chart("CPU time per URL", hint, drawn)


def _note(one: Section, name: str, ratio: str, same: str, leader: str) -> str:
    if len(one.engines) == 1:
        return ""
    if name == one.leads[ratio]:
        return leader
    entry = one.engines[name]
    return f"{'~ ' * entry[same]}{number(entry[ratio]['median'])} x"


def _markdown(page: dict[str, Any]) -> Iterator[str]:
    yield from (f"# {text(page['sentence'])}", "", f"verdict: **{text(page['words'])}**", "")
    if page["advice"]:
        lines = [(one["claim"], one["held"], one["why"]) for one in page["advice"]]
        yield from table(("Advice", "Held", "Why"), lines, RULES)
    for one in page["sections"]:
        if one.title:
            yield from (f"## {text(one.title)}", "", f"verdict: **{text(one.words)}**", "")
            yield from (text(one.sentence), "")
        yield from _section(one)
    yield from (f"- {name}: {text(value)}" for name, value in page["facts"])
    yield ""


def _section(one: Section) -> Iterator[str]:
    for warning in one.warnings:
        yield from (f"> **Note:** {text(warning)}", "")
    if one.odd:
        said = [
            (
                f"{odd['row']:,}",
                odd["url"],
                field,
                "; ".join(f"{value}: {', '.join(arms)}" for value, arms in words),
            )
            for odd in one.odd
            for field, words in ((field, values.items()) for field, values in odd["fields"].items())
        ]
        yield from (
            f"{one.disagreeing:,} URLs on which the engines disagree, the first {len(one.odd):,}:",
            "",
        )
        yield from table(("Row", "URL", "Field", "Who said what"), said, (*RULES, "---"))
    yield from (text(one.order), "")
    yield from _figures("Figure", one.names, one.rows)
    if one.answers:
        yield from _figures("Status or error, all laps together", one.names, one.answers)
    yield from (text(one.noise), "")
    yield from (f"- {name}: {text(value)}" for name, value in one.facts)
    yield ""


def _figures(first: str, names: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    cells = [[cell.text + (f" ({cell.range})" if cell.range else "") for cell in row.cells] for row in rows]
    lines = [(row.label, *found) for row, found in zip(rows, cells, strict=True)]
    yield from table((first, *names), lines, ("---", *["--:"] * len(names)))
