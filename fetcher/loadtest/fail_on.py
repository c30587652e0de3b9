"""What a run may not be worse by than its baseline: `--fail-on 'p99>+10%,goodput<-5%'`.

A rule is `FIGURE>+CHANGE` (lower is better: p50 ... p99.99, max, mean, each also `service.p99`, errors,
cpu_per_request) or `FIGURE<-CHANGE` (higher is better: rate, goodput, max_rate): the run fails where the
change goes beyond it. CHANGE is in percent of the old value; of `errors`, a share of the requests, in points;
of latencies also in s, ms or us: `p99>+5ms`. What is not known fails.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final, NamedTuple

from fetcher.errors import UsageError

LATENCIES: Final = ("p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max", "mean")
LOWER: Final = (*LATENCIES, "errors", "cpu_per_request")
HIGHER: Final = ("rate", "goodput", "max_rate")
UNITS: Final = {"%": 0.01, "s": 1.0, "ms": 1e-3, "us": 1e-6}
RULE: Final = re.compile(r"([\w.]+)\s*([<>])\s*([+-]?)(\d+\.?\d*|\.\d+)\s*(%|[a-z]*)", re.ASCII)
EXAMPLE: Final = "--fail-on 'p99>+10%,goodput<-5%,errors>+0.1%'"


class Rule(NamedTuple):
    """`text` as the user wrote it; `limit` is signed: a share, points of a share, or seconds."""

    text: str
    name: str  # p99, service.p99, goodput ...
    limit: float
    relative: bool


def parse_fail_on(text: str) -> tuple[Rule, ...]:
    """The rules of `p99>+10%,goodput<-5%`. Raises UsageError that says what to write."""
    rules = tuple(_rule(part) for part in map(str.strip, text.split(",")) if part)
    if not rules:
        raise UsageError(f"--fail-on {text!r} has no rule: write {EXAMPLE}")
    return rules


def _rule(part: str) -> Rule:
    found = RULE.fullmatch(part)
    if not found:
        raise UsageError(f"--fail-on: {part!r} is no rule: write {EXAMPLE}")
    name, op, sign, digits, unit = found.groups()
    base = name.removeprefix("service.").removeprefix("response.")
    prefixed = base != name
    if base not in (LATENCIES if prefixed else (*LOWER, *HIGHER)):
        known = [*LOWER, *HIGHER, *(f"service.{one}" for one in LATENCIES)]
        close = get_close_matches(name, known, 1)
        hint = f"did you mean {close[0]}?" if close else f"choose one of {', '.join((*LOWER, *HIGHER))}"
        raise UsageError(f"--fail-on: there is no figure {name!r}: {hint}")
    wanted = "<-" if base in HIGHER else ">+"
    if op != wanted[0] or (sign or "+") != wanted[1]:
        better = "more is better" if base in HIGHER else "less is better"
        raise UsageError(
            f"--fail-on: {part!r}: of {name} {better}: write {name}{wanted}{digits}{unit or '%'}"
        )
    if unit not in UNITS or (unit != "%" and base not in LATENCIES):
        units = "%, s, ms or us" if base in LATENCIES else "%"
        raise UsageError(f"--fail-on: {part!r} needs a unit ({units}): write {name}{wanted}{digits}%")
    limit = float(digits) * UNITS[unit]
    name = base if name.startswith("response.") else name
    return Rule(part, name, -limit if base in HIGHER else limit, unit == "%" and base != "errors")
