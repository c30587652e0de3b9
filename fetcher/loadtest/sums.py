"""The snapshots of all workers of a load test added up, and the figures that are made of the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import sqrt
from typing import Any, Final

from fetcher.histogram import Histogram, merged
from fetcher.loadtest.bootstrap import joined, of_counts, of_percentile
from fetcher.loadtest.figures import figures, stored
from fetcher.loadtest.schedule import Schedule
from fetcher.loadtest.series import Series

BUSY: Final = 0.85  # of one core, above which a worker is its own limit
TOTALS: Final = ("wire", "decoded", "opened", "no_port", "carried", "carried_seconds")
HUNG: Final = (1.0, 2.0)  # seconds, and times the slowest that ended: what was cut off later than both hung
NOTHING: Final = Histogram()


class Worker:
    """What is known of one worker beside its counts."""

    def __init__(self) -> None:
        self.width = 0
        self.at = 0.0  # seconds that it has measured
        self.cpu = 0.0  # seconds that it used in them
        self.heard = self.busy = 0  # snapshots; those of them in which it used most of a core
        self.flying = (0, 0, 0)  # samples of what was in flight, their sum, the sum of their squares

    def hear(self, told: Mapping[str, Any]) -> None:
        """One snapshot."""
        self.width = max(self.width, told["width"])
        if told["at"] <= 0:  # in the warm-up
            return
        passed, self.at = told["at"] - self.at, told["at"]
        used, self.cpu = told.get("cpu_measured", 0.0) - self.cpu, told.get("cpu_measured", 0.0)
        if passed > 0.5:  # of less most is rounding
            self.heard += 1
            self.busy += used > BUSY * passed
        if (flying := told.get("in_flight")) is not None and not told.get("last"):
            count, total, squares = self.flying
            self.flying = (count + 1, total + flying, squares + flying * flying)


class Sum:
    """Of a load test with so many workers.

    `schedule` is that of the open model; its first `warmup` seconds are not measured. All seconds here count
    from their end.
    """

    def __init__(self, workers: int = 1, schedule: Schedule | None = None, warmup: float = 0.0) -> None:
        self.series = Series()
        self.workers = [Worker() for _ in range(workers)]
        self.statuses: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.totals: Counter[str] = Counter()
        self.failed, self.lateness, self.ages = Histogram(), Histogram(), Histogram()
        self.targets: dict[str, tuple[Counter[str], Histogram, Histogram]] = {}
        self._schedule = schedule
        self._warmup = warmup

    def add(self, worker: int, snapshot: Mapping[str, Any]) -> None:
        """What `Meter.snapshot` gave, as it is or under "meter".

        Beside it, if known: `in_flight`, sampled when every free slot has been given work, and
        `cpu_measured`, the seconds of CPU used since the end of the warm-up.
        """
        told = {**snapshot, **snapshot.get("meter", {})}
        self.workers[worker].hear(told)
        for second, one in told["seconds"].items():
            self.series.add(int(second), one)
        self.statuses.update(told["statuses"])
        self.errors.update(told["errors"])
        self.totals.update({name: told[name] for name in TOTALS})
        apart = {"failed_service": self.failed, "lateness": self.lateness, "cut_ages": self.ages}
        for name, into in apart.items():
            if name in told:
                into.merge(Histogram.from_record(told[name]))
        for url, (ok, failed, response, cut) in told["targets"].items():
            counts, known, late = self.targets.setdefault(url, (Counter(), Histogram(), Histogram()))
            counts.update({"ok": ok, "failed": failed})
            known.merge(Histogram.from_record(response))
            late.merge(Histogram.from_record(cut))

    def asked(self, seconds: float) -> float:
        """How many were due in the first so many measured seconds; only in the open model."""
        assert self._schedule is not None
        return self._schedule.asked(self._warmup + seconds) - self._schedule.asked(self._warmup)

    def rows(self, last: int = 0) -> list[dict[str, Any]]:
        """The entries of `per_second` so far; `last`: only so many of them."""
        return self.series.rows(self.asked if self._schedule else None, last)

    def record(self, seconds: float | None = None, seed: int = 0) -> dict[str, Any]:
        """The figures of so many measured seconds; None: until the last snapshot."""
        seconds = seconds or max((one.at for one in self.workers), default=0.0)
        self.series.close(seconds)
        counts = self.series.counts()
        requests = counts["ok"] + counts["failed"]
        totals, per = self.totals, 1 / seconds if seconds else 0.0
        rows = self.rows()
        cpu = sum(one.cpu for one in self.workers)
        return {
            "seconds": seconds,
            "requests": requests,
            **{name: counts[name] for name in ("ok", "failed", "cut", "unsent")},
            "hung": self._hung(),
            "carried": totals["carried"],
            "carried_seconds": float(totals["carried_seconds"]),
            "rate": requests * per,
            "goodput": counts["ok"] * per,
            "asked": self.asked(seconds) * per if self._schedule else None,
            **self._latencies(seconds, seed),
            "statuses": dict(sorted(self.statuses.items())),
            "errors": dict(sorted(self.errors.items())),
            "bytes": {"wire": totals["wire"], "decoded": totals["decoded"]},
            "bytes_per_s": totals["wire"] * per,
            "connections": totals["opened"],
            "no_port": totals["no_port"],
            "cpu_per_request": cpu / requests if requests and cpu else None,
            "client": self._client(),
            "in_flight": self._flying(),
            "per_second": rows,
            "worst": _worst(rows),
            "by_target": self._by_target(),
        }

    def _latencies(self, seconds: float, seed: int) -> dict[str, Any]:
        """All that is made of histograms."""
        found: dict[str, Any] = {"histogram": {}}
        for name in ("service", "response"):
            known, cut = self.series.total[name], self.series.total[f"{name}_cut"]
            found[name] = figures(known, cut)
            found["histogram"][name] = stored(known, cut)
        found["failed_service"] = figures(self.failed, NOTHING)
        found["lateness"] = figures(self.lateness, NOTHING)
        whole, span = self.series.whole(seconds), self.series.span
        found["rate_interval"] = of_counts([(one.ok + one.failed) / span for one in whole], seed)
        found["goodput_interval"] = of_counts([one.ok / span for one in whole], seed)
        found["p99_interval"] = None
        if found["response"]["p99"] is not None:
            parts = [merged(one.times("response", "response_cut") for one in part) for part in joined(whole)]
            found["p99_interval"] = of_percentile(parts, 99, seed)
        return found

    def _hung(self) -> int:
        """Of those that were cut off: how many had taken far longer than any that ended."""
        least, times = HUNG
        limit = max(least, times * max(self.series.total["service"].max, self.failed.max))
        return sum(count for age, count in self.ages.values() if age > limit)

    def _client(self) -> dict[str, Any]:
        """How busy the busiest worker was: its share of one core, and the share of seconds it was full."""
        shares = [one.cpu / one.at for one in self.workers if one.at > 0]
        busy = [one.busy / one.heard for one in self.workers if one.heard]
        slots = sum(one.width for one in self.workers)
        return {"cpu": max(shares, default=0.0), "busy": max(busy, default=0.0), "slots": slots} | {
            "saturated": False,
            "why": [],
        }

    def _flying(self) -> dict[str, float] | None:
        """The mean of what was in flight, and its standard error, from one sample per worker and snapshot."""
        mean = error = 0.0
        for count, total, squares in (one.flying for one in self.workers):
            if count < 2:
                return None
            mean += total / count
            error += max(squares / count - (total / count) ** 2, 0.0) / (count - 1)
        return {"mean": mean, "error": sqrt(error)}

    def _by_target(self) -> list[dict[str, Any]]:
        """The most asked one first."""
        found = []
        for url, (counts, known, cut) in self.targets.items():
            shown = figures(known, cut)
            found.append({"url": url, "ok": counts["ok"], "failed": counts["failed"]})
            found[-1] |= {"p50": shown["p50"], "p99": shown["p99"]}
            found[-1]["bounds"] = [name for name in shown["bounds"] if name in ("p50", "p99")]
        return sorted(found, key=lambda one: (-one["ok"] - one["failed"], one["url"]))


def _worst(rows: list[dict[str, Any]]) -> int | None:
    """Where the highest p99 is."""
    known = [at for at, row in enumerate(rows) if row["p99"] is not None]
    return max(known, key=lambda at: (rows[at]["p99"], -at)) if known else None
