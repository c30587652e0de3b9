"""Did all engines give the same answers, URL by URL, in every field that is promised to be equal?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import comb
from typing import Any, Final

from fetcher.comparison.plan import Arm
from fetcher.errors import TRANSIENT
from fetcher.model import PARITY

Outcome = tuple[Any, ...]  # the values of PARITY
CHANCE: Final = 0.001  # p below which it is no chance that one engine alone has seen URLs change
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

        A failure that may pass counts only against an arm that had nothing else (`verdict` looks at how many
        fail). Where every arm is true to itself and they differ, that is the engines' doing. Where two
        engines have seen a URL change, the URL changes. Where just one has, it is that engine's doing if so
        many of all such answers would hardly have fallen to it by chance.
        """
        odd: dict[int, dict[str, frozenset[Outcome]]] = {}
        lone: dict[str, list[int]] = {}  # engine -> rows that changed for it alone, one for each such answer
        changing = set()
        for row, seen in self._seen.items():
            if len(seen) == 1:
                continue
            words = self._words(seen)
            changed = {self._engines[arm] for arm, said in words.items() if len(said) > 1}
            engine = changed.pop() if len(changed) == 1 else ""
            steady = {said for arm, said in words.items() if self._engines[arm] != engine}
            if len(steady) > 1 and not changed:
                odd[row] = words
                continue
            changing.add(row)
            if engine and steady:
                lone.setdefault(engine, []).extend([row] * _strange(seen, *steady))
        together = sum(map(len, lone.values()))
        for engine, rows in lone.items():
            share = list(self._engines.values()).count(engine) / len(self._engines)
            if _tail(len(rows), together, share) < CHANCE:
                odd.update({row: self._words(self._seen[row]) for row in rows})
        return [self._odd(row, odd[row]) for row in sorted(odd)], len(changing - odd.keys())

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


def _strange(seen: dict[Outcome, Counter[str]], steady: frozenset[Outcome]) -> int:
    """How many answers were not what the other engines always had, without failures that may pass."""
    return sum(
        arms.total() for outcome, arms in seen.items() if outcome not in steady and not _passing(outcome)
    )


def _tail(least: int, count: int, share: float) -> float:
    """How likely at least so many of `count` are to fall to one who has that share of all answers."""
    return sum(comb(count, n) * share**n * (1 - share) ** (count - n) for n in range(least, count + 1))


def _outcome(record: dict[str, Any]) -> Outcome:
    values = (record.get(name) for name in PARITY)
    return tuple(str(value) if isinstance(value, list) else value for value in values)


def _passing(outcome: Outcome) -> bool:
    facts = dict(zip(PARITY, outcome, strict=True))
    return facts["error"] in TRANSIENT or (facts["error"] is None and facts["status"] in PASSING)


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:,}" if type(value) is int else str(value)
