"""One live status line on a terminal: done, rate, errors, time left; it never breaks a result line."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import BinaryIO, Final

from fetcher.cli._descriptors import width
from fetcher.tally import Tally

EVERY: Final = 0.2  # seconds between two drawings: results are counted, never drawn one by one
WINDOW: Final = 25  # drawings the rate is taken over


class Progress:
    """Draws on `out`; `clear` before anything else is written to the same terminal."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self._dumb = os.environ.get("TERM") == "dumb"  # it knows no control sequence (an editor's shell)
        self._drawn = False
        self._text = ""
        self._next = 0.0
        self._past: deque[tuple[float, int]] = deque(maxlen=WINDOW)

    def draw(self, tally: Tally, total: int | None, note: str = "", before: int = 0) -> None:
        """Show where the run is; what it says is made anew only every so often."""
        if self._dumb:
            return
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY
            self._past.append((now, tally.done))
            text = status(tally, total, self._rate(), note, before)
            self._text = text[: max(width(self.out.fileno()) - 1, 10)]
        elif self._drawn:
            return
        self._write("\r\x1b[K" + self._text)
        self._drawn = True

    def clear(self) -> None:
        """Take the line away; the next `draw` puts it back below what was written since."""
        if self._drawn:
            self._write("\r\x1b[K")
            self._drawn = False

    def _write(self, text: str) -> None:
        self.out.write(text.encode("ascii", "replace"))
        self.out.flush()

    def _rate(self) -> float:
        (then, before), (now, done) = self._past[0], self._past[-1]
        return (done - before) / (now - then) if now > then else 0.0


def status(tally: Tally, total: int | None, rate: float, note: str = "", before: int = 0) -> str:
    """The status line as text, without any control sequence; `before`: rows that an earlier run has done."""
    done, total = tally.done + before, None if total is None else total + before
    of = f"/{total:,}" if total is not None else " so far"
    parts = [f"{done:,}{of}", f"{rate:,.0f}/s"]
    if before:
        parts.append(f"{before:,} done before")
    if tally.failed:
        parts.append(f"{tally.failed:,} failed")
    if total is not None and rate > 0 and total > done:
        parts.append(f"{_clock((total - done) / rate)} left")
    if total:
        filled = int(20 * done / total)
        parts.insert(0, "[" + "=" * filled + " " * (20 - filled) + "]")
    return "  ".join([*parts, note] if note else parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
