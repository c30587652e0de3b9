"""PASS, FAIL or INVALID: does the server keep its limits, or was the client too busy to tell?

A client at its limit makes latency look worse and the rate lower, never better: limits that were kept are
kept. Limits that were missed meanwhile say nothing of the server, unless it is plain that the server missed
them: its own answers with a status of 400 and more are no fault of a busy client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from fetcher.loadtest.figures import CENSORED
from fetcher.loadtest.notes import full, notes
from fetcher.loadtest.slo import COMPARE, SPEEDS, Rule, judge, measured, parse, said
from fetcher.loadtest.sums import BUSY, Sum

OFTEN: Final = 0.1  # share of the seconds in which a worker was full, from which on it was the limit
TURN: Final = 0.005  # seconds for which another process may have the core: without an SLO that is no limit
SENT_LATE: Final = "it sent late"
LATE: Final = 0.1  # lateness, as a share of the latency that is asked for
EXPLAINS: Final = 20.0  # times the most lateness: a limit that is missed by more was not missed by that
LADDER: Final = ("p99", "p95", "p90", "p75", "p50")
# Failures that are the client's own; the censored ones a client without time to look may cause.
OWN: Final = ("local_fd_limit", "local_memory", "local_disk", "worker_died", "internal")
ABOUT_FAILURES: Final = ("errors", "failed", "goodput")
IMPLIED: Final = parse("errors<1%")
BURST_SECONDS: Final = 3
BURST_LEAST: Final = 200
BURST_SHARE: Final = 0.9


class Verdict(NamedTuple):
    """What came of it, why in a line, and what became of each rule."""

    verdict: str
    why: str
    slo: list[dict[str, Any]]


def conclude(record: dict[str, Any], rules: Sequence[Rule] = ()) -> None:
    """Write into the record: verdict, why, slo, whether the client was saturated and why, and notes."""
    client = record["client"]
    client["why"] = saturation(record, rules)
    client["saturated"] = bool(client["why"])
    record["verdict"], record["why"], record["slo"] = verdict(record, rules)
    record["notes"] = [*record.get("notes", ()), *notes(record)]


def saturation(record: Mapping[str, Any], rules: Sequence[Rule] = ()) -> list[str]:
    """Why the client was the limit, in words; nothing: it was not."""
    found = []
    client = record["client"]
    if client["cpu"] > BUSY:
        found.append(f"a worker used {client['cpu']:.0%} of a core")
    elif client.get("busy", 0.0) >= OFTEN:
        found.append(f"a worker used over {BUSY:.0%} of a core in {client['busy']:.0%} of the seconds")
    name = next((name for name in LADDER if record["lateness"][name] is not None), "max")
    late, most = record["lateness"][name] or 0.0, _tightest(record, rules)
    if most is not None and late > LATE * most and (_limits(rules) or late > TURN):
        against = "that may be taken" if _limits(rules) else "that the response took"
        words = f"{name} of lateness {said(late, 's')}, over a tenth of the {said(most, 's')} {against}"
        spare = client["cpu"] <= BUSY / 2
        found.append(f"{SENT_LATE} ({words})" + "; this machine is busy with something else" * spare)
    if (slots := full(record)) and any(_waited_here(rule, record) for rule in rules):
        found.append(slots)
    if short := record["errors"].get("local_fd_limit", 0):
        found.append(f"it had no descriptor left for {short:,} requests (ulimit -n)")
    if short := record.get("no_port", 0):
        found.append(f"it had no local port left for {short:,} requests")
    return found


def verdict(record: Mapping[str, Any], rules: Sequence[Rule] = ()) -> Verdict:
    """PASS, FAIL or INVALID.

    Limits on latency alone would pass a server that answers most requests with an error, and quickly: so
    where no rule is about failures, 1 % of them is the limit.
    """
    silent = rules and not any(rule.figure in ABOUT_FAILURES for rule in rules)
    if silent and not judge(IMPLIED, record)[0]["ok"]:
        rules = (*rules, *IMPLIED)
    slo = judge(rules, record)
    limited = saturation(record, rules)
    if rules:
        misses = [(rule, one) for rule, one in zip(rules, slo, strict=True) if not one["ok"]]
        missed = bool(misses)
        words = "; ".join(_missed(one) for _, one in misses)
        only_late = all(one.startswith(SENT_LATE) for one in limited)
        blame = any(_servers_own(rule, one, record, only_late=only_late) for rule, one in misses)
        kept = "the limit was kept" if len(rules) == 1 else f"all {len(rules)} limits were kept"
    else:
        missed = bool(record["failed"] or record.get("hung") or not record["requests"])
        words, blame = _failures(record), _of_server(record, limited=True) > 0
        kept = f"none of {record['requests']:,} requests failed"
    if record.get("broken"):
        return Verdict("FAIL", f"it was stopped: {record['broken']}", slo)
    if record.get("warmup") and not record["requests"] + record["cut"] + record["unsent"]:
        return Verdict("INVALID", "nothing was measured: make the test longer than its warm-up", slo)
    if not missed:
        more = f"client-limited: the server can do at least {said(record['goodput'], '/s')}"
        return Verdict("PASS", f"{kept}; {more}" if limited else kept, slo)
    if limited and not blame:
        return Verdict("INVALID", f"the client was the limit: {limited[0]}; so nobody can tell: {words}", slo)
    return Verdict("FAIL", words, slo)


def broken(sums: Sum) -> str:
    """Why the test must stop now, for nearly everything fails; "": it need not."""
    ok, failed = sums.series.recent(BURST_SECONDS)
    if ok + failed < BURST_LEAST or failed <= BURST_SHARE * (ok + failed):
        return ""
    return f"{failed:,} of the last {ok + failed:,} requests failed"


def _waited_here(rule: Rule, record: Mapping[str, Any]) -> bool:
    """Whether a limit on the response is missed, and on the service kept: a slot was waited for."""
    if rule.times != "response" or not rule.upper:
        return False
    response, service = judge((rule, rule._replace(times="service")), record)
    return not response["ok"] and bool(service["ok"])


def _limits(rules: Sequence[Rule]) -> list[float]:
    return [rule.limit for rule in rules if rule.upper and rule.times in ("response", "service")]


def _tightest(record: Mapping[str, Any], rules: Sequence[Rule]) -> float | None:
    """The latency that lateness must be small against."""
    if limits := _limits(rules):
        return min(limits)
    response = record["response"]
    return next((response[name] for name in (*LADDER, "max") if response[name] is not None), None)


def _of_server(record: Mapping[str, Any], *, limited: bool) -> int:
    """Failures that the client did not cause; if it was the limit, it may have caused those by time."""
    excused = (*OWN, *CENSORED) if limited else OWN
    own: int = sum(record["errors"].get(kind, 0) for kind in excused) + record.get("no_port", 0)
    failed: int = record["failed"]
    return max(failed - own, 0)


def _servers_own(
    rule: Rule, judged: Mapping[str, Any], record: Mapping[str, Any], *, only_late: bool
) -> bool:
    """Whether a missed rule is missed by the server's fault, however busy the client was.

    If all that speaks against the client is that it sent late, that explains no limit missed by far more.
    """
    failed = _of_server(record, limited=True)
    if rule.figure == "errors" and record["requests"]:
        return not COMPARE[rule.op](failed / record["requests"], rule.limit)
    if not rule.times and rule.figure == "failed":
        return not COMPARE[rule.op](failed, rule.limit)
    if rule.figure == "goodput" and rule.op[0] == ">":
        return failed > 0 and COMPARE[rule.op](record["goodput"] + failed / record["seconds"], rule.limit)
    if rule.times in ("response", "service") and rule.upper and only_late:
        value, _ = measured(rule._replace(times="service"), record)
        late = record["lateness"]["max"] or 0.0
        return value is not None and bool(value - rule.limit > EXPLAINS * late)
    # Too fast, or answers too soon: a busy client makes neither.
    return (rule.op[0] == ">") != (rule.figure in SPEEDS) and judged["value"] is not None


def _missed(one: Mapping[str, Any]) -> str:
    words = f"{one['rule']} is missed: {said(one['value'], one['unit'], bound=one['bound'])}"
    return f"{words} ({one['note']})" if one["note"] else words


def _failures(record: Mapping[str, Any]) -> str:
    """How many failed, and mostly of what."""
    failed, requests = record["failed"], record["requests"]
    hung = record.get("hung", 0)
    if not requests:
        return "no request ended"
    if not failed:
        return f"{hung:,} requests hung: they had no answer when the test ended"
    kinds = dict(record["errors"])
    kinds |= {f"status {code}": times for code, times in record["statuses"].items() if int(code) >= 400}
    most = max(kinds, key=lambda kind: kinds[kind], default="")
    words = f"{failed:,} of {requests:,} requests failed ({said(failed / requests, 'share')})"
    return f"{words}, most of them: {most}" if len(kinds) > 1 else f"{words}: {most}"
