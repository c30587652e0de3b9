"""A file of records that a run goes on with: which rows are done, and that they are rows of the same list.

Only row, URL and `ok` of each record are read, and 8 bytes of each are kept: a hash of its URL, salted for
this process. A line that has changed since is overlooked with a chance of 1 in 2^64.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from fetcher.errors import UsageError
from fetcher.ledger._entries import LIMIT, find, is_csv, line_of
from fetcher.ledger._entries import TORN as TORN
from fetcher.ledger._entries import entries as entries
from fetcher.ledger._rows import Rows as Rows
from fetcher.outputs import Whole, open_kept

SUFFIXES: Final = (".jsonl", ".csv")
SAME: Final = "resume with the same list, --unique, --column and --field, or choose another -o FILE"


def key(url: str) -> int:
    """What is kept of a URL as a record shows it; never 0, and mostly another one in each process."""
    return _word(url.encode("utf-8", "backslashreplace"))


def _word(url: bytes) -> int:
    return hash(url) or 1


class Ledger:
    """What stands in a file of records already; `file` is open, locked, and written on at its end.

    `cure` is what to do where it is not of this list.
    """

    def __init__(self, file: Whole, cure: str = SAME) -> None:
        self.file = file
        self.cure = cure
        self.end = 0  # of its last whole record
        self.rows = Rows()
        self.done = 0  # of its rows those that the list has had so far
        self.failed = 0  # records that are not ok
        self.torn = 0  # bytes that were cut off

    def has(self, row: int, url: str, source: str) -> bool:
        """Whether this row is done; then it counts. Raises UsageError where that record is of another URL."""
        word = self.rows.get(row)
        if not word:
            return False
        if word == key(url):
            self.done += 1
            return True
        path = self.file.name
        differ = f"{shown(find(path, row))} there, but {shown(url)} in {source or 'the list'}"
        raise UsageError(f"{path}: row {row:,} is {differ}: {self.cure}")

    def finish(self) -> None:
        """All rows of the list have come. Raises UsageError if it has more."""
        if left := self.rows.count - self.done:
            rows = f"{left:,} row{'s' * (left != 1)} that the list does not have"
            raise UsageError(f"{self.file.name} has records of {rows}: {self.cure}")

    def read(self, columns: tuple[str, ...]) -> None:
        """Read it. Raises UsageError for what is not ours."""
        fd, path = self.file.fileno(), self.file.name
        end = 0
        with os.fdopen(os.dup(fd), "rb", 1 << 18) as stream:
            for row, url, ok, end in entries(stream, path):
                if row == TORN:
                    self.torn = os.fstat(fd).st_size - end
                    break
                if not row:
                    raise UsageError(_no_record(path, end, self.rows.count))
                if not self.rows.add(row, _word(url)):
                    again = f"again in line {line_of(path, end):,}"
                    cure = "take one out, or choose another file"
                    raise UsageError(f"{path}: row {row:,} stands in it twice ({again}): {cure}")
                self.failed += not ok
            if end and is_csv(path):
                stream.seek(0)
                _check_columns(path, stream.readline(LIMIT), columns)
        self.end = end

    def go_on(self) -> None:
        """From now on it is written behind its last whole record; a torn one is cut off."""
        self.file.go_on(self.end)
        if self.end and os.pread(self.file.fileno(), 1, self.end - 1) != b"\n":
            self.file.write(b"\n")
            self.end += 1


@contextmanager
def opened(
    path: str, columns: tuple[str, ...], inputs: Sequence[str] = (), *, cure: str = SAME, keep: bool = False
) -> Iterator[Ledger]:
    """The ledger in this file, new or not. Raises UsageError for a file that no run may go on with.

    If it turns out to be of another list, what has been written meanwhile is taken out again: it would be in
    the way of the right one. `keep`: it is only read, and stays as it is, its torn end too.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: a run goes on with {' or '.join(SUFFIXES)} only: name such a file")
    file, new = open_kept(path, inputs)
    with file:
        ledger, begun = Ledger(file, cure), False
        try:
            ledger.read(columns)
            if not keep:
                ledger.go_on()
            begun = not keep
            yield ledger
        except UsageError:
            if begun:
                file.go_on(ledger.end)
            if new and not file.total:
                with suppress(OSError):
                    Path(path).unlink()
            raise


def _no_record(path: str, end: int, records: int) -> str:
    if not records:
        return f"{path} holds no records of fetch: choose another file to resume"
    cure = "take it out, and its row is asked again; or choose another file"
    return f"{path}: line {line_of(path, end):,} is no record: {cure}"


def _check_columns(path: str, head: bytes, columns: tuple[str, ...]) -> None:
    """A table has one set of columns from its first row to its last."""
    there = head.decode("utf-8", "replace").strip().split(",")
    if there == list(columns):
        return
    differ = sorted(set(there) ^ set(columns)) or ["their order"]
    raise UsageError(
        f"{path} has other columns than this run ({', '.join(differ)}): "
        "resume with the same --hash, --headers and --save; a .jsonl takes any"
    )


def shown(text: str) -> str:
    """A URL in a message: one line, and not too long."""
    text = text if len(text) <= 200 else f"{text[:200]}..."
    return text if text.isprintable() else repr(text)
