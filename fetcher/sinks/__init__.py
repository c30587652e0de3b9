"""Where results go: each sink writes records to one stream in one format.

The contract. `sinks/NAME.py` offers

    SUFFIXES: tuple[str, ...]                            for `-o FILE`; () for what only the CLI uses
    def sink(out: BinaryIO, columns: tuple[str, ...]) -> ContextManager[Write]

and nothing else is edited: the folder is the menu, and `-o` finds a sink by its suffix. A sink hands each
batch to `out` in whole lines, in one write, at once: what was answered can be read even if the run is
killed. `out` is unbuffered (`outputs.Whole`); `out.tell()` is above 0 where it is a file that is written on
(--resume: `.jsonl` and `.csv` only); whoever opened it closes it. At the end of the context a sink
writes what is left of its format. It runs in the loop's thread, so it never waits for anything but its
disk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol, cast

from fetcher import menu
from fetcher.model import Result

Write = Callable[[Sequence[Result]], None]


class Module(Protocol):
    """What a file of this folder offers."""

    SUFFIXES: tuple[str, ...]

    def sink(self, out: BinaryIO, columns: tuple[str, ...]) -> AbstractContextManager[Write]:
        """A function that writes a batch of results to `out`."""


def pick(name: str) -> Module:
    """The sink of that name. Raises UsageError if there is none, or its library is missing."""
    import fetcher.sinks as folder

    return cast(Module, menu.pick(folder, name))
