"""The live view of a load test: a picture a second on a terminal, and nothing anywhere else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from fetcher.cli import _streams
from fetcher.cli._descriptors import USUAL
from fetcher.cli._load_frame import SPAN, frame
from fetcher.histogram import Histogram

if TYPE_CHECKING:
    from fetcher.loadtest.plan import Plan
    from fetcher.loadtest.sums import Sum

EVERY: Final = 0.5  # seconds between two drawings, at least: there is news once a second
LINES: Final = 24  # of a terminal that does not say
TIMES: Final = ("service", "response", "service_cut", "response_cut")
DONE: Final = 0.02  # seconds that a snapshot may be early: a row whose second is not over has only begun

Told = Callable[["Sum", dict[str, Any]], None]


@contextmanager
def view(plan: Plan, *, wanted: bool = True) -> Iterator[tuple[Told | None, Callable[[], None]]]:
    """What `loadtest.run` tells of each second, and what takes the picture away for a line of words.

    The former is None where nobody wants to see it, or nobody could.
    """
    if not (wanted and _streams.live()):
        yield None, lambda: None
        return
    encoding = (sys.stderr.encoding or "").lower().replace("-", "")
    drawn = View(sys.stderr.buffer, blocks=encoding == "utf8")
    followed = Followed(plan)

    def told(sums: Sum, snapshot: dict[str, Any]) -> None:
        followed.hear(sums, snapshot)
        drawn.draw(followed.record)

    try:
        yield told, drawn.clear
    finally:
        drawn.clear()


class Followed:
    """What the view has to know of a test: what has come so far, kept up to date with little work."""

    def __init__(self, plan: Plan) -> None:
        self.total = max(plan.seconds - plan.load.warmup, 0.0)
        self.warmup = plan.load.warmup
        self._sums: Sum | None = None
        self._flying: dict[int, int] = {}  # worker -> requests in flight
        self._times = {name: Histogram() for name in TIMES}
        self._at = 0.0

    def hear(self, sums: Sum, snapshot: Mapping[str, Any]) -> None:
        """One snapshot of one worker. With new sums another test has begun (--find-max)."""
        if sums is not self._sums:
            self._sums, self._times = sums, {name: Histogram() for name in TIMES}
        self._flying[snapshot.get("worker", 0)] = snapshot.get("in_flight", 0)
        told = snapshot.get("meter", snapshot)
        self._at = told["at"]
        for second in told["seconds"].values():
            for name in TIMES:
                if name in second:
                    self._times[name].merge(Histogram.from_record(second[name]))

    def record(self) -> dict[str, Any]:
        """The record so far, as far as the view shows it."""
        from fetcher.loadtest.figures import figures

        assert self._sums is not None
        sums, times = self._sums, self._times
        passed = min(one.at for one in sums.workers)  # so much is known of all of them
        counts = sums.series.counts()
        rows = sums.rows(SPAN + 1)
        return {
            "seconds": passed if passed > 0 else min(self._at, 0.0),
            "total": self.total or None,
            "flying": sum(self._flying.values()),
            "per_second": [row for row in rows if row["second"] + row["span"] <= passed + DONE],
            "service": figures(times["service"], times["service_cut"]),
            "response": figures(times["response"], times["response_cut"]),
            **{name: counts[name] for name in ("ok", "failed")},
            "statuses": sums.statuses,
            "errors": sums.errors,
            "client": {"cpu": max((one.cpu / one.at for one in sums.workers if one.at > 0), default=None)},
        }


class View:
    """Draws on `out` in place, if that is a terminal; `clear` before anything else is written there."""

    def __init__(self, out: BinaryIO, *, blocks: bool = False) -> None:
        self.out, self.blocks = out, blocks
        # A dumb one knows no control sequence (an editor's shell).
        self._is_mute = not out.isatty() or os.environ.get("TERM") == "dumb"
        self._drawn = 0  # lines
        self._next = 0.0

    def draw(self, look: Callable[[], Mapping[str, Any]]) -> None:
        """Show where the test is; `look` is asked for the record so far only when it is drawn."""
        now = time.monotonic()
        if self._is_mute or now < self._next:
            return
        self._next = now + EVERY
        columns, lines = self._size()
        text = frame(look(), columns - 1, lines - 1, blocks=self.blocks)
        rows = text.split("\n")
        self._write(self._back() + "".join(f"{row}\x1b[K\n" for row in rows) + "\x1b[J")
        self._drawn = len(rows)

    def clear(self) -> None:
        """Take it away."""
        if self._drawn:
            self._write(f"{self._back()}\x1b[J")
            self._drawn = 0

    def _back(self) -> str:
        """To the first column of its first line."""
        return f"\r\x1b[{self._drawn}A" if self._drawn else ""

    def _size(self) -> tuple[int, int]:
        try:
            columns, lines = os.get_terminal_size(self.out.fileno())
        except OSError:
            columns, lines = 0, 0
        return max(columns or USUAL, 20), max(lines or LINES, 4)

    def _write(self, text: str) -> None:
        self.out.write(text.encode("utf-8" if self.blocks else "ascii", "replace"))
        self.out.flush()
