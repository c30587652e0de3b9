"""What was measured, as Markdown: one table per workload, the budgets, the commands, the machine."""

from __future__ import annotations

import os
import platform
import ssl
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.arms import fetch, other_version
from bench.judging import Verdict, cpu, figures, ratios, rss, start, wall
from bench.measure import Figure
from bench.rounds import Group, Sample
from bench.servers import SATURATED, nginx_version

LIBRARIES = ("aiohttp", "uvloop", "requests", "urllib3", "pycurl", "msgspec", "ada-url", "typer")


def table(group: Group) -> list[str]:
    """One workload."""
    found = [f"### {group.title}", ""]
    if group.server:
        found += [f"Server: {group.server}.", ""]
    columns = _COLUMNS[group.shows]
    if group.runs:
        names = ["", *(name for name, _ in columns)]
        based = bool(group.runs.get(group.against))
        compared: list[tuple[str, Callable[[Sample], float]]] = []
        if based and group.shows != "memory":
            compared = [("CPU", cpu), ("wall", wall)] if group.shows == "cpu" else [("time", start)]
        names += [f"{word} / {group.against}" for word, _ in compared] + ["wall / ideal"] * bool(group.ideal)
        found += [_row(names), _row(["---"] * len(names))]
        for name in group.runs:
            cells = [name, *(cell(group, name) for _, cell in columns)]
            cells += [
                "1" if name == group.against else _plain(ratios(group, name, group.against, what))
                for _, what in compared
            ]
            if group.ideal:
                cells.append(_plain([value / group.ideal for value in figures(group, name, wall)]))
            found.append(_row(cells))
        found.append("")
    found += [f"- {name}: {why}" for name, why in group.refused.items()]
    if busy := [name for name in group.runs if group.server and _busy(group, name) >= SATURATED]:
        found.append(f"- The server was saturated by: {', '.join(busy)}. Their wall time is the server's.")
    return [*found, ""] if found[-1] else found


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def spread(figure: Figure, digits: int) -> str:
    """Median (least-most)."""
    return f"{figure.median:,.{digits}f} ({figure.low:,.{digits}f}-{figure.high:,.{digits}f})"


def _plain(values: Sequence[float]) -> str:
    return spread(Figure.of(values), 2)


def _busy(group: Group, name: str) -> float:
    return Figure.of([sample.server / sample.wall for sample in group.runs[name]]).median


def _cell(what: Callable[[Sample], float], digits: int, scale: float = 1.0) -> Callable[[Group, str], str]:
    return lambda group, name: spread(Figure.of([v * scale for v in figures(group, name, what)]), digits)


def _connections(group: Group, name: str) -> str:
    median = Figure.of([sample.connections for sample in group.runs[name]]).median
    return "-" if median < 0 else f"{median:,.0f}"


_COLUMNS: dict[str, list[tuple[str, Callable[[Group, str], str]]]] = {
    "cpu": [
        ("CPU per URL, us", _cell(cpu, 0)),
        ("wall, s", _cell(wall, 2)),
        ("peak RSS, MB", _cell(rss, 0)),
        ("connections", _connections),
        ("server", lambda group, name: f"{_busy(group, name):.0%}"),
    ],
    "memory": [
        ("peak RSS, MB", _cell(rss, 1)),
        ("first result, ms", _cell(start, 0, 1000)),
        ("CPU per URL, us", _cell(cpu, 0)),
        ("wall, s", _cell(wall, 2)),
    ],
    "start": [("ms", _cell(start, 1, 1000))],
}


def budgets(found: Sequence[Verdict]) -> list[str]:
    """The table of DESIGN section 5, again."""
    rows = [_row(["budget", "limit", "figure", "spread", ""]), _row(["---"] * 5)]
    for one in found:
        median, low_high = ("", "")
        if one.figure:
            median = f"{one.figure.median:.2f}"
            low_high = f"{one.figure.low:.2f}-{one.figure.high:.2f}"
        rows.append(
            _row([one.budget, one.limit, median, low_high, f"{one.word}{one.why and f' ({one.why})'}"])
        )
    return ["### The budgets of DESIGN section 5, again", "", *rows, ""]


def commands(groups: Sequence[Group]) -> list[str]:
    """The exact command lines; TMP is the folder of lists."""
    found = ["### Command lines", ""]
    for group in groups:
        if group.commands:
            found += [f"{group.key}:", "", "```", *(f"{line}" for line in group.commands.values()), "```", ""]
    return found


def machine(rounds: int, seed: int) -> list[str]:
    """What was measured with what, and on what."""
    load = " ".join(f"{one:.2f}" for one in os.getloadavg())
    said = [
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load average {load} at the start",
        f"{_processor()}, {os.cpu_count()} cores for client and server together, {_system()}",
        f"{rounds} rounds, each in a random order (seed {seed})",
        f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION}",
        _first([*fetch(), "--version"]),
        ", ".join(f"{name} {_version(name)}" for name in LIBRARIES),
        f"Scrapy {other_version('scrapy')}",
        f"pycurl's libcurl: {_pycurl()}",
        *(_first([name, "--version"]) for name in ("curl", "wget2", "aria2c")),
        nginx_version(),
    ]
    return [*(f"- {line}" for line in said), ""]


def _system() -> str:
    return f"{platform.system()} {platform.release()}"


def _processor() -> str:
    found = Path("/proc/cpuinfo")
    names = (
        [line for line in found.read_text().splitlines() if "model name" in line] if found.exists() else []
    )
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def _pycurl() -> str:
    try:
        import pycurl
    except ImportError:
        return "not installed"
    return str(pycurl.version)


def _first(words: list[str]) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError:
        return f"{words[0]}: not installed"
    return done.stdout.splitlines()[0] if done.stdout else f"{Path(words[0]).name}: does not run"
