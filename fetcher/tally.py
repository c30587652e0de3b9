"""Running totals of the results that pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from fetcher.model import Result

HOSTS: Final = 10_000  # hosts whose times are kept; more would grow with the list


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
            host = result.request.host if result.request is not None else ""
            times = self.hosts.get(host)
            if times is not None:
                times[0] += 1
                times[1] += result.elapsed
            elif host and len(self.hosts) < HOSTS:
                self.hosts[host] = [1, result.elapsed]

    def slowest(self, most: int = 3) -> list[tuple[str, float]]:
        """The hosts with the longest mean time per URL, in seconds; empty with one host only."""
        if len(self.hosts) < 2:
            return []
        means = ((host, seconds / count) for host, (count, seconds) in self.hosts.items())
        return sorted(means, key=lambda pair: -pair[1])[:most]
