"""Service level objectives: read from text before the load test, judged from its record afterwards.

    p99<50ms, service.p99.9<=20ms, max<1s, errors<0.1%, rate>=1000, goodput>500, failed=0

A latency is of `response` unless `service.`, `lateness.` or `failed_service.` stands before it. What is not
known fails: a percentile with fewer than 10 samples above it, or one that is only known to be "at least"
something below the limit.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from fetcher.errors import UsageError
from fetcher.loadtest.figures import PERCENTS, at_most, percentile
from fetcher.loadtest.schedule import PER, UNITS

TIMES: Final = ("response", "service", "lateness", "failed_service")
STORED: Final = ("response", "service")  # the record has these whole: any percentile can be asked
POINTS: Final = (*PERCENTS, "max", "mean", "min")
SPEEDS: Final = ("rate", "goodput")
COUNTED: Final = ("failed", "cut", "unsent")
COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
}
FORM: Final = "write FIGURE OP LIMIT, as 'p99<50ms,errors<0.1%,rate>=1000'"
_RULE: Final = re.compile(r"([a-z0-9_. ]*?)\s*([<>=!~≤≥]+)\s*(\d+\.?\d*|\.\d+)\s*([a-zµμ%/]*)")
_PERCENT: Final = re.compile(r"p(\d\d?(?:\.\d+)?)")
_OPS: Final = {"==": "=", "=<": "<=", "=>": ">=", "≤": "<=", "≥": ">="}
_SLIPS: Final = {
    **dict.fromkeys(("median", "med", "latency"), "p50"),
    **dict.fromkeys(("avg", "average"), "mean"),
    **dict.fromkeys(("error", "error_rate", "failures", "failure"), "errors"),
    **dict.fromkeys(("rps", "qps", "throughput", "requests"), "rate"),
}


class Rule(NamedTuple):
    """One limit."""

    text: str
    times: str  # which latency; "" of what is none
    figure: str
    op: str
    limit: float
    unit: str  # of limit and value: "s", "/s", "share" or "" for a number

    @property
    def percent(self) -> float | None:
        """Of a percentile: which."""
        return float(self.figure[1:]) if self.times and self.figure[0] == "p" else None

    @property
    def upper(self) -> bool:
        """Whether it limits from above."""
        return self.op[0] == "<"


def parse(text: str) -> tuple[Rule, ...]:
    """The rules of "p99<50ms,errors<0.1%". Raises UsageError for what cannot be meant."""
    rules = tuple(_rule(part, f"--slo {text!r}") for part in text.split(",") if part.strip())
    if not rules:
        raise UsageError(f"--slo {text!r} holds no limit: {FORM}")
    return rules


def judge(rules: Sequence[Rule], record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What became of each rule: `bound` says that the value is only known to be at least so much."""
    return [_judged(rule, record) for rule in rules]


def measured(rule: Rule, record: Mapping[str, Any]) -> tuple[float | None, bool]:
    """The figure that a rule is about, and whether it is only a lower bound."""
    if rule.times:
        found = record[rule.times]
        if rule.figure in found:
            return found[rule.figure], rule.figure in found["bounds"]
        return percentile(record["histogram"][rule.times], rule.percent or 0.0)
    if rule.figure == "errors":
        return (record["failed"] / record["requests"] if record["requests"] else None), bool(_hung(record))
    return record[rule.figure], rule.figure == "failed" and bool(_hung(record))


def said(value: float | None, unit: str, *, bound: bool = False) -> str:
    """A value for people: "81.2 ms", ">= 30 s", "2.3 %", "1,234/s"."""
    if value is None:
        return "not known"
    if unit == "s":
        size = next((one for one in ((1.0, "s"), (1e-3, "ms")) if value >= one[0]), (1e-6, "us"))
        words = f"{value / size[0]:.3g} {size[1]}" if value else "0 s"
        if value >= 1000:
            words = f"{value:,.0f} s"
    elif unit == "share":
        words = f"{value * 100:.3g} %"
    else:
        words = (f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}") + unit
    return f">= {words}" if bound else words


def _judged(rule: Rule, record: Mapping[str, Any]) -> dict[str, Any]:
    value, bound = measured(rule, record)
    few = value is None and rule.percent is not None and rule.upper
    if few:  # no percentile is above the maximum
        value, bound = record[rule.times]["max"], "max" in record[rule.times]["bounds"]
    held = value is not None and COMPARE[rule.op](value, rule.limit)
    if bound and held and not few and rule.percent is not None and rule.upper:
        # Though what was cut off had never ended, the limit may hold: then nothing is in doubt.
        most = at_most(record["histogram"][rule.times], rule.percent)
        bound = most is None or not COMPARE[rule.op](most, rule.limit)
    elif bound and held and rule.figure in ("errors", "failed"):  # though all that hung had failed
        hung = _hung(record)
        most = (record["failed"] + hung) / ((record["requests"] + hung) if rule.figure == "errors" else 1)
        bound = not COMPARE[rule.op](most, rule.limit)
    ok = held and not (bound and rule.op[0] != ">")
    note = ""
    if few and value is not None:
        note = f"too few requests for {rule.figure}: the slowest one is judged"
    elif value is None:
        note = "too few requests for it, and that fails"
    elif bound and not ok and held and rule.figure in ("errors", "failed"):
        note = f"{_hung(record):,} more hung until the test ended, and that fails"
    elif bound and not ok and not (rule.upper and not COMPARE[rule.op](value, rule.limit)):
        note = "only known to be at least that, and that fails"
    elif not ok and rule.figure in SPEEDS and rule.op[0] == ">":
        asked = record.get("asked")
        if asked is not None and rule.limit > asked * 0.99:
            note = f"only {said(asked, '/s')} were asked, some of which end after the test: ask for more"
    return {
        "rule": rule.text,
        "ok": ok,
        "value": value,
        "bound": bound,
        "limit": rule.limit,
        "unit": rule.unit,
        "note": note,
    }


def _hung(record: Mapping[str, Any]) -> int:
    """Requests that took far longer than any that ended, and had no answer when the test did."""
    found: int = record.get("hung", 0)
    return found


def _rule(text: str, where: str) -> Rule:
    text = "".join(text.split())
    match = _RULE.fullmatch(text.lower())
    if match is None:
        raise UsageError(f"{where}: {text!r} is no limit: {FORM}")
    name, op, number, unit = match.groups()
    op = _known(_OPS.get(op, op), COMPARE, "comparison", where)
    if name == "errors" or name in COUNTED or name in SPEEDS:
        return Rule(text, "", name, op, *_plain(name, float(number), unit, f"{where}: {text!r}"))
    times, dot, figure = name.partition(".")
    if not dot or times[:1] == "p":
        times, figure = "response", name
    _known(times, TIMES, "latency", where)
    share = _PERCENT.fullmatch(figure)
    if share and float(share[1]) > 0 and times in STORED:
        figure = f"p{float(share[1]):g}"
    else:
        names = POINTS if dot and times != "response" else (*POINTS, "errors", *SPEEDS, *COUNTED)
        _known(figure, names, "figure", where)
    if unit not in UNITS:
        raise UsageError(f"{where}: {text!r} needs a unit of time: write {name}{op}{number}ms, or s, or us")
    return Rule(text, times, figure, op, float(number) * UNITS[unit], "s")


def _plain(name: str, number: float, unit: str, where: str) -> tuple[float, str]:
    """The limit of what is no latency, and its unit."""
    if name == "errors":
        if unit != "%" and (unit or number):
            raise UsageError(
                f"{where}: errors are a share: write errors<{number:g}%; for a number, failed<{number:g}"
            )
        return number / 100, "share"
    if name in SPEEDS:
        per = PER.get(unit.removeprefix("/"))
        if per is None or (unit and unit[0] != "/"):
            raise UsageError(f"{where}: {unit!r} is no unit of {name}: write {name}>={number:g} (per second)")
        return number / per, "/s"
    if unit:
        raise UsageError(f"{where}: {name} is a number and takes no {unit!r}: write {name}<{number:g}")
    return number, ""


def _known(word: str, known: Collection[str], what: str, where: str) -> str:
    """The word, if it is one of them. Raises UsageError with the one that was meant."""
    if word in known:
        return word
    slip = _SLIPS.get(word, "")
    close = [slip] if slip in known else get_close_matches(word, known, 1)
    hint = f"did you mean {close[0]}?" if close else f"use one of: {' '.join(known)}"
    raise UsageError(f"{where}: {f'{word!r} is no {what}' if word else f'the {what} is missing'}: {hint}")
