"""What a person sees of a run over parts: a line for each worker, and the total."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from fetcher.cli import _streams
from fetcher.cli._heard import Heard
from fetcher.cli._lines import Lines
from fetcher.partition import SILENT
from fetcher.tally import done_of

if TYPE_CHECKING:
    from fetcher.partition.parted import Parted

MINUTE: Final = 60.0
QUIET: Final = f"no worker has said anything for {SILENT:.0f} s: are there any? the parts wait for one"


def view_of(values: dict[str, Any]) -> Lines:
    """Lines on the terminal, or none."""
    return Lines(sys.stderr.buffer if _wanted(values) and sys.stderr.isatty() else None)


def _wanted(values: dict[str, Any]) -> bool:
    return not (values["quiet"] or values["no_progress"])


def watch(heard: Iterator[Any], made: Parted, view: Lines, signals: Heard, values: dict[str, Any]) -> None:
    """Show how far it is until it has ended; where there is no terminal, by a line a minute."""
    began, silent = time.monotonic(), False
    due = MINUTE if view.out is None and _wanted(values) else math.inf
    for _ in heard:
        if (made.silent > SILENT) is not silent:
            silent = not silent
            view.clear()
            _streams.say(f"fetch: {QUIET if silent else 'a worker is heard again'}")
        if (took := time.monotonic() - began) > due:
            due += MINUTE
            _streams.say(f"fetch: {_lines(made, took, stopping=signals())[-1]}")
        view.draw(lambda: _lines(made, time.monotonic() - began, stopping=signals()))
    view.clear()


def _lines(made: Parted, seconds: float, *, stopping: bool) -> list[str]:
    """A line for each worker, and the total."""
    rows = made.manifest.rows
    found = []
    for number, (worker, record) in sorted(made.running.items(), key=lambda one: one[1][0]):
        done = done_of(record)
        bar = "=" * int(20 * done / max(rows[number], 1))
        found.append(f"{worker:<9} part {number:>5}  {done:>6,}/{rows[number]:,}  [{bar:<20}]")
    tally = made.tally()
    rate = (tally.done - made.old.done) / max(seconds, 0.001)
    parts = f"{len(made.done):,}/{len(rows):,} parts"
    words = [parts, f"{tally.done:,}/{made.rows:,}", f"{rate:,.0f}/s"]
    if tally.failed:
        words.append(f"{tally.failed:,} failed")
    if rate > 0 and tally.done < made.rows:
        words.append(f"{clock((made.rows - tally.done) / rate)} left")
    words += ["nothing heard"] if made.silent > SILENT else []
    return [*found, "  ".join([*words, "stopping"] if stopping else words)]


def clock(seconds: float) -> str:
    """Minutes and seconds, or hours, as people read them."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
