"""What a ledger says of the rows of a list: which are done, and whether it is of this list at all."""

from __future__ import annotations

from typing import Protocol

from fetcher.errors import UsageError


class Ledger(Protocol):
    """Which rows an earlier run has answered (see `ledger`)."""

    done: int  # rows of this list that it had

    def has(self, row: int, url: str, source: str) -> bool:
        """Whether this one; then it counts. Raises UsageError where that was another URL."""

    def finish(self) -> None:
        """No more rows come. Raises UsageError where it has more."""


class Before:
    """A ledger that raises nothing: once it is found to be of another list, `differs` says so."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.differs: UsageError | None = None

    def has(self, row: int, url: str, source: str) -> bool:
        """Whether this row is not to be asked."""
        try:
            return self.ledger.has(row, url, source)
        except UsageError as error:
            self.differs = error
            return True

    def finish(self) -> None:
        """The list is over."""
        try:
            self.ledger.finish()
        except UsageError as error:
            self.differs = error
