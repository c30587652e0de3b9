"""A load test in one plain sentence: what the server did, and how busy the client was meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fetcher.report.latency import Record, a_second, percent, said
from fetcher.report.page import visible
from fetcher.report.units import seconds
from fetcher.report.words import count

KEPT_UP: Final = 0.98  # of what was asked: the end of a run cuts the last ones off
GROWS: Final = 0.001  # seconds that waiting grows by in a second, below which nobody speaks of it
BUSY: Final = 0.9  # of a core: a server of one loop has no more


def explained(record: Record) -> str:
    """The sentence."""
    parts = [_found(record) or _held(record), _busy(record)]
    return "; ".join(part for part in parts if part)


def _found(record: Record) -> str:
    """The highest rate that kept the limits, if it was looked for."""
    found = record.get("max_rate")
    if not found:
        return ""
    if not found.get("rate"):
        return f"No rate that was tried kept the limits{_why(found)}"
    most = "at least" if found["at_least"] else "up to"
    return f"The server kept {most} {a_second(found['rate'])}{_why(found)}"


def _why(found: Record) -> str:
    return f" ({visible(found['why'])})" if found.get("why") else ""


def _held(record: Record) -> str:
    """How it did under the one load that it was put under."""
    if not record["requests"]:
        return f"No request had ended after {seconds(record['seconds'])}"
    if not record["ok"]:
        return f"No request was ok{_mostly(record)}"
    if record["verdict"] == "INVALID":
        cure = "ask for less, or give more --workers"
        if record["client"]["cpu"] < BUSY / 2:
            cure = "let nothing else run on this machine, or ask for less"
        return (
            f"The client was the limit at {a_second(record['rate'])}, so what was missed says nothing about "
            f"the server: {cure}"
        )
    return _closed(record) if record.get("asked") is None else _opened(record)


def _mostly(record: Record) -> str:
    kinds = {**record["errors"], **{f"status {code}": n for code, n in record["statuses"].items()}}
    name, times = max(kinds.items(), key=lambda pair: pair[1], default=("", 0))
    return f": {count(times)} of {count(record['requests'])} ended as {visible(name)}" if times else ""


def _closed(record: Record) -> str:
    each = f", half of them within {said(record['response'], 'p50').removeprefix('>= ')}"
    return f"With {count(record['concurrency'])} at once the server answered {_answers(record)}{each}"


def _opened(record: Record) -> str:
    """Against what was asked. Where it fell behind, a late answer waited for those before it."""
    asked = a_second(record["asked"])
    if record["rate"] >= KEPT_UP * record["asked"]:
        bad = f", but {a_second(record['rate'] - record['goodput'])} of it failed" * bool(_failing(record))
        return f"The server kept up with {asked}{bad}{_worst(record) if not bad else ''}"
    if record["client"].get("saturated"):
        return (
            f"Of the {asked} that were asked for the client sent {a_second(record['rate'])}: it was the limit"
        )
    grew = growth(record["per_second"])
    more = f", and waiting grew by {seconds(grew)} every second" if grew > GROWS else ""
    return f"Asked for {asked} the server answered {_answers(record)}{more}"


def _answers(record: Record) -> str:
    if not _failing(record):
        return a_second(record["rate"])
    return f"{a_second(record['goodput'])} well and {a_second(record['rate'] - record['goodput'])} badly"


def _failing(record: Record) -> bool:
    return bool(record["failed"] > 0.01 * record["requests"])


def _worst(record: Record) -> str:
    """The second that stands out, if one does."""
    rows, at = record["per_second"], record.get("worst")
    name = peak(rows)
    if at is None or not name or at >= len(rows) or rows[at].get(name) is None:
        return ""
    usual = sorted(row[name] for row in rows if row.get(name) is not None)
    middle = usual[len(usual) // 2]
    if len(usual) < 5 or rows[at][name] < 10 * middle:
        return ""
    return f", but for second {count(rows[at]['second'])}, when {name} was {seconds(rows[at][name])}"


def _busy(record: Record) -> str:
    if "client at" in ((record.get("max_rate") or {}).get("why") or ""):
        return ""  # that of the probe that counts is told already
    busy = f"client at {percent(record['client']['cpu'])}"
    served = (record.get("server") or {}).get("cpu")
    saturated = record["client"].get("saturated")
    if served is None:
        return busy + " and the limit, so the server may do more" * bool(
            saturated and record["verdict"] == "PASS"
        )
    limit = served >= BUSY and not saturated
    return f"{busy}, server at {percent(served)} of a core" + (", so the server was the limit" * limit)


def peak(rows: Sequence[dict[str, Any]]) -> str:
    """The figure that shows the worst of every second: p99 where most seconds have one, else max."""
    for name in ("p99", "max"):
        if 2 * sum(row.get(name) is not None for row in rows) > len(rows):
            return name
    return ""


def growth(rows: Sequence[dict[str, Any]]) -> float:
    """Seconds by which half of the answers took longer, each second: the slope of least squares."""
    points = [(row["second"], row["p50"]) for row in rows if row.get("p50") is not None]
    if len(points) < 3:
        return 0.0
    across, up = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread: float = sum((x - across) ** 2 for x, _ in points)
    return sum((x - across) * (y - up) for x, y in points) / spread if spread else 0.0
