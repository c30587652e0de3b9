"""A load test that cannot fool its reader: two latencies, censored values, and a verdict.

`run(plan)` starts the workers, hears of every second, and gives the record that `--json` prints and that
everything people look at is made of. The load is sent by processes of their own (`crew`): watching and
judging share nothing with it but the machine. Seconds and bytes everywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fetcher.comparison.machine import environment
from fetcher.errors import UsageError
from fetcher.loadtest.crew import Crew
from fetcher.loadtest.findmax import Probe, Search
from fetcher.loadtest.plan import Plan
from fetcher.loadtest.probed import needed
from fetcher.loadtest.schedule import schedule
from fetcher.loadtest.slo import Rule
from fetcher.loadtest.sums import Sum
from fetcher.loadtest.verdict import broken, conclude
from fetcher.model import utc_now

Told = Callable[[Sum, dict[str, Any]], None]
Server = Callable[[], Mapping[str, float]]
Probed = Callable[[Probe, dict[str, Any]], None]
NOBODY = bool  # called, it is false: nobody stops the test


def run(
    plan: Plan,
    rules: Sequence[Rule] = (),
    *,
    told: Told | None = None,
    stopped: Callable[[], bool] = NOBODY,
    server: Server | None = None,
) -> dict[str, Any]:
    """Send it, and judge what came of it.

    `told` hears the sums after each second of each worker; `stopped` is asked whether to end early; `server`
    gives the CPU and the memory of a server that is ours. Raises LocalFault where a worker fails.
    """
    began, why, burst = utc_now(), "", ""
    load = plan.load
    sums = Sum(load.workers, schedule(load), load.warmup)
    with Crew(plan) as crew:
        before = server() if server else None
        for snapshot in crew:
            if snapshot is not None:
                sums.add(snapshot["worker"], snapshot)
                if told is not None:
                    told(sums, snapshot)
            if not why and (why := "it was stopped by hand" if stopped() else (burst := broken(sums))):
                crew.stop()
        after = server() if server else None
    measured = max(load.duration - load.warmup, 0.0) if load.duration and not why and not load.count else None
    record = sums.record(measured, load.seed)
    record |= {
        "engine": plan.engine,
        "workers": load.workers,
        "concurrency": plan.concurrency * load.workers,
        "model": "open" if plan.is_open else "closed",
        "targets": len(plan.targets),
        "target": plan.targets[0].url,
        "keep_alive": load.keep_alive,
        "warmup": load.warmup,
        "started": began,
        "seed": load.seed,
        "server": _used(before, after, record["seconds"] + load.warmup),
        "max_rate": None,
        "broken": burst,
        "environment": environment([plan.engine]),
        "notes": [*plan.notes, *([f"it ended early: {why}"] if why else [])],
    }
    conclude(record, rules)
    return record


def search(
    plan: Plan,
    rules: Sequence[Rule],
    *,
    told: Told | None = None,
    stopped: Callable[[], bool] = NOBODY,
    server: Server | None = None,
    rest: Callable[[float], object] = time.sleep,
    probed: Probed | None = None,
) -> dict[str, Any]:
    """The highest rate at which the rules hold: `run` at one rate after the other. `rest` sleeps.

    The record is that of the last run at the rate that was found, with the search in `max_rate`. `probed`
    hears of each run as it ends.
    """
    searchable(rules)
    percents = [percent for rule in rules if (percent := rule.percent) is not None]
    found = Search(seconds=plan.seconds or 10.0, samples=max(map(needed, percents), default=0))
    records: dict[float, dict[str, Any]] = {}
    record: dict[str, Any] = {}
    while isinstance(probe := found.next(), Probe) and not (records and stopped()):
        rest(probe.cooldown)
        load = replace(plan.load, rate=float(probe.rate), duration=probe.seconds + plan.load.warmup)
        record = run(replace(plan, load=load), rules, told=told, stopped=stopped, server=server)
        if record["verdict"] == "PASS" or probe.rate not in records:
            records[probe.rate] = record
        found.tell(probe.rate, record["verdict"], record)
        if probed is not None:
            probed(probe, record)
    answer = found.stopped() if isinstance(probe, Probe) else probe
    record = records.get(answer.rate or 0, record)
    record["max_rate"] = answer.record()
    record["verdict"], record["why"] = answer.verdict, answer.words
    return record


def searchable(rules: Sequence[Rule]) -> None:
    """Raises UsageError for limits by which no highest rate can be found."""
    if not rules:
        raise UsageError("--find-max needs --slo: the highest rate at which what holds?")
    if any(not rule.upper for rule in rules):
        raise UsageError(
            "--find-max goes with limits from above, such as p99<50ms: it looks for the rate itself"
        )


def _used(
    before: Mapping[str, float] | None, after: Mapping[str, float] | None, seconds: float
) -> dict[str, float] | None:
    """The CPU of our server as a share of one core, and the memory it holds."""
    if before is None or after is None or not seconds:
        return None
    return {"cpu": (after["cpu"] - before["cpu"]) / seconds, "rss": after["rss"]}
