"""A load test against an earlier one: what changed, in words, and whether that fails."""

from __future__ import annotations

from typing import Any, Final

from fetcher.cli._foretold import say

FAIL_ON: Final = "p99>+10%,goodput<-10%,errors>+0.1%"


def against(record: dict[str, Any], before: dict[str, Any] | None, values: dict[str, Any]) -> int:
    """Compare the figures with those of a baseline: 1 where a change fails."""
    from fetcher.loadtest import baseline
    from fetcher.loadtest.fail_on import parse_fail_on

    if before is None:
        return 0
    for note in baseline.notes(before, record):
        say(note)
    usual = "max_rate<-10%" if values["find_max"] else FAIL_ON
    found = baseline.compare(before, record, parse_fail_on(values["fail_on"] or usual))
    for one in found:
        (say if values["json"] else print)(_changed(one))
    return int(any(not one["ok"] for one in found))


def _changed(one: dict[str, Any]) -> str:
    verdict = "ok" if one["ok"] else "FAIL"
    from fetcher.loadtest.slo import said

    change = "" if one["change"] is None else f" ({one['change']:+.1%})"
    old, new = (said(one[name], one["unit"]) for name in ("old", "new"))
    figures = f": {old} before, {new} now{change}" if None not in (one["old"], one["new"]) else ""
    return f"{verdict}  {one['rule']}{figures}{'; ' if one['note'] else ''}{one['note']}"
