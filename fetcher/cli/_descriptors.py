"""The three standard descriptors: open before anything takes their numbers; how wide their terminal is."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Final

USUAL: Final = 80  # columns of a terminal that does not say


def complete() -> None:
    """Open /dev/null where one is closed: libuv ends the process that gives it descriptor 0, 1 or 2.

    What was closed is still None in `sys`, but for standard error: `print` would take stdout for it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def width(*numbers: int) -> int:
    """Columns of the first of these descriptors that is a terminal and knows."""
    for number in numbers:
        with suppress(OSError):
            if columns := os.get_terminal_size(number).columns:
                return columns
    return USUAL
