"""What became of one rule: how many URLs it saw, the worst of them, and which failed it."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappush, heappushpop
from itertools import count
from typing import Any, Final

from fetcher.budgets.rules import COMPARE, COUNTED, Rule

SHOWN: Final = 20  # URLs that a failing rule names


class Verdict:
    """What one rule has seen so far; the worst SHOWN are kept."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.seen = 0  # URLs that were judged, or among which was counted
        self.passed_by = 0  # matched, but failed, redirected or of another type
        self.unknown = 0  # URLs that the record has no room for
        self.missing = 0
        self.failed = 0
        self.worst: float | None = None
        self._worst: list[tuple[float, int, str, float | None]] = []  # a heap
        self._order = count(0, -1)

    def look(self, entry: dict[str, Any]) -> None:
        """An entry that matches the pattern."""
        subject, status = self.rule.subject, entry["status"] or 0
        whole = entry["error"] is None and status < 300
        denied = entry["error"] == "robots_denied" and entry["depth"]  # found, and never asked for
        if subject in COUNTED:
            self.seen += 1
            if subject == "failed" and not denied and (entry["error"] is not None or status >= 400):
                self.count(entry["url"])
        elif whole and entry["kind"] in ("page", "asset") and subject in ("file", entry["type"]):
            self.measure(entry["url"], entry[self.rule.figure])
        else:
            self.passed_by += 1

    def weigh(self, page: dict[str, Any]) -> None:
        """A page with all that it needs."""
        figure = self.rule.figure
        if self.rule.subject == "pages":
            self.count(page["url"])
        else:
            self.measure(page["url"], page["wire" if figure == "total" else figure])

    def leave(self, reasons: dict[str, int], examples: dict[str, Sequence[str]]) -> None:
        """How many URLs were not fetched, and some of them."""
        wanted = self.rule.figure
        for reason in [wanted] if wanted else reasons:
            for url in examples.get(reason, ()):
                self.count(url)
        self.seen = 1
        self.failed = reasons.get(wanted, 0) if wanted else sum(reasons.values())

    def count(self, url: str) -> None:
        """One more of what is counted."""
        self.failed += 1
        self._hold(0, url, 1)

    def measure(self, url: str, value: float | None) -> None:
        """The figure of one URL."""
        self.seen += 1
        bad = float("inf") if value is None else self._badness(value)
        if value is None:
            self.missing += 1
        elif self.worst is None or bad > self._badness(self.worst):
            self.worst = value
        if value is None or not COMPARE[self.rule.op](value, self.rule.limit):
            self.failed += 1
            self._hold(bad, url, value)

    def record(self) -> dict[str, Any]:
        """As the audit's record has it."""
        rule, worst, failed = self.rule, self.worst, self.failed
        ok = self.seen > 0 and not failed
        if rule.subject in COUNTED:
            worst = failed if self.seen or failed else None
            ok = worst is not None and COMPARE[rule.op](worst, rule.limit)
            too_few = rule.op[0] == ">" or (rule.op[0] == "=" and failed < rule.limit)
            failed = 0 if ok or too_few else failed  # where there are too few, none of them is to blame
        held = sorted(self._worst, reverse=True) if failed else []
        return {
            "rule": rule.text,
            "pattern": rule.pattern,
            "ok": ok and not self.unknown,
            "worst": worst,
            "limit": rule.limit,
            "unit": rule.unit,
            "judged": self.seen,
            "note": self._note(),
            "failing": [{"url": url, "value": value} for _, _, url, value in held],
            "failed": failed,
        }

    def _note(self) -> str:
        if self.unknown:
            return f"{self.unknown:,} URLs are not in the record, so they were not judged, and that fails"
        if self.missing:
            return f"{self.missing:,} of {self.seen:,} URLs without this figure, and that fails"
        if self.seen or self.failed:
            return ""
        if self.passed_by:
            return f"nothing to judge: {self.passed_by:,} URLs match, but none is a whole {self.rule.subject}"
        return "nothing to judge: no URL matches"

    def _badness(self, value: float) -> float:
        if self.rule.op[0] == "=":
            return abs(value - self.rule.limit)
        return value if self.rule.op[0] == "<" else -value

    def _hold(self, bad: float, url: str, value: float | None) -> None:
        add = heappush if len(self._worst) < SHOWN else heappushpop
        add(self._worst, (bad, next(self._order), url, value))
