"""Running totals of the results that pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fetcher.model import Result

HOSTS: Final = 10_000  # hosts whose times are kept; more would grow with the list
SUMS: Final = ("ok", "failed", "denied", "wire", "decoded", "attempts")
COUNTS: Final = ("statuses", "errors")


@dataclass(slots=True)
class Tally:
    """Running totals of the results that passed; `add` has the form of a sink."""

    ok: int = 0
    failed: int = 0
    denied: int = 0  # by robots.txt, of what a crawl found: nobody asked for these, so they are no failures
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    wire: int = 0
    decoded: int = 0
    attempts: int = 0
    hosts: dict[str, list[float]] = field(default_factory=dict)  # host -> [URLs, seconds]

    def record(self) -> dict[str, Any]:
        """As JSON-able data, for `merge` in another process."""
        numbers = {name: getattr(self, name) for name in SUMS}
        return numbers | {name: list(getattr(self, name).items()) for name in COUNTS} | {"hosts": self.hosts}

    def merge(self, record: dict[str, Any]) -> None:
        """Add what another process has counted."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + record[name])
        for name in COUNTS:
            counter = getattr(self, name)
            for key, count in record[name]:
                counter[key] += count
        for host, (count, seconds) in record["hosts"].items():
            self._took(host, count, seconds)

    @property
    def done(self) -> int:
        """Records so far."""
        return self.ok + self.failed + self.denied

    def add(self, results: Sequence[Result]) -> None:
        """Count a batch."""
        for result in results:
            self.attempts += result.attempts
            if result.status is not None:
                self.statuses[result.status] += 1
            if result.error is not None:
                self.errors[result.error] += 1
            if result.error is None and result.status is not None and result.status < 400:
                self.ok += 1
            elif result.error == "robots_denied" and result.depth:
                self.denied += 1
            else:
                self.failed += 1
            self.wire += result.wire_size or 0
            self.decoded += result.size or 0
            if result.request is not None and (host := result.request.host):
                self._took(host, 1, result.elapsed)

    def _took(self, host: str, count: float, seconds: float) -> None:
        times = self.hosts.get(host)
        if times is not None:
            times[0] += count
            times[1] += seconds
        elif len(self.hosts) < HOSTS:
            self.hosts[host] = [count, seconds]

    def slowest(self, most: int = 3) -> list[tuple[str, float]]:
        """The hosts with the longest mean time per URL, in seconds; empty with one host only."""
        if len(self.hosts) < 2:
            return []
        means = ((host, seconds / count) for host, (count, seconds) in self.hosts.items())
        return sorted(means, key=lambda pair: -pair[1])[:most]


def done_of(record: dict[str, Any]) -> int:
    """How many results a `Tally.record` has counted."""
    return int(record["ok"] + record["failed"] + record["denied"])
