"""Several live lines on a terminal, drawn over each other; nothing where there is none."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import BinaryIO, Final, Self

from fetcher.cli._descriptors import width

EVERY: Final = 0.2  # seconds between two drawings


class Lines:
    """Draws on `out`; `clear` before anything else is written to the same terminal."""

    def __init__(self, out: BinaryIO | None) -> None:
        self.out = None if os.environ.get("TERM") == "dumb" else out
        self._drawn = 0
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def draw(self, made: Callable[[], Sequence[str]]) -> None:
        """Show these lines, if it is time to: cut to the terminal; of too many the last one stays."""
        if self.out is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY
        lines, most = list(made()), max(shutil.get_terminal_size().lines - 2, 1)
        if len(lines) > most:
            lines = [*lines[: most - 2], f"... and {len(lines) - most + 1:,} more", lines[-1]][-most:]
        columns = max(width(self.out.fileno()) - 1, 10)
        self.clear()
        self._write("".join(f"{line[:columns]}\n" for line in lines))
        self._drawn = len(lines)

    def clear(self) -> None:
        """Take them away."""
        if self.out is not None and self._drawn:
            self._write(f"\x1b[{self._drawn}A\r\x1b[J")
            self._drawn = 0

    def _write(self, text: str) -> None:
        assert self.out is not None
        self.out.write(text.encode("ascii", "replace"))
        self.out.flush()
