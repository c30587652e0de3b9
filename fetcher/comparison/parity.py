"""Did all engines give the same answers, URL by URL, in every field that is promised to be equal?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from fetcher.comparison.plan import Arm
from fetcher.errors import TRANSIENT
from fetcher.model import PARITY

Outcome = tuple[Any, ...]  # the values of PARITY
PASSING: Final = (429, 500, 502, 503, 504)  # statuses that may be gone the next time


@dataclass
class Odd:
    """A URL on which engines disagree: the fields that differ, and who had which value."""

    row: int
    url: str
    fields: dict[str, dict[str, list[str]]] = field(default_factory=dict)  # field -> value -> arms


class Parity:
    """Collects what every lap got. A page that changes by itself is told from an engine that is wrong."""

    def __init__(self) -> None:
        self._seen: dict[int, dict[Outcome, Counter[str]]] = {}  # row -> outcome -> arm -> laps
        self._urls: dict[int, str] = {}
        self._engines: dict[str, str] = {}  # arm -> its engine

    def add(self, arm: Arm, records: Iterable[dict[str, Any]]) -> None:
        """The records of one lap, in the order of the list."""
        self._engines[arm.name] = arm.engine
        for row, record in enumerate(records, 1):
            self._urls.setdefault(row, record["url"])
            seen = self._seen.setdefault(row, {})
            seen.setdefault(_outcome(record), Counter())[arm.name] += 1

    def judge(self) -> tuple[list[Odd], int]:
        """URLs on which engines disagree, and how many others changed by themselves.

        A failure that may pass counts only against an arm that had nothing else. Where two engines have seen
        a URL change, the URL changes. Where every arm is true to itself and they differ, or just one engine
        changes its word (its control may, too), that is the engines' doing.
        """
        odd, changing = [], 0
        for row, seen in self._seen.items():
            if len(seen) == 1:
                continue
            words = self._words(seen)
            if len(set(words.values())) == 1 and len(next(iter(words.values()))) == 1:
                changing += 1  # but for passing failures all agree
            elif self._is_changing(words):
                changing += 1
            else:
                odd.append(self._odd(row, words))
        return odd, changing

    def _is_changing(self, words: dict[str, frozenset[Outcome]]) -> bool:
        changed = {self._engines[arm] for arm, said in words.items() if len(said) > 1}
        return len(changed) > 1 or changed == set(self._engines.values())

    def _words(self, seen: dict[Outcome, Counter[str]]) -> dict[str, frozenset[Outcome]]:
        """What each arm has said, without failures that may pass where it has said anything else."""
        words = {}
        for arm in sorted(self._engines):
            said = [outcome for outcome, arms in seen.items() if arms[arm]]
            words[arm] = frozenset([outcome for outcome in said if not _passing(outcome)] or said)
        return words

    def _odd(self, row: int, words: dict[str, frozenset[Outcome]]) -> Odd:
        found = Odd(row, self._urls[row])
        for at, name in enumerate(PARITY):
            values: dict[str, list[str]] = {}
            for arm, said in words.items():
                shown = " or ".join(sorted({_shown(outcome[at]) for outcome in said}))
                values.setdefault(shown, []).append(arm)
            if len(values) > 1:
                found.fields[name] = values
        return found


def _outcome(record: dict[str, Any]) -> Outcome:
    values = (record.get(name) for name in PARITY)
    return tuple(str(value) if isinstance(value, list) else value for value in values)


def _passing(outcome: Outcome) -> bool:
    facts = dict(zip(PARITY, outcome, strict=True))
    return facts["error"] in TRANSIENT or (facts["error"] is None and facts["status"] in PASSING)


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:,}" if type(value) is int else str(value)
