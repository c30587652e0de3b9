"""What one worker of a load test measured, counted second by second in constant space, and told as data.

A request belongs to the second in which it ended; one that was due in the warm-up too, but its times are in
no histogram. What has failed is kept apart, so that fast failures make nothing look better; what was given
up, or cut off at the end, took "at least so long": it is counted at its age, in the same figures as what came
back, but as censored ("cut").

    {"seconds": {"3": {"started", "ok", "failed", "cut", "unsent", and histograms: "service", "response",
     "service_cut", "response_cut"}}, "statuses", "errors", "wire", "decoded", "opened", "no_port", "width",
     "carried", "carried_seconds": those of the warm-up, and their time after it, "failed_service",
     "lateness", "cut_ages": histograms, "targets": {URL: [ok, failed, response, response_cut]}}

Seconds count from `begin`. A histogram is what `Histogram.record` gives; what is empty is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final

from fetcher.loadtest.buckets import Buckets, Second, Target
from fetcher.loadtest.figures import CENSORED
from fetcher.model import Result

NO_PORT: Final = "no local port"  # how the message for EADDRNOTAVAIL begins, see `engines._faults`
UNOPENED: Final = ("dns_", "connect_", "local_", "invalid_", "blocked_", "internal")
TARGETS: Final = 100  # told apart


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
        good = result.error is None and status is not None and status < 400
        if good:
            second.ok += 1
        elif result.error == "cancelled":
            second.started -= 1
            self.cut(due, started, finished)
            return
        else:
            self._fail(result, second)
        if due < begin:
            self._carried += 1
            self._carried_seconds += finished - max(started, begin)
        elif good:
            second.service.add(finished - started)
            second.response.add(finished - due)
        elif result.error in CENSORED:
            second.service_cut.add(finished - started)
            second.response_cut.add(finished - due)
        else:
            self._failed.add(finished - started)
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
            self._aim(result, finished - due if due >= begin else None)

    def cut(self, due: float, started: float | None, end: float) -> None:
        """One that had not ended at the end; or never started (`started` is None). Due whenever."""
        second = self._at(end)
        second.response_cut.add(end - due)
        if started is None:
            second.unsent += 1
            return
        self._at(started).started += 1
        second.cut += 1
        second.service_cut.add(end - started)
        self._cut_ages.add(end - started)

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
            "carried": self._carried,
            "carried_seconds": self._carried_seconds,
            "targets": {
                url: [one.ok, one.failed, one.response.record(), one.cut.record()]
                for url, one in self._targets.items()
            },
        }
        apart = {"failed_service": self._failed, "lateness": self._lateness, "cut_ages": self._cut_ages}
        for name, made in apart.items():
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
        self._failed, self._lateness, self._cut_ages = Buckets(), Buckets(), Buckets()
        self._prompt = self._wire = self._decoded = self._opened = self._no_port = self._carried = 0
        self._carried_seconds = 0.0

    def _at(self, moment: float) -> Second:
        at = max(int((moment - self.begin) // 1), 0)
        found = self._seconds.get(at)
        if found is None:
            found = self._seconds[at] = Second(at)
        return found

    def _turn(self, moment: float) -> Second:
        self._second = self._at(moment)
        return self._second

    def _fail(self, result: Result, second: Second) -> None:
        second.failed += 1
        error = result.error
        if error is not None:
            self._errors[error] += 1
            self._no_port += (result.message or "").startswith(NO_PORT)
            if error.startswith(UNOPENED) and not result.reused:
                self._opened -= 1

    def _aim(self, result: Result, response: float | None) -> None:
        target = self._targets.get(result.url)
        if target is None:
            target = self._targets[result.url] = Target()
        if result.ok:
            target.ok += 1
            if response is not None:
                target.response.add(response)
        else:
            target.failed += 1
            if response is not None and result.error in CENSORED:
                target.cut.add(response)
