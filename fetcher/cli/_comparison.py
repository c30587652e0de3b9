"""A comparison in words, for a terminal: a few lines per engine, the ranking, and what to do."""

from __future__ import annotations

from typing import Any, Final

from fetcher.report.page import visible

LIMITS: Final = {
    "client": "the engine itself",
    "server": "the server",
    "limits": "pauses: limits that were asked for, Retry-After, retries",
    "answers": "waiting for answers, every slot in use",
}
MARKS: Final = {True: "held", False: "did not hold", None: "cannot be told"}


def text(record: dict[str, Any]) -> list[str]:
    """The lines of one comparison; the last is the sentence to act on."""
    lines = [line for name, one in record["engines"].items() for line in (*_engine(name, one), "")]
    if record["verdict"] == "disagree":
        lines += _disagreement(record)
    elif record["verdict"] != "invalid" and len(record["engines"]) > 1:
        lines += _ranking(record)
    control = record["control"]
    lines.append(
        f"{control['engine']} against itself: {_interval(control['ratio'], 'x')}; "
        f"what lies within {control['floor'] - 1:.1%} is noise"
    )
    lines += [f"note: {warning}" for warning in record["warnings"]]
    return [*lines, "", record["sentence"]]


def experiment(record: dict[str, Any]) -> list[str]:
    """The lines of the three workloads, and what became of the article's advice."""
    lines = []
    for one in record["workloads"].values():
        lines += [one["title"], "=" * len(one["title"]), *text(one), ""]
    lines += ["The advice of the article, on this machine:"]
    lines += [f"  {one['claim']}: {MARKS[one['held']]} ({one['why']})" for one in record["advice"]]
    return [*lines, "", record["sentence"]]


def _engine(name: str, one: dict[str, Any]) -> list[str]:
    latency = [
        f"{word} {one['latency'][word] * 1e3:,.1f} ms"
        for word in ("p50", "p95", "p99")
        if one["latency"][word] is not None
    ]
    failed = ", ".join(f"{kind} {count:,}" for kind, count in sorted(one["errors"].items()))
    return [
        f"{name}, {one['concurrency']:,} at once",
        f"  {_interval(one['urls_per_s'], 'URLs/s')}   {one['bytes_per_s'] / 1e6:,.1f} MB/s",
        f"  {'   '.join(latency)}" if latency else "  too few answers for percentiles",
        f"  {one['cpu_per_url'] * 1e6:,.0f} us CPU per URL   {one['peak_rss'] / 1e6:,.0f} MB",
        f"  start-up {one['startup']:.2f} s   {one['connections']:,} connections",
        f"  {one['ok']:,} ok, {one['failed']:,} failed{failed and f' (in all laps: {failed})'}",
        f"  limited by {LIMITS[one['limit']]}",
    ]


def _ranking(record: dict[str, Any]) -> list[str]:
    """Time and CPU against the best; time is left out where it was the server's."""
    lines = []
    engines = record["engines"]
    wide = max(len(name) for name in engines)
    if record["verdict"] == "ok":
        lines.append("time, against the fastest (95 % interval; ~: no difference but chance)")
        lines += [_against(name, one["ratio"], one["same"], one["p"], wide) for name, one in engines.items()]
    lines.append("CPU, against the least")
    thrifty = sorted(engines.items(), key=lambda pair: float(pair[1]["cpu_per_url"]))
    lines += [_against(name, one["cpu_ratio"], one["cpu_same"], None, wide) for name, one in thrifty]
    return [*lines, ""]


def _against(name: str, ratio: dict[str, float], same: bool, p: float | None, wide: int) -> str:
    if ratio["low"] == ratio["high"] == 1:
        return f"  {name:{wide}}    1"
    chance = "" if p is None else f"   p {p:.3f}"
    return f"  {name:{wide}}  {'~' if same else ' '} {_interval(ratio, 'x')}{chance}"


def _interval(one: dict[str, float], unit: str) -> str:
    digits = 0 if one["median"] >= 100 else 1 if one["median"] >= 10 else 2
    return f"{one['median']:,.{digits}f} {unit} ({one['low']:,.{digits}f}-{one['high']:,.{digits}f})"


def _disagreement(record: dict[str, Any]) -> list[str]:
    lines = []
    for one in record["disagree"]:
        lines.append(f"row {one['row']:,}  {visible(one['url'])}")
        for field, values in one["fields"].items():
            said = "; ".join(f"{visible(value)} ({', '.join(arms)})" for value, arms in values.items())
            lines.append(f"  {field}: {said}")
    if (more := record["disagreeing"] - len(record["disagree"])) > 0:
        lines.append(f"and {more:,} URLs more")
    return [*lines, ""]
