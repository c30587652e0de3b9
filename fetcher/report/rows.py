"""The figures of engines as rows of words, a unit in the name of each row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from fetcher.report.words import count, number, span

LIMITS: Final = {
    "client": "this engine itself",
    "server": "the server",
    "limits": "pauses: limits that were asked for, Retry-After, retries",
    "answers": "waiting for answers, all slots in use",
}
Entry = dict[str, Any]


@dataclass
class Cell:
    """A figure, and between what it lies."""

    text: str
    range: str = ""


@dataclass
class Row:
    """One figure of every engine."""

    label: str
    cells: list[Cell]
    strong: bool = False


def figures(engines: list[Entry], rank: str) -> list[Row]:
    """All figures of these; `rank` is `time`, `cpu`, or empty where ratios would mislead."""

    def row(label: str, of: Callable[[Entry], Any], strong: bool = False) -> Row:
        found = [of(entry) for entry in engines]
        return Row(label, [one if isinstance(one, Cell) else Cell(one) for one in found], strong)

    def ratio(name: str, same: str) -> Callable[[Entry], Cell]:
        return lambda entry: _ratio(entry[name], same=entry[same])

    def latency(name: str) -> Callable[[Entry], str]:
        return lambda entry: number(_times(entry["latency"][name], 1e3))

    several = len(engines) > 1
    rows = [row("URLs/s", lambda entry: _between(entry["urls_per_s"]), strong=rank == "time")]
    if rank == "time" and several:
        rows.append(row("Time, as a multiple of the fastest's", ratio("ratio", "same"), strong=True))
        rows.append(row("p of chance (Holm)", lambda entry: number(entry["p"])))
    rows += [
        row("Time for the list, s", lambda entry: number(entry["seconds"])),
        row("MB/s", lambda entry: number(entry["bytes_per_s"] / 1e6)),
        row("Latency p50, ms", latency("p50")),
        row("Latency p95, ms", latency("p95")),
        row("Latency p99, ms", latency("p99")),
        row("CPU time per URL, us", lambda entry: number(entry["cpu_per_url"] * 1e6), strong=rank == "cpu"),
    ]
    if rank and several:
        cpu = row("CPU, as a multiple of the least", ratio("cpu_ratio", "cpu_same"), strong=rank == "cpu")
        rows.append(cpu)
    return [
        *rows,
        row("Peak memory (RSS), MB", lambda entry: number(entry["peak_rss"] / 1e6)),
        row("Start-up, s", lambda entry: number(entry["startup"])),
        row("Connections", lambda entry: count(entry["connections"])),
        row("At once", lambda entry: count(entry["concurrency"])),
        row("URLs ok", lambda entry: count(entry["ok"])),
        row("URLs failed", lambda entry: count(entry["failed"])),
        row("Limited by", lambda entry: LIMITS.get(entry["limit"], entry["limit"])),
    ]


def _between(one: dict[str, float]) -> Cell:
    return Cell(number(one["median"]), span(one["low"], one["high"]))


def _ratio(one: dict[str, float], *, same: bool) -> Cell:
    if one["low"] == one["high"] == 1:
        return Cell("1")
    return Cell(f"{'~ ' * same}{number(one['median'])}", span(one["low"], one["high"]))


def _times(value: float | None, times: float) -> float | None:
    return None if value is None else value * times


def answers(engines: list[Entry]) -> list[Row]:
    """How often each status and each kind of error came."""
    rows = []
    for name in ("statuses", "errors"):
        kinds = sorted({kind for entry in engines for kind in entry[name]})
        rows += [Row(kind, [Cell(count(entry[name].get(kind, 0))) for entry in engines]) for kind in kinds]
    return rows


def laps(arms: dict[str, Entry]) -> list[Row]:
    """The same figures as the dots'."""
    most = max(len(entry["blocks"]) for entry in arms.values())
    walls = [[lap["wall"] for lap in entry["blocks"]] for entry in arms.values()]
    return [
        Row(f"{at + 1}", [Cell(number(one[at]) if at < len(one) else "-") for one in walls])
        for at in range(most)
    ]
