"""What a command has run, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fetcher.cli._summary import Facts, text
from fetcher.feeds import Root
from fetcher.ledger import Ledger
from fetcher.model import Options, Result
from fetcher.tally import Tally

Words = Callable[[Tally, Facts, int | None], str]


@dataclass(slots=True)
class Job:
    """What is to be run, and how it is told."""

    root: Root
    options: Options
    values: dict[str, Any]  # of the command line
    shown: tuple[str, ...]  # the columns of its records
    files: Sequence[str]  # that records go to
    inputs: Sequence[str] = ()  # which no output may be
    replaces: bool = False  # existing outputs may be replaced
    listed: bool = True  # records go to standard output, too
    earlier: Iterable[Result] = ()  # records of an earlier run, told first
    ledger: Ledger | None = None  # what was done before, and the one file that is written on
    unit: str = "line"  # what its root reads
    crawled: bool = False  # its URLs are found by following links
    words: Words | None = text  # the summary on standard error


@dataclass(slots=True)
class Watched:
    """What became of it."""

    tally: Tally
    facts: Facts
    heard: Sequence[int] = ()  # signals
    broken: bool = False  # nobody reads any of its outputs any more

    @property
    def code(self) -> int:
        """The exit code of a run without verdicts of its own."""
        if self.heard:
            return 128 + self.heard[0]
        return 141 if self.broken else int(self.tally.failed + self.facts.failed_before > 0)
