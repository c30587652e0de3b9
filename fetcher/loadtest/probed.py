"""What the probes of one rate came to: held, missed, or client-limited; and what a search answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from statistics import median
from typing import Any, Final, Literal

from fetcher.histogram import ABOVE

VOTES: Final = 3  # probes of a rate, at most
ENOUGH: Final = 2  # of them decide
BEHIND: Final = 0.02  # share of the requests due that may be left over at the end, beside what is in flight
FEW: Final = 3  # or so many

Verdict = Literal["PASS", "FAIL", "INVALID"]
Record = Mapping[str, Any]
VERDICTS: Final[dict[str, Verdict]] = {"PASS": "PASS", "FAIL": "FAIL", "INVALID": "INVALID"}


def needed(percent: float) -> int:
    """How many samples this percentile needs before it says anything."""
    return ceil(round(ABOVE / (1 - percent / 100), 6))


def behind(record: Record) -> bool:
    """Whether the server did not keep up with the schedule, whatever the SLO says.

    What is left over at the end, cut off or never sent, is a backlog as far as it is more than what is in
    flight anyhow (Little's law: rate of arrival x service time).
    """
    seconds, done = record.get("seconds") or 0.0, record.get("requests") or 0
    left = (record.get("cut") or 0) + (record.get("unsent") or 0)
    service = (record.get("service") or {}).get("mean") or 0.0
    flying = (done + left) / seconds * service if seconds else 0.0
    return bool(left - flying > max(BEHIND * (done + left), FEW))


@dataclass
class Tried:
    """The probes of one rate."""

    votes: list[Verdict] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)

    @property
    def cpu(self) -> float:
        """The most of a core that the client used."""
        return max(((one.get("client") or {}).get("cpu") or 0.0 for one in self.records), default=0.0)

    @property
    def settled(self) -> bool:
        """Whether no further probe is needed."""
        return len(self.votes) >= VOTES or max(Counter(self.votes).values()) >= ENOUGH

    @property
    def tied(self) -> bool:
        """Whether its probes contradict each other, so that another one must decide."""
        return not self.settled and len(set(self.votes)) > 1

    @property
    def verdict(self) -> Verdict:
        """Held only by a majority; client-limited unless the server's misses are in the majority."""
        counts = Counter(self.votes)
        if counts["PASS"] * 2 > len(self.votes):
            return "PASS"
        return "FAIL" if counts["FAIL"] > counts["INVALID"] else "INVALID"

    def point(self, rate: int) -> dict[str, Any]:
        """Medians over its probes, for the latency-rate curve."""
        responses = [one.get("response") or {} for one in self.records]
        bounds = {name for one in responses for name in one.get("bounds") or ()}
        return {
            "rate": rate,
            "goodput": _median(one.get("goodput") for one in self.records),
            "p50": _median(one.get("p50") for one in responses),
            "p99": _median(one.get("p99") for one in responses),
            "bounds": sorted(bounds & {"p50", "p99"}),
            "verdict": self.verdict,
            "probes": len(self.votes),
            "held": self.votes.count("PASS"),
        }


@dataclass(frozen=True)
class Answer:
    """What the search found. `verdict`: PASS if there is a rate, else FAIL or INVALID."""

    rate: int | None  # None: no rate met the SLO
    at_least: bool
    why: str
    verdict: Verdict
    curve: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    probes: int = 0

    def record(self) -> dict[str, Any]:
        """As data for JSON: `max_rate` of the record."""
        return {
            "rate": self.rate,
            "at_least": self.at_least,
            "why": self.why,
            "words": self.words,
            "curve": self.curve,
            "notes": self.notes,
            "probes": self.probes,
        }

    @property
    def words(self) -> str:
        """One line."""
        if self.rate is None:
            return f"no rate: {self.why}"
        if self.at_least:
            return f"at least {self.rate:,}/s: {self.why}"
        return f"{self.rate:,}/s" + (f" ({self.why})" if self.why else "")


def client(tried: Tried) -> str:
    """How busy the client was, so that the reader sees that it was not the limit."""
    return f"client at {tried.cpu:.0%}" if tried.cpu else ""


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
