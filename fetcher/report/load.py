"""A load test as a page: the verdict first, then how the load went second by second, and all figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fetcher import __version__
from fetcher.report.explained import explained
from fetcher.report.latency import (
    NAMES,
    Record,
    a_second,
    client,
    judged,
    legend,
    percent,
    rate,
    requests,
    said,
    server,
)
from fetcher.report.markup import table, text
from fetcher.report.moments import charts
from fetcher.report.page import render, visible
from fetcher.report.section import environment
from fetcher.report.units import seconds, size
from fetcher.report.words import count, span

TARGETS: Final = 100
SECONDS: Final = 3600  # of the table: more make the page too heavy
LATENCIES: Final = {
    "service": "Service",
    "response": "Response",
    "lateness": "Sent late by",
    "failed_service": "Failed ones",
}


@dataclass
class Table:
    """Rows of words; `head` has the name of each column, and `note` what to know of them."""

    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False


def html(record: Record) -> str:
    """The page, with charts."""
    found = {
        "verdict": record["verdict"],
        "why": visible(str(record["why"])),
        "sentence": explained(record),
        "tiles": _tiles(record),
        "rules": [judged(rule) for rule in record["slo"]],
        "charts": charts(record),
        "tables": [*_tables(record), *_seconds(record)],
        "notes": _notes(record),
        "facts": [*_facts(record), *environment(dict(record))],
    }
    title = f"fetch load: {record['verdict']}"
    return render("load.html", page=found, title=title, version=__version__)


def markdown(record: Record) -> str:
    """The same in tables."""
    return "\n".join(_markdown(record))


def _tiles(record: Record) -> list[tuple[str, str]]:
    """The few figures that come first."""
    answers = record["response"]
    found = [("goodput", a_second(record["goodput"]))]
    if record.get("asked") is not None:
        found.append(("asked", a_second(record["asked"])))
    found += [
        ("p50 of the response", said(answers, "p50")),
        ("p99 of the response", said(answers, "p99")),
        ("failed", count(record["failed"])),
        ("client CPU, of a core", percent(record["client"]["cpu"])),
    ]
    return found


def _tables(record: Record) -> Iterator[Table]:
    """Those with something in them."""
    kinds = {key: name for key, name in LATENCIES.items() if _has(record.get(key))}
    if kinds:
        rows = [[name, *(said(record[key], name) for key in kinds)] for name in (*NAMES, "min")]
        note = "; ".join(
            ["service: from sent to the last byte", "response: from when it was due", *legend(record)]
        )
        yield Table("Latency", note, ["", *kinds.values()], rows)
    answers = [(f"status {code}", n) for code, n in record["statuses"].items()]
    answers += list(record["errors"].items())
    if answers:
        answers.sort(key=lambda pair: -pair[1])
        rows = [[visible(str(name)), count(times)] for name, times in answers]
        yield Table("Answers and errors", "", ["Status or error", "How often"], rows)
    targets = record.get("by_target") or []
    if len(targets) > 1:
        by = "p99" if all(one["p99"] is not None for one in targets) else "p50"
        slowest = sorted(targets, key=lambda one: -(one[by] or 0.0))[:TARGETS]
        rows = [
            [
                visible(one["url"]),
                seconds(one["p50"]),
                seconds(one["p99"]),
                count(one["ok"]),
                count(one["failed"]),
            ]
            for one in slowest
        ]
        total = max(record.get("targets") or 0, len(targets))
        some = f"; {len(rows)} of {total:,}" if total > len(rows) else ""
        note = f"response times, the slowest first by {by}{some}"
        yield Table("Targets", note, ["Target", "p50", "p99", "ok", "failed"], rows)
    if curve := (record.get("max_rate") or {}).get("curve"):
        rows = [
            [
                a_second(one["rate"]),
                a_second(one.get("goodput")),
                said(one, "p99"),
                one["verdict"],
            ]
            for one in sorted(curve, key=lambda one: one["rate"])
        ]
        yield Table("Rates that were tried", "", ["Asked", "Goodput", "p99", "Verdict"], rows)


def _has(figures: Any) -> bool:
    return bool(figures) and figures.get("max") is not None


def _seconds(record: Record) -> Iterator[Table]:
    """Every second, folded away."""
    rows = record["per_second"]
    if not rows:
        return
    head = ["Second", "Asked", "Sent", "ok", "failed", "In flight", "p50", "p99", "max"]
    cells = [
        [
            count(row["second"]),
            a_second(row.get("asked")),
            *(count(row.get(name)) for name in ("started", "ok", "failed", "in_flight")),
            *(seconds(row.get(name)) for name in ("p50", "p99", "max")),
        ]
        for row in rows[:SECONDS]
    ]
    span = f"; counts are those of {rows[0]['span']} seconds" if rows[0].get("span", 1) > 1 else ""
    more = f"{span}; the first {SECONDS:,} of {len(rows):,}" if len(rows) > SECONDS else span
    yield Table("Every second", f"response times{more}", head, cells, folded=True)


def _facts(record: Record) -> list[tuple[str, str]]:
    """What was asked, and by what means."""
    found = [
        ("Requests", requests(record)),
        ("Rate", rate(record)),
        ("Client", client(record)),
        ("Server", server(record)),
        ("Received", f"{size(record['bytes']['wire'])}, {size(record['bytes_per_s'])}/s"),
        ("Connections", count(record.get("connections"))),
        ("Targets", count(record.get("targets"))),
        ("Engine", visible(str(record.get("engine") or ""))),
        ("Workers", count(record.get("workers"))),
        ("At once, at most", count(record.get("concurrency"))),
        (
            "Model",
            {"open": "open: by a schedule", "closed": "closed: each waits for its answer"}[record["model"]],
        ),
        ("Warm-up, not measured", seconds(record["warmup"]) if record.get("warmup") else ""),
        ("Seed", str(record["seed"]) if record.get("seed") is not None else ""),
        ("Started", visible(str(record.get("started") or ""))),
    ]
    if interval := record.get("p99_interval"):
        low, high = (1e3 * interval[end] for end in ("low", "high"))
        found.insert(2, ("p99, 95 % interval", f"{span(low, high)} ms"))
    return [(name, value) for name, value in found if value not in ("", "-")]


def _notes(record: Record) -> list[str]:
    notes: list[Any] = [*(record.get("notes") or ()), *((record.get("max_rate") or {}).get("notes") or ())]
    if record["client"].get("saturated"):
        notes += [f"the client was the limit: {why}" for why in record["client"].get("why", ())]
    return [visible(str(note)) for note in dict.fromkeys(notes)]


def _markdown(record: Record) -> Iterator[str]:
    yield from (f"# {text(record['verdict'])}: {text(str(record['why']))}", "", text(explained(record)), "")
    if record["slo"]:
        rules = [judged(rule) for rule in record["slo"]]
        yield from table(
            ("Limit", "Measured", "Verdict"), [(one.rule, one.value, one.mark) for one in rules], _rules(3)
        )
    yield from table(("Figure", "Value"), _tiles(record), _rules(2))
    for one in _tables(record):
        yield from (f"## {text(one.title)}", "")
        if one.note:
            yield from (text(one.note), "")
        yield from table(one.head, one.rows, _rules(len(one.head)))
    for note in _notes(record):
        yield from (f"> **Note:** {text(note)}", "")
    yield from (
        f"- {text(name)}: {text(value)}" for name, value in [*_facts(record), *environment(dict(record))]
    )
    yield ""


def _rules(columns: int) -> list[str]:
    """The first column at the left, figures at the right."""
    return ["---", *["--:"] * (columns - 1)]
