"""The three standard descriptors: open before anything takes their numbers; how wide, how full they are."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Final

FULL: Final = tuple(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))
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


def unwritten(error: BaseException) -> str:
    """What to say of an error of a disk that took no more of what was printed; empty for any other error."""
    if not isinstance(error, OSError) or error.errno not in (*FULL, errno.EIO) or error.filename is not None:
        return ""
    cure = "free space there" if error.errno in FULL else "check that disk"
    return f"standard output: {error.strerror}: {cure} and run again"


def dropped(error: OSError) -> int:
    """The exit code where standard output took no more, the rest of which is dropped; 0 for another error."""
    said = unwritten(error)
    if not said and not isinstance(error, BrokenPipeError):
        return 0
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the interpreter would try once more when it ends
    if said:
        print(f"fetch: {said}", file=sys.stderr)
    return 4 if said else 141


def width(*numbers: int) -> int:
    """Columns of the first of these descriptors that is a terminal and knows."""
    for number in numbers:
        with suppress(OSError):
            if columns := os.get_terminal_size(number).columns:
                return columns
    return USUAL
