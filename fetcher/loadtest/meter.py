"""What one worker of a load test measured, counted second by second in constant space, and told as data.

A request belongs to the second in which it ended. What has failed is kept apart, so that fast failures make
nothing look better; what was given up, or cut off at the end, took "at least so long": it is counted at its
age, in the same figures as what came back, but as censored ("cut").

    {"seconds": {"3": {"started", "ok", "failed", "cut", "unsent", and histograms: "service", "response",
     "service_cut", "response_cut"}}, "statuses", "errors", "wire", "decoded", "opened", "no_port", "width",
     "failed_service", "lateness": histograms, "targets": {URL: [ok, failed, response, response_cut]}}

Seconds count from `begin`. A histogram is what `Histogram.record` gives; what is empty is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final

from fetcher.histogram import BITS, EXACT
from fetcher.loadtest.figures import CENSORED
from fetcher.loadtest.sums import Sum as Sum
from fetcher.model import Result

NO_PORT: Final = "no local port"  # how the message for EADDRNOTAVAIL begins, see `engines._faults`
UNOPENED: Final = ("dns_", "connect_", "local_", "invalid_", "blocked_", "internal")
TARGETS: Final = 100  # told apart


class Buckets:
    """A `Histogram` in the making: its scheme, without what only a reader needs."""

    __slots__ = ("counts", "max", "min")

    def __init__(self) -> None:
        self.counts: defaultdict[int, int] = defaultdict(int)
        self.min = float("inf")
        self.max = 0.0

    def add(self, seconds: float) -> None:
        """One duration; below 0 counts as 0."""
        if seconds > self.max:
            self.max = seconds
        if seconds < self.min:
            self.min = max(0.0, seconds)
        micro = int(seconds * 1e6 + 0.5)
        if micro >= EXACT:
            shift = micro.bit_length() - BITS
            micro = (shift << BITS) + (micro >> shift)
        elif micro < 0:
            micro = 0
        self.counts[micro] += 1

    def record(self) -> dict[str, Any]:
        """As `Histogram.record` has it."""
        return {"counts": dict(self.counts), "min": self.min if self.counts else None, "max": self.max}


class Second:
    """What ended in one second."""

    __slots__ = (
        *("at", "cut", "failed", "ok", "response", "response_cut", "service", "service_cut"),
        *("started", "unsent"),
    )

    def __init__(self, at: int) -> None:
        self.at = at
        self.started = self.ok = self.failed = self.cut = self.unsent = 0
        self.service, self.response = Buckets(), Buckets()
        self.service_cut, self.response_cut = Buckets(), Buckets()

    def record(self) -> dict[str, Any]:
        """What of it is not empty."""
        found = {name: getattr(self, name) for name in ("started", "ok", "failed", "cut", "unsent")}
        for name in ("service", "response", "service_cut", "response_cut"):
            if (made := getattr(self, name)).counts:
                found[name] = made.record()
        return {name: value for name, value in found.items() if value}


class Target:
    """What became of one URL."""

    __slots__ = ("cut", "failed", "ok", "response")

    def __init__(self) -> None:
        self.ok = self.failed = 0
        self.response, self.cut = Buckets(), Buckets()


class Meter:
    """What one worker with so many slots measures from `begin` on (monotonic; the end of the warm-up).

    `targets`: URLs that are told apart; the same ones in each worker, or the sums are not whole.
    """

    def __init__(self, width: int, begin: float = 0.0, targets: Collection[str] = ()) -> None:
        self.width = width
        self.begin = begin
        self._urls = frozenset(list(targets)[:TARGETS]) if len(targets) > 1 else frozenset()
        self._clear()

    def add(self, result: Result, due: float, started: float, finished: float, lateness: float) -> None:
        """One that has ended. Called for each request: as little as possible happens here."""
        begin = self.begin
        second = self._second
        if not second.at <= finished - begin < second.at + 1:
            second = self._turn(finished)
        if started - begin >= second.at:
            second.started += 1
        else:
            self._at(started).started += 1
        status = result.status
        if result.error is None and status is not None and status < 400:
            second.ok += 1
            second.service.add(finished - started)
            second.response.add(finished - due)
        elif result.error == "cancelled":
            second.started -= 1
            self.cut(due, started, finished)
            return
        else:
            self._fail(result, second, due, started, finished)
        if lateness > 0.0:
            self._lateness.add(lateness)
        else:
            self._prompt += 1
        self._statuses[status] += 1
        self._wire += result.wire_size or 0
        self._decoded += result.size or 0
        if not result.reused:
            self._opened += 1
        if self._urls and result.url in self._urls:
            self._aim(result, finished - due)

    def cut(self, due: float, started: float | None, end: float) -> None:
        """One that had not ended at the end; or never started (`started` is None)."""
        second = self._at(end)
        second.response_cut.add(end - due)
        if started is None:
            second.unsent += 1
            return
        self._at(started).started += 1
        second.cut += 1
        second.service_cut.add(end - started)

    def snapshot(self, now: float) -> dict[str, Any]:
        """What came since the last one, as data for JSON."""
        if self._prompt:
            self._lateness.counts[0] += self._prompt
            self._lateness.min = 0.0
        found: dict[str, Any] = {
            "at": now - self.begin,
            "width": self.width,
            "seconds": {at: one.record() for at, one in self._seconds.items()},
            "statuses": {
                str(status): times for status, times in self._statuses.items() if status is not None
            },
            "errors": dict(self._errors),
            "wire": self._wire,
            "decoded": self._decoded,
            "opened": self._opened,
            "no_port": self._no_port,
            "targets": {
                url: [one.ok, one.failed, one.response.record(), one.cut.record()]
                for url, one in self._targets.items()
            },
        }
        for name, made in (("failed_service", self._failed), ("lateness", self._lateness)):
            if made.counts:
                found[name] = made.record()
        self._clear()
        return found

    def _clear(self) -> None:
        self._seconds: dict[int, Second] = {}
        self._second = Second(-(1 << 62))  # none: the first to end finds its own
        self._statuses: defaultdict[int | None, int] = defaultdict(int)
        self._errors: defaultdict[str, int] = defaultdict(int)
        self._targets: dict[str, Target] = {}
        self._failed, self._lateness = Buckets(), Buckets()
        self._prompt = self._wire = self._decoded = self._opened = self._no_port = 0

    def _at(self, moment: float) -> Second:
        at = max(int((moment - self.begin) // 1), 0)
        found = self._seconds.get(at)
        if found is None:
            found = self._seconds[at] = Second(at)
        return found

    def _turn(self, moment: float) -> Second:
        self._second = self._at(moment)
        return self._second

    def _fail(self, result: Result, second: Second, due: float, started: float, finished: float) -> None:
        second.failed += 1
        error = result.error
        if error in CENSORED:
            second.service_cut.add(finished - started)
            second.response_cut.add(finished - due)
        else:
            self._failed.add(finished - started)
        if error is not None:
            self._errors[error] += 1
            self._no_port += (result.message or "").startswith(NO_PORT)
            if error.startswith(UNOPENED) and not result.reused:
                self._opened -= 1

    def _aim(self, result: Result, response: float) -> None:
        target = self._targets.get(result.url)
        if target is None:
            target = self._targets[result.url] = Target()
        if result.ok:
            target.ok += 1
            target.response.add(response)
        else:
            target.failed += 1
            if result.error in CENSORED:
                target.cut.add(response)
