"""The budgets of DESIGN section 5, and the figures that each of them is about."""

from __future__ import annotations

from collections.abc import Callable

from bench import arms as a
from bench import crawlers
from bench.judging import Verdict, cpu, figures, judge, ratios, rss, start, wall
from bench.measure import Figure
from bench.rounds import Group
from bench.workloads import LONG, TYPER, VERSION, lines

ELSEWHERE = ("load, against hey's rate and CPU",)


def verdicts(groups: list[Group]) -> list[Verdict]:
    """Every budget that these tables can speak of, and those that none here can."""
    found = [
        line
        for group in groups
        for key, judges in _JUDGES.items()
        if group.key.startswith(key)
        for line in judges(group)
    ]
    return [*found, *(Verdict(line, "", None, "not measured", "another workload") for line in ELSEWHERE)]


def _count(group: Group) -> str:
    return f"{max(group.counts.values(), default=0):,}"


def _one_host(group: Group) -> list[Verdict]:
    if group.key != "w1":
        return []
    said = f"curl engine, {_count(group)} URLs"
    return [
        judge(f"{said}: CPU, to `curl -Z`", 1.0, lambda: ratios(group, a.CURL, a.CURL_Z, cpu)),
        judge(f"{said}: wall, to `curl -Z`", 1.0, lambda: ratios(group, a.CURL, a.CURL_Z, wall)),
        judge(f"{said}: CPU, to wget2", 2.0, lambda: ratios(group, a.CURL, a.WGET2, cpu)),
        judge(
            "asyncio engine: CPU, to the bare script", 1.25, lambda: ratios(group, a.ASYNCIO, a.SCRIPT, cpu)
        ),
        judge(
            "asyncio engine on uvloop: CPU, to the bare script on uvloop",
            1.25,
            lambda: ratios(group, a.UVLOOP, a.SCRIPT_UVLOOP, cpu),
        ),
    ]


def _wide(group: Group) -> list[Verdict]:
    names = list(group.counts)
    if len(names) < 2:
        return []
    few, many = names[0], names[-1]
    said = many.partition(", ")[2]
    budget = f"curl engine: CPU per URL {said}, to {few.partition(', ')[2]}"
    return [judge(budget, 3.0, lambda: ratios(group, many, few, cpu))]


def _slow(group: Group) -> list[Verdict]:
    budget = (
        f"threads engine, {group.key.rpartition('-')[2]} at once: throughput, to requests the article's way"
    )
    return [judge(budget, -2.5, lambda: ratios(group, a.ARTICLE, a.THREADS, wall))]


def _tls(group: Group) -> list[Verdict]:
    budget = f"curl engine, {_count(group)} TLS hosts: CPU, to `curl -Z`"
    return [judge(budget, 0.9, lambda: ratios(group, a.CURL, a.CURL_Z, cpu))]


def _late(group: Group) -> list[Verdict]:
    return [_one_late(group, name) for name in (a.CURL, a.UVLOOP)]


def _one_late(group: Group, name: str) -> Verdict:
    at_once = int(group.key.rpartition("-")[2])
    samples = group.runs.get(name, [])
    alone = Figure.of([sample.cpu for sample in samples]).median if samples else 0.0
    return judge(
        f"100 ms servers, {at_once:,} at once, {name}: wall, to the ideal {group.ideal:.1f} s",
        1.15,
        lambda: [value / group.ideal for value in figures(group, name, wall)],
        why=f"its CPU time alone is {alone:.1f} s" if alone > group.ideal * 0.7 else "",
    )


def _memory(group: Group) -> list[Verdict]:
    pairs = zip(LONG, (60, 100), strict=True)
    return [line for engine, most in pairs for line in _one_memory(group, engine, most)]


def _one_memory(group: Group, engine: str, most: float) -> list[Verdict]:
    asked = sorted(count for name, count in group.counts.items() if name == lines(engine, count))
    if len(asked) < 3:
        return []
    few, more, many = (lines(engine, count) for count in asked[-3:])

    def growth() -> list[float]:
        pairs = zip(figures(group, more, rss), figures(group, few, rss), strict=True)
        return [one - other for one, other in pairs]

    grown = f"{engine}: peak RSS at {asked[-2]:,} lines less that at {asked[-3]:,}"
    return [
        judge(f"{engine}: peak RSS at {asked[-1]:,} lines", most, lambda: figures(group, many, rss), "MB"),
        judge(grown, 5.0, growth, "MB"),
    ]


def _start(group: Group) -> list[Verdict]:
    engine = group.key.partition("-")[2]
    if not engine:
        return [
            judge("`fetch --version`, to `import typer`", 1.5, lambda: ratios(group, VERSION, TYPER, start))
        ]
    budget = f"{engine} engine: until the first request leaves, to `{group.against}`"
    return [judge(budget, 1.3, lambda: ratios(group, f"fetch -e {engine}", group.against, start))]


def _crawl(group: Group) -> list[Verdict]:
    return [_one_crawl(group, *one) for one in ((crawlers.CURL, 20), (crawlers.ASYNCIO, 12))]


def _one_crawl(group: Group, name: str, least: int) -> Verdict:
    def times() -> list[float]:
        return [1 / ratio for ratio in ratios(group, name, a.SCRAPY, cpu)]

    return judge(f"crawling: Scrapy's CPU, to that of `{name}`", -least, times)


_JUDGES: dict[str, Callable[[Group], list[Verdict]]] = {
    "w1": _one_host,
    "w1-slow": _slow,
    "w1-wide": _wide,
    "w2": _tls,
    "w3": _late,
    "w4": _memory,
    "w5": _start,
    "crawl": _crawl,
}
