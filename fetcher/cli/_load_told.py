"""What `fetch load` says beside its record: what it would send, and what came of each probe of a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fetcher.loadtest.findmax import Probe
    from fetcher.loadtest.plan import Plan
    from fetcher.loadtest.slo import Rule


def probe_words(probe: Probe, record: dict[str, Any]) -> str:
    """One line of a search."""
    from fetcher.report.latency import said

    words = "" if record["verdict"] == "PASS" else f": {record['why']}"
    name = next((name for name in ("p99", "max") if record["response"][name] is not None), "max")
    figure = f"{name} {said(record['response'], name)}"
    return f"{probe.rate:,}/s for {probe.seconds:.0f} s  {record['verdict']}  {figure}{words}"


def intended(plan: Plan, rules: Sequence[Rule], values: dict[str, Any]) -> list[str]:
    """What would be sent, and to whom, in a few lines; and what may be refused yet."""
    from fetcher.addresses import local

    found = _sent(plan, find_max=values["find_max"])
    found += [f"limits: {', '.join(rule.text for rule in rules)}"] if rules else []
    found += [f"server: {values['serve']}"] if values["serve"] else []
    found += [f"compared with {values['baseline']}"] if values["baseline"] else []
    for host in sorted({target.host.rpartition(":")[0] for target in plan.targets}):
        try:
            local(host.strip("[]"))
        except ValueError:
            if host not in values["allow"] and host != "localhost":
                found.append(f"{host} is looked up first, and refused if it is public (--allow {host})")
    return found


def _sent(plan: Plan, *, find_max: bool) -> list[str]:
    load = plan.load
    if find_max:
        how = "at one rate after the other, until the highest is known that keeps the limits"
    elif load.stages:
        how = "in stages: " + ", ".join(f"{seconds:g} s to {rate:g}/s" for seconds, rate in load.stages)
    elif load.rate:
        how = f"{load.rate:g} requests/s{' (Poisson)' if load.poisson else ''}, whatever becomes of them"
    else:
        how = f"{plan.concurrency * load.workers} at once, each when the one before has ended"
    much = f"{load.count:,} requests" if load.count else f"{load.duration:g} s{' each' * find_max}"
    if load.rate and load.duration:
        much += f", some {load.rate * load.duration:,.0f} requests"
    hosts = sorted({target.origin for target in plan.targets})
    methods = " ".join(sorted({target.method for target in plan.targets}))
    shown = ", ".join(hosts[:5]) + (f" and {len(hosts) - 5} more" if len(hosts) > 5 else "")
    return [
        f"{methods} {len(plan.targets):,} target{'s' * (len(plan.targets) > 1)} at {shown}",
        f"{how}; {much}" + (f", of which {load.warmup:g} s warm-up" if load.warmup else ""),
        (
            f"engine {plan.engine}, {load.workers} process{'es' * (load.workers > 1)}, "
            f"at most {plan.concurrency * load.workers} requests in flight"
        ),
    ]
