"""Where URLs come from: each source reads one format as a stream.

The contract. `sources/NAME.py` offers

    SUFFIXES: tuple[str, ...]                            file suffixes it reads, e.g. (".csv", ".tsv")
    def read(stream: BinaryIO, options: Reading) -> Iterator[Item]

and nothing else is edited: the folder is the menu. A source yields, for each line, row or entry, as soon as
it has come (a FIFO may stay open for hours): the URL's text as it stands there, `Skip(why)` where there is
nothing to ask, or `Bad(text, why)` where something stands that cannot be a URL. It never raises for one bad
line; it raises UsageError when the whole input cannot be read as its format. It holds one line in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, Protocol

from fetcher.sources._bytes import BrokenGzip as BrokenGzip
from fetcher.sources._bytes import gunzip as gunzip
from fetcher.sources._bytes import joined as joined


class Skip(NamedTuple):
    """A line with nothing to ask; counted by reason in the summary."""

    why: str  # "blank", "comment", "duplicate"


class Bad(NamedTuple):
    """A line that cannot be a URL; it becomes an `invalid_url` record."""

    text: str  # at most 200 characters of it
    why: str


class Numbered(NamedTuple):
    """What has its row already: from an earlier run (`fetch retry`), or who shares the list (`partition`)."""

    row: int
    item: Any  # a URL, a Bad, or a caller's Request


Item = str | Skip | Bad | Numbered


class Reading(NamedTuple):
    """How to find the URL in a structured input."""

    column: str = "url"
    field: str = "url"


class Module(Protocol):
    """What a file of this folder offers."""

    SUFFIXES: tuple[str, ...]

    def read(self, stream: BinaryIO, options: Reading) -> Iterator[Item]:
        """The items of one input, as they come."""


@dataclass(frozen=True, slots=True)
class Input:
    """One INPUT of the command line: its name, as the record shows it, and its items."""

    name: str
    items: Callable[[], Iterator[Item]]  # opens the input when the first item is asked for


def resolve(
    inputs: Sequence[str], stdin: BinaryIO | None, options: Reading, commands: Sequence[str] = ()
) -> list[Input]:
    """Every INPUT, checked before the first request. Raises UsageError for one that cannot be meant or read.

    `commands` are words that a mistyped INPUT may have meant.
    """
    from fetcher.sources import _inputs

    return _inputs.resolve(inputs, stdin, options, commands)


def read_all(inputs: Iterable[Input]) -> Iterator[tuple[str, Item]]:
    """All items of all inputs, in order, each with its input's name."""
    for one in inputs:
        name = one.name
        for item in one.items():
            yield name, item
