"""A load test kept as a baseline, and what a later run may not be worse by.

A baseline is the run's record without its seconds, so `fetch report` shows it, and the `--json` of a run
serves as one too. What changed is judged by the rules of `fail_on`. One run's intervals know nothing of what
differs from run to run (where memory lies, what else the machine does): leave such rules some room.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Final

from fetcher import __version__
from fetcher.comparison.machine import environment
from fetcher.errors import UsageError
from fetcher.loadtest.fail_on import HIGHER, LATENCIES, Rule
from fetcher.loadtest.fail_on import parse_fail_on as parse_fail_on
from fetcher.outputs import open_files

Record = Mapping[str, Any]

# What makes two runs comparable: key -> how to say it.
CONFIGURATION: Final = {
    "targets": "targets",
    "model": "model",
    "concurrency": "concurrency",
    "asked": "rate asked for",
    "engine": "engine",
}
UNITS: Final = {"errors": "share", "cpu_per_request": "s"}
EXACT: Final = 1e-9  # 0.055 / 0.05 is a little more than 1.1
SAME_RATE: Final = 0.01  # Poisson arrivals do not come out the same twice
MACHINE: Final = ("processor", "cpus", "system", "python", "fetch")
NEEDED: Final = ("verdict", "rate", "goodput", "requests", "failed", "service", "response")


def content(record: Record) -> bytes:
    """What a baseline's file holds. Raises UsageError for a run that says nothing about the server."""
    if record["verdict"] == "INVALID":
        raise UsageError(
            f"an INVALID run is no baseline ({record.get('why') or 'no reason given'}): repeat it"
        )
    where = record.get("environment") or environment([record["engine"]])
    kept = {**record, "per_second": [], "worst": None, "environment": where}
    kept["baseline"] = {"version": __version__}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def save(record: Record, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Keep it. Raises UsageError where a file exists already, or cannot be made."""
    data = content(record)
    with open_files([os.fspath(path)], overwrite=overwrite)[0] as file:
        file.write(data)


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The record in this file. Raises UsageError for a file that holds none."""
    try:
        record = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}: make a baseline with --save-baseline {path}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON: give a file that --save-baseline wrote") from error
    figures = ("rate", "goodput", "requests", "failed")
    right = (
        isinstance(record, dict)
        and all(name in record for name in NEEDED)
        and all(isinstance(record[name], dict) for name in ("service", "response"))
        and all(_number(record[name]) is not None for name in figures)
    )
    if not right:
        raise UsageError(f"{path} is no record of a load test: give a file that --save-baseline wrote")
    if record["verdict"] == "INVALID":
        raise UsageError(f"{path} holds an INVALID run, which says nothing about the server: make another")
    return dict(record)


def mismatches(old: Record, new: Record) -> list[str]:
    """Why these two runs cannot be compared, in words; empty if they can."""
    found = []
    for key, words in CONFIGURATION.items():
        one, other = old.get(key), new.get(key)
        searched = old.get("max_rate") and new.get("max_rate")  # each found its own rate
        if not ((key == "asked" and (searched or _same_rate(old, new))) or one == other):
            found.append(f"{words} {_shown(one)}, now {_shown(other)}")
    urls = [{entry.get("url") for entry in one.get("by_target") or ()} for one in (old, new)]
    if (
        all(len(some) == old.get("targets") for some in urls) and urls[0] != urls[1]
    ):  # of many, not all are kept
        found.append("other URLs")
    one, other = (record.get("target") for record in (old, new))
    if old.get("targets") == 1 == new.get("targets") and one and other and one != other:
        found.append(f"target {one}, now {other}")
    return found


def _same_rate(old: Record, new: Record) -> bool:
    one, other = _number(old.get("asked")), _number(new.get("asked"))
    if one is None or other is None:
        return one is other
    return abs(one - other) <= SAME_RATE * max(one, other)


def notes(old: Record, new: Record) -> list[str]:
    """What else differs, so that a difference may not be the server's."""
    before, now = old.get("environment") or {}, new.get("environment") or {}
    changed = [
        f"{key} {before[key]}, now {now[key]}"
        for key in MACHINE
        if key in before and key in now and before[key] != now[key]
    ]
    return [f"the baseline was made elsewhere: {'; '.join(changed)}"] if changed else []


def compare(old: Record, new: Record, rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """What became of each rule. Runs that are INVALID, or configured otherwise, are not: that fails too."""
    runs = {"the baseline": old, "this run": new}
    differ = [f"{name} is INVALID" for name, one in runs.items() if one.get("verdict") == "INVALID"]
    if differ := differ or mismatches(old, new):
        note = f"not compared: {'; '.join(differ)}"
        blank = dict.fromkeys(("old", "new", "change")) | {
            "ok": False,
            "same": False,
            "unit": "",
            "note": note,
        }
        return [{"rule": rule.text, **blank} for rule in rules]
    return [{"rule": rule.text, **_judged(old, new, rule)} for rule in rules]


def _judged(old: Record, new: Record, rule: Rule) -> dict[str, Any]:
    (before, was_bound), (now, is_bound) = _figure(old, rule.name), _figure(new, rule.name)
    found: dict[str, Any] = {
        "ok": False,
        "same": False,
        "old": before,
        "new": now,
        "change": None,
        "unit": "s" if rule.name.removeprefix("service.") in LATENCIES else UNITS.get(rule.name, "/s"),
        "note": "",
    }
    if rule.name != "max_rate" and not _same_rate(old, new):
        found["note"] = "not compared: measured at another rate, for each run found its own; use max_rate<-5%"
        return found
    if before is None or now is None:
        found["note"] = f"not known of the {'baseline' if before is None else 'new run'}"
        return found
    found["change"] = change = _change(before, now, rule.relative)
    higher = rule.name in HIGHER
    beyond = float("inf") if change is None else (change - rule.limit) * (-1 if higher else 1)
    worse = beyond > EXACT
    # A lower bound can only be more than it says: the new one is then worse of a latency, better of a rate.
    if (is_bound and worse == higher) or (was_bound and worse != higher):
        whose = " and ".join(["old"] * was_bound + ["new"] * is_bound)
        found["note"] = f"not known: the {whose} value is only a lower bound"
        return found
    if not (was_bound or is_bound):
        found["same"] = _overlap(_interval(old, rule.name), _interval(new, rule.name))
    found["ok"] = not worse or found["same"]
    if worse and found["same"]:
        found["note"] = "~ no difference: the intervals of both runs overlap; measure longer to know more"
    return found


def _figure(record: Record, name: str) -> tuple[float | None, bool]:
    """A figure of a record, and whether it is only a lower bound."""
    if name == "errors":
        return (record["failed"] / record["requests"] if record["requests"] else None), False
    if name == "max_rate":
        found = record.get("max_rate") or {}
        return _number(found.get("rate")), bool(found.get("at_least"))
    side, _, base = name.partition(".") if name.startswith("service.") else ("response", "", name)
    if base in LATENCIES:
        return _number(record[side].get(base)), base in (record[side].get("bounds") or ())
    return _number(record.get(name)), False


def _interval(record: Record, name: str) -> tuple[float, float] | None:
    """Between what it lies with 95 % confidence, where the record knows."""
    found = record.get(f"{name}_interval")
    if name == "goodput" and not found and not record["failed"]:
        found = record.get("rate_interval")  # they are the same
    low, high = (_number(found.get(end)) for end in ("low", "high")) if found else (None, None)
    return None if low is None or high is None else (low, high)


def _overlap(one: tuple[float, float] | None, other: tuple[float, float] | None) -> bool:
    return one is not None and other is not None and one[0] <= other[1] and other[0] <= one[1]


def _change(before: float, now: float, relative: bool) -> float | None:
    """None: from nothing to something, which is no percentage."""
    if not relative:
        return now - before
    return now / before - 1 if before else 0.0 if now == before else None


def _number(value: object) -> float | None:
    fine = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    return value if fine else None  # type: ignore[return-value]


def _shown(value: object) -> str:
    return "none" if value is None else f"{value:,.6g}" if isinstance(value, float) else str(value)
