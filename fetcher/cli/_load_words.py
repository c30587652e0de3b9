"""A load test in words, on one screen: the verdict, what was asked and answered, how long it took."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, Final

from fetcher.cli._load_shape import BESIDE, latency
from fetcher.cli._sections import joined, whole
from fetcher.cli._summary import KEPT
from fetcher.report.explained import explained, peak
from fetcher.report.latency import (
    Record,
    a_second,
    client,
    judged,
    rate,
    requests,
    said,
    server,
)
from fetcher.report.page import visible
from fetcher.report.units import seconds, size
from fetcher.report.words import count

TARGETS: Final = 10  # the slowest are shown
NAME: Final = 10  # columns of the name of a fact
COLORS: Final = {"PASS": "32", "FAIL": "31", "INVALID": "33"}
# Where no line is broken: between a number and its unit, and after the sign of a bound.
_UNIT: Final = re.compile(r"(?<=\d) (?=(?:[um]?s|[kMGT]?B|at)\b|%)|(?<=>=) ")


def words(record: Record, width: int | None = None, *, blocks: bool = False, color: bool = False) -> str:
    """The record as plain lines, wrapped where there is a width.

    `blocks`: the terminal knows block characters; `color`: it knows colours, and nobody has forbidden them.
    """
    lines = [
        f"{record['verdict']}: {visible(str(record['why']))}",
        *_limits(record),
        "",
        *_facts(record, width),
    ]
    if any(record[kind].get("max") is not None for kind in ("service", "response")):
        lines += ["", *latency(record, width, blocks=blocks)]
    for part in (_answers(record), _targets(record), _curve(record), _notes(record)):
        lines += part
    lines += ["", explained(record)]
    text = joined([_UNIT.sub(KEPT, line) for line in lines], width)
    return re.sub(r"\b(PASS|FAIL|INVALID)\b", _painted, text) if color else text


def _painted(mark: re.Match[str]) -> str:
    """A verdict where one stands: at the start of its line or the end of it, never within a text."""
    line = mark.string[mark.string.rfind("\n", 0, mark.start()) + 1 : mark.start()]
    alone = not line.strip() or mark.string[mark.end() :].startswith("\n")
    return f"\x1b[1;{COLORS[mark[0]]}m{mark[0]}\x1b[0m" if alone else mark[0]


def _limits(record: Record) -> Iterator[str]:
    """What the SLO asked for, and what was measured."""
    rules = [judged(rule) for rule in record["slo"]]
    wide = max((len(rule.rule) for rule in rules), default=0)
    for rule in rules:
        yield f"  {rule.mark}  {rule.rule:{KEPT}<{wide}}  {rule.value}{rule.note}"


def _facts(record: Record, width: int | None) -> Iterator[str]:
    """What was asked and answered, and what it took; a text that goes on stays in its column."""
    facts = [
        ("goodput", f"{a_second(record['goodput'])} that were ok"),
        ("rate", rate(record)),
        ("requests", requests(record)),
        ("received", _received(record)),
        ("client", client(record)),
        ("server", server(record)),
        ("worst", _worst(record)),
    ]
    for name, text in facts:
        line = _UNIT.sub(KEPT, f"{name:{NAME}}{text}")
        if text and width is not None and len(line) > width:
            indent = " " * (NAME if width >= BESIDE else 4)
            yield from textwrap.wrap(
                line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )
        elif text:
            yield line


def _received(record: Record) -> str:
    found = f"{size(record['bytes']['wire'])}, {size(record['bytes_per_s'])}/s"
    opened = record.get("connections")
    return found + (f", over {count(opened)} connection{'s' * (opened != 1)}" if opened is not None else "")


def _worst(record: Record) -> str:
    """The second with the highest p99."""
    rows, at, name = record["per_second"], record.get("worst"), peak(record["per_second"])
    if at is None or at >= len(rows) or len(rows) < 2 or not name or rows[at].get(name) is None:
        return ""
    row = rows[at]
    ends = f"{count(row['ok'])} ok" + (f", {count(row['failed'])} failed" if row["failed"] else "")
    return f"second {count(row['second'])}: {name} {seconds(row[name])}, {ends}"


def _answers(record: Record) -> list[str]:
    """Statuses and kinds of error with their counts."""
    lines = []
    for title, pairs in (("by status", record["statuses"]), ("by error", record["errors"])):
        found = [f"{visible(str(name))}{KEPT}{count(many)}" for name, many in _most(pairs)]
        if found:
            lines.append(f"{title}: {'   '.join(found)}")
    return ["", *lines] if lines else []


def _most(pairs: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(pairs.items(), key=lambda pair: -pair[1])


def _targets(record: Record) -> list[str]:
    """The slowest of several targets."""
    targets = record.get("by_target") or []
    if len(targets) < 2:
        return []
    by = "p99" if all(one["p99"] is not None for one in targets) else "p50"
    slowest = sorted(targets, key=lambda one: -(one[by] or 0.0))[:TARGETS]
    rows = [("p50", "p99", "ok", "failed", f"target, the slowest first (by {by})")]
    for one in slowest:
        ends = count(one["ok"]), count(one["failed"])
        rows.append((said(one, "p50"), said(one, "p99"), *ends, whole(one["url"])))
    total = max(record.get("targets") or 0, len(targets))
    more = [f"  ... and {total - len(slowest):,} more"] if total > len(slowest) else []
    return ["", *_columns(rows), *more]


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The last cell at the left of what is free, the others at the right of their columns."""
    wide = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    for row in rows:
        cells = "  ".join(f"{text:>{room}}" for text, room in zip(row, wide, strict=False))
        yield f"  {cells.replace(' ', KEPT)}  {row[-1]}".rstrip()


def _curve(record: Record) -> list[str]:
    """Every rate that --find-max has tried."""
    curve = (record.get("max_rate") or {}).get("curve")
    if not curve:
        return []
    rows = [
        (a_second(one["rate"]), a_second(one.get("goodput")), said(one, "p99"), one["verdict"])
        for one in sorted(curve, key=lambda one: one["rate"])
    ]
    return ["", "rates that were tried", *_columns([("asked", "goodput", "p99", ""), *rows])]


def _notes(record: Record) -> list[str]:
    notes: list[Any] = [*(record.get("notes") or ()), *((record.get("max_rate") or {}).get("notes") or ())]
    found = [f"note: {visible(str(note))}" for note in dict.fromkeys(notes)]
    return ["", *found] if found else []
