"""Where results go: each sink writes records to one stream in one format.

The contract. `sinks/NAME.py` offers

    SUFFIXES: tuple[str, ...]                            for `-o FILE`; () for what only the CLI uses
    def sink(out: BinaryIO, columns: tuple[str, ...]) -> ContextManager[Write]

and nothing else is edited: the folder is the menu, and `-o` finds a sink by its suffix. A sink hands each
batch to `out` in whole lines, in one write, at once: what was answered can be read even if the run is
killed. `out` is unbuffered (`outputs.Whole`); `out.tell()` is above 0 where it is a file that is written on
(--resume: `.jsonl` and `.csv` only); whoever opened it closes it. At the end of the context a sink writes
what is left of its format. It runs in the loop's thread, so it never waits for anything but its disk.

A sink whose batches stand alone says so by `APART = True`: then what another process has made of a batch may
be written as it is (`partition`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

from fetcher import menu
from fetcher.model import Result

Write = Callable[[Sequence[Result]], None]


class Module(Protocol):
    """What a file of this folder offers."""

    SUFFIXES: tuple[str, ...]

    def sink(self, out: BinaryIO, columns: tuple[str, ...], **options: Any) -> AbstractContextManager[Write]:
        """A function that writes a batch of results to `out`."""


class Form(NamedTuple):
    """A sink with all that it must know to write the same bytes in another process; JSON-able."""

    name: str
    options: dict[str, Any] = {}  # noqa: RUF012 - of its `sink`; never changed
    failures: bool = False  # only records that are not ok

    @contextmanager
    def open(self, out: BinaryIO, columns: tuple[str, ...]) -> Iterator[Write]:
        """The sink on this stream."""
        with pick(self.name).sink(out, columns, **self.options) as write:
            if self.failures:
                yield lambda results: write([result for result in results if not result.ok])
            else:
                yield write

    @property
    def apart(self) -> bool:
        """Whether its batches stand alone."""
        return bool(getattr(pick(self.name), "APART", False))


def pick(name: str) -> Module:
    """The sink of that name. Raises UsageError if there is none, or its library is missing."""
    import fetcher.sinks as folder

    return cast(Module, menu.pick(folder, name))
