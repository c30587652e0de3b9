"""Whether every row of a list is in a table of records, once and with its URL; and what is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final

from fetcher.errors import UsageError
from fetcher.feeds.rows import listed
from fetcher.ledger import Rows, key
from fetcher.ledger._entries import TORN, Entry, entries
from fetcher.records import pieces as opened
from fetcher.records import read
from fetcher.sources import Item
from fetcher.tables import Parts, is_url, kind, parts

FIRST: Final = 5  # examples of each kind


@dataclass(slots=True)
class Ranges:
    """How many numbers came, and the first of them as (first, last) of what follows each other."""

    count: int = 0
    first: list[list[int]] = field(default_factory=list)

    def add(self, number: int) -> None:
        """One more."""
        self.count += 1
        if self.first and number == self.first[-1][1] + 1:
            self.first[-1][1] = number
        elif len(self.first) < FIRST:
            self.first.append([number, number])


@dataclass(slots=True)
class Proof:
    """What was found; `complete` where nothing is wrong."""

    rows: int = 0  # of the list
    records: int = 0  # of the file, doubled and foreign ones too
    ok: int = 0
    missing: Ranges = field(default_factory=Ranges)  # rows without a record
    doubled: Ranges = field(default_factory=Ranges)  # rows that have another one
    foreign: Ranges = field(default_factory=Ranges)  # rows with another URL, or that the list does not have
    broken: Ranges = field(default_factory=Ranges)  # lines that are no record
    torn: int = 0  # bytes of a record that was cut off at the end
    unfinished: Ranges = field(default_factory=Ranges)  # parts of a directory
    damaged: Ranges = field(default_factory=Ranges)  # parts whose file is not whole
    differs: list[tuple[int, str, str]] = field(default_factory=list)  # row, URL there, URL in the list

    @property
    def complete(self) -> bool:
        """Whether each row has one record, and there is nothing else."""
        wrong = (self.missing, self.doubled, self.foreign, self.broken, self.unfinished, self.damaged)
        return not self.torn and not any(one.count for one in wrong)

    def record(self) -> dict[str, Any]:
        """As JSON-able data; `first` are ranges."""
        made: dict[str, Any] = {"complete": self.complete, "rows": self.rows, "records": self.records}
        made |= {"ok": self.ok, "failed": self.records - self.ok, "torn_bytes": self.torn}
        for name in ("missing", "doubled", "foreign", "broken", "unfinished", "damaged"):
            one: Ranges = getattr(self, name)
            made[name] = {"count": one.count, "first": one.first}
        made["differs"] = [dict(zip(("row", "there", "listed"), one, strict=True)) for one in self.differs]
        return made


def prove(pieces: Iterable[tuple[str, Item]], path: str, *, unique: bool = False) -> Proof:
    """Hold the list against the file, or the parts of a directory, all of it parsed.

    Raises UsageError for what cannot be read at all.
    """
    proof, there = Proof(), Rows()
    table = parts(path)
    files = [path] if table is None else table.paths
    for number in table.missing if table is not None else ():
        proof.unfinished.add(number)
    found = (_entries(one) if table is None else _whole(one, table, proof) for one in files)
    for row, url, ok, at in chain.from_iterable(found):
        if row > 0:
            proof.records += 1
            proof.ok += ok
            if not there.add(row, key(url)):
                proof.doubled.add(row)
        elif row == TORN:
            proof.torn = at
        else:
            proof.broken.add(at)
    if proof.broken.count and not proof.records:
        raise UsageError(f"{path} holds no records of fetch: give what `-o FILE` has written")
    differ: dict[int, str] = {}
    for row, text, _ in listed(pieces, unique=unique):
        proof.rows = row
        if not (word := there.get(row)):
            proof.missing.add(row)
        elif word != key(text):
            proof.foreign.add(row)
            if len(differ) < FIRST:
                differ[row] = text
    for row in there.after(proof.rows):
        proof.foreign.add(row)
    urls = _urls(files, set(differ))
    proof.differs = [(row, urls.get(row, ""), text) for row, text in differ.items()]
    return proof


def _whole(path: str, table: Parts, proof: Proof) -> Iterator[tuple[int, str, bool, int]]:
    """The records of a part; one whose file is not whole is noted, for it can only be fetched again."""
    damaged = False
    try:
        for entry in _entries(path):
            if entry[0] > 0:
                yield entry
            damaged |= entry[0] <= 0
    except UsageError:
        damaged = True
    if damaged:
        proof.damaged.add(table.number(path))


def _urls(files: list[str], rows: set[int]) -> dict[int, str]:
    """The URL of the first record of each of these rows, if the files can be read again."""
    found: dict[int, str] = {}
    for path in files if rows else ():
        for row, url, _, _ in _entries(path) if is_url(path) or Path(path).is_file() else ():
            if row in rows:
                found.setdefault(row, url)
                if len(found) == len(rows):
                    return found
    return found


class _Counted:
    """A stream, and how much of it was read."""

    __slots__ = ("lines", "size", "stream")

    def __init__(self) -> None:
        self.stream: BinaryIO
        self.lines = self.size = 0

    def readline(self, limit: int) -> bytes:
        line = self.stream.readline(limit)
        self.lines += bool(line)
        self.size += len(line)
        return line

    def read(self, size: int) -> bytes:
        piece = self.stream.read(size)
        self.size += len(piece)
        return piece


def _entries(path: str) -> Iterator[tuple[int, str, bool, int]]:
    """Row, URL and ok of each record; row 0 and the line of what is none; TORN and how many bytes are."""
    form, packed = kind(path)
    if form == ".parquet":
        yield from _table(path)
        return
    read = _Counted()

    def begin(stream: BinaryIO) -> Iterator[Entry]:
        read.stream = stream
        return entries(read, form, whole=True)

    before = 0
    for entry in opened(path, packed, begin):
        if isinstance(entry, str):  # the gzip data ends before its time
            yield 0, "", False, read.lines + 1
            return
        row, url, ok, end = entry
        line = read.lines if end == read.size else before + 1  # of several lines the first
        yield row, url.decode(), ok, read.size - end if row == TORN else line
        before = read.lines


def _table(path: str) -> Iterator[tuple[int, str, bool, int]]:
    records, number = read(path), 0
    for number, record in enumerate(records, 1):
        row, url = record.get("row"), record["url"]
        if type(row) is not int:
            raise UsageError(f"{path}: its records have no row: give what `-o FILE` has written")
        good = row > 0 and isinstance(url, str)
        yield (row, url, record.get("ok") is True, number) if good else (0, "", False, number)
    if records.warnings:
        yield 0, "", False, number + 1
