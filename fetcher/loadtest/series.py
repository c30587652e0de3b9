"""A load test over time: one entry per second, and each one's histograms for as long as they are needed.

At most 1,200 entries are kept: beyond that, neighbours are merged, and each spans 2, 4, 8 ... seconds. What
has passed is packed, so that a long test hardly grows: 4 bytes a bucket instead of about 100.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any, Final

from fetcher.histogram import Histogram, merged
from fetcher.loadtest.figures import ranks

MOST: Final = 1200
FRESH: Final = 5  # entries behind the newest that are not packed yet
SHORT: Final = 1 << 16
COUNTS: Final = ("started", "ok", "failed", "cut", "unsent")
TIMES: Final = ("service", "response", "service_cut", "response_cut")


class Packed:
    """A histogram at rest."""

    __slots__ = ("_buckets", "_max", "_min", "_times")

    def __init__(self, made: Histogram) -> None:
        self._buckets = array("H" if max(made.counts, default=0) < SHORT else "I", made.counts)
        times = made.counts.values()
        self._times = array("H" if max(times, default=0) < SHORT else "I", times)
        self._min, self._max = made.min, made.max

    def open(self) -> Histogram:
        """As it was."""
        made = Histogram()
        made.counts.update(dict(zip(self._buckets, self._times, strict=True)))
        made.total = sum(self._times)
        made.min, made.max = self._min, self._max
        return made


class Entry:
    """What ended in one second, or in a few."""

    __slots__ = (*COUNTS, *TIMES, "_shown")

    def __init__(self) -> None:
        self.started = self.ok = self.failed = self.cut = self.unsent = 0
        self.service: Histogram | Packed | None = None
        self.response: Histogram | Packed | None = None
        self.service_cut: Histogram | Packed | None = None
        self.response_cut: Histogram | Packed | None = None
        self._shown: dict[str, float | None] | None = None

    def times(self, *names: str) -> Histogram:
        """These histograms in one; never changed by the caller."""
        found = (getattr(self, name) for name in names)
        held = [one.open() if isinstance(one, Packed) else one for one in found if one is not None]
        return held[0] if len(held) == 1 else merged(held)

    def merge(self, name: str, more: Histogram) -> None:
        """Add to one of its histograms."""
        held = self.times(name)
        held.merge(more)
        setattr(self, name, held)
        self._shown = None

    def absorb(self, other: Entry) -> None:
        """Add all of another one."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in TIMES:
            if getattr(other, name) is not None:
                self.merge(name, other.times(name))

    def shown(self) -> dict[str, float | None]:
        """The percentiles that the record has of it, also those of few samples."""
        if self._shown is None:
            times = self.times("response", "response_cut")
            middle, high = ranks(times, 50, 99)
            self._shown = {"p50": middle, "p99": high, "max": times.max if times.total else None}
            self._shown["service_p99"] = ranks(self.times("service", "service_cut"), 99)[0]
        return self._shown

    def pack(self) -> None:
        """Make it small."""
        for name in TIMES:
            if isinstance(one := getattr(self, name), Histogram):
                setattr(self, name, Packed(one))


class Series:
    """The entries by number; entry n begins n x `span` seconds after the start."""

    def __init__(self) -> None:
        self.span = 1
        self.total = {name: Histogram() for name in TIMES}
        self.entries: dict[int, Entry] = {}
        self._packed = 0  # all before this one are

    def add(self, second: int, told: Mapping[str, Any]) -> None:
        """What a worker says of a second, or a part of that."""
        at = second // self.span
        entry = self.entries.get(at)
        if entry is None:
            entry = self.entries[at] = Entry()
        for name in COUNTS:
            setattr(entry, name, getattr(entry, name) + told.get(name, 0))
        for name in TIMES:
            if name in told:
                made = Histogram.from_record(told[name])
                entry.merge(name, made)
                self.total[name].merge(made)
        while max(self.entries) >= MOST:
            self._halve()
        self._pack()

    def rows(self, asked: Callable[[float], float] | None = None, last: int = 0) -> list[dict[str, Any]]:
        """The entries as the record has them, those without a request too; `last`: only so many.

        Counts are those of the whole `span`; percentiles also those of few samples. `asked` says how many
        were due in the first so many seconds.
        """
        found, flying, span = [], 0, self.span
        end = max(self.entries, default=-1) + 1
        for at in range(end):
            entry = self.entries.get(at) or Entry()
            flying += entry.started - entry.ok - entry.failed - entry.cut
            if last and at < end - last:
                continue
            row: dict[str, Any] = {"second": at * span, "span": span}
            row |= {name: getattr(entry, name) for name in COUNTS}
            row |= {"in_flight": flying, **entry.shown(), "asked": None}
            if asked is not None:
                row["asked"] = (asked((at + 1) * span) - asked(at * span)) / span
            found.append(row)
        return found

    def counts(self) -> dict[str, int]:
        """Of all entries together."""
        return {name: sum(getattr(one, name) for one in self.entries.values()) for name in COUNTS}

    def recent(self, seconds: int) -> tuple[int, int]:
        """How many ended well and failed in the last so many seconds that anything ended in."""
        newest = max(self.entries, default=0)
        late = [self.entries[at] for at in self.entries if (newest - at) * self.span < seconds]
        return sum(one.ok for one in late), sum(one.failed for one in late)

    def close(self, seconds: float) -> None:
        """The test took so long: what ended later, for it was cut off, belongs to its last entry."""
        last = max(ceil(seconds / self.span - 1e-6) - 1, 0)
        for at in sorted(at for at in self.entries if at > last):
            self.entries.setdefault(last, Entry()).absorb(self.entries.pop(at))

    def whole(self, seconds: float) -> list[Entry]:
        """The entries that lie in it from end to end, the empty ones too."""
        return [self.entries.get(at) or Entry() for at in range(int(seconds / self.span + 1e-6))]

    def _halve(self) -> None:
        self.span *= 2
        old, self.entries, self._packed = self.entries, {}, 0
        for at in sorted(old):
            entry = self.entries.setdefault(at // 2, Entry())
            entry.absorb(old[at])
            if at % 2:
                entry.pack()
        self._packed = max(self.entries) - FRESH

    def _pack(self) -> None:
        upto = max(self.entries) - FRESH
        for at in range(self._packed, upto):
            if at in self.entries:
                self.entries[at].shown()
                self.entries[at].pack()
        self._packed = max(self._packed, upto)
