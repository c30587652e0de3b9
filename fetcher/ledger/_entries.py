"""What stands in a .jsonl or .csv of records, as far as a ledger must know it; parsed only where it must be.

A line as a run writes it is read by its first columns; one that another program wrote is parsed, and for a
proof every one is. In a .csv a record may have several lines, so quotes are counted: inside a quoted cell
their number is odd.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Final, Protocol

from fetcher.model import COLUMNS
from fetcher.records import LIMIT as LIMIT
from fetcher.records import is_whole, record_of
from fetcher.sinks.csv import unguarded

MOST: Final = 1 << 60  # rows
TORN: Final = -1
HEAD: Final = ",".join(COLUMNS).encode()

# (row, URL as UTF-8, ok, offset of its end). Row 0: these are no record; TORN: behind that offset stands one
# that was cut off. A last line that is a whole record may lack its newline: its end is that of the file.
Entry = tuple[int, bytes, bool, int]

_STRING = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
_LINE: Final = re.compile(rb'\{"row":([1-9][0-9]{0,17}),"input":"%b","url":"([^"\\]*+)",' % _STRING).match
_CELL = rb'(?:[^",\r\n]*+|"[^"]*+(?:""[^"]*+)*+")'
_BEGINNING = rb"([1-9][0-9]{0,17}),%b,([^\"',\r\n][^\",\r\n]*+),%b,(true|false)," % (_CELL, _CELL)
_ROW: Final = re.compile(_BEGINNING).match
_BEHIND: Final = re.compile(rb"\n" + _BEGINNING).search


class Stream(Protocol):
    """What is read: a file, or what counts its lines."""

    def readline(self, limit: int, /) -> bytes: ...
    def read(self, size: int, /) -> bytes: ...


def is_csv(path: str) -> bool:
    """Whether the name says so."""
    return path.lower().endswith(".csv")


def entries(stream: Stream, path: str, *, whole: bool = False) -> Iterator[Entry]:
    """Every record of a .jsonl or .csv, and what is none; of a .csv its header row is left out.

    With `whole`, each is parsed to its end: then what `records.read` leaves out is no record here either.
    """
    return (_csv if is_csv(path) else _jsonl)(stream, whole)


def _jsonl(stream: Stream, whole: bool) -> Iterator[Entry]:
    end = 0
    for line in iter(partial(stream.readline, LIMIT), b""):
        found = None if whole else _LINE(line)
        # A second beginning in it is that of another record, behind one that was torn.
        if found and line[-2:] == b"}\n" and not line.rfind(b'{"row":'):
            end += len(line)
            row, url = found.groups()
            yield int(row), url, b'"ok":true' in line, end
        elif line.endswith(b"\n"):
            end += len(line)
            if not line.isspace():
                yield _object(line, end, whole)
        else:
            more = stream.read(1)
            entry = _object(b"" if more else line, end + len(line), whole)
            ours = not more and (b'{"row":'.startswith(line[:7]) or (end and not line.strip(b"\0")))
            yield (TORN, b"", False, end) if ours and not entry[0] else entry
            return


def _object(line: bytes, end: int, whole: bool) -> Entry:
    """A line of JSON, however it was written."""
    with suppress(ValueError, TypeError, LookupError, RecursionError):
        record = json.loads(line)
        row, url = record["row"], record["url"]
        if _is_row(row) and isinstance(url, str) and (not whole or is_whole(record)):
            return row, url.encode("utf-8", "backslashreplace"), record.get("ok") is True, end
    return 0, b"", False, end


def _is_row(row: Any) -> bool:
    return type(row) is int and 0 < row < MOST


def _csv(stream: Stream, whole: bool) -> Iterator[Entry]:
    readline = partial(stream.readline, LIMIT)
    head = readline()
    end = len(head)
    if not head.endswith(b"\n") or not head.startswith(HEAD):
        if head:
            yield (TORN if HEAD.startswith(head[: len(HEAD)]) and not stream.read(1) else 0), b"", False, 0
        return
    header = head.decode("utf-8", "replace").strip().split(",") if whole else []
    for first in iter(readline, b""):
        line, closed = _row(first, readline)
        if not closed or not line.endswith(b"\n"):
            # Here its newline is missed: whether `cur` was to be `curl`, nothing in a last cell tells.
            ours = re.match(rb"[1-9][0-9]*(,|$)", line) or not line.strip(b"\0")
            # With other rows behind it, it was not cut off: a quote too many stands in it.
            torn = ours and not stream.read(1) and not _BEHIND(line)
            yield (TORN, b"", False, end) if torn else (0, b"", False, end + len(first))
            return
        end += len(line)
        if not whole and (found := _ROW(line)) is not None:
            yield int(found[1]), found[2], found[3] == b"true", end
        elif not line.isspace():
            yield _cells(line, end, header)


def _row(first: bytes, readline: Callable[[], bytes]) -> tuple[bytes, bool]:
    """A row, with its further lines where a cell has line breaks; and whether its last quote is there."""
    if not first.count(b'"') % 2:
        return first, True
    line, odd = bytearray(first), True
    while odd and len(line) < LIMIT and (more := readline()):
        line += more
        odd = not more.count(b'"') % 2
    return bytes(line), not odd


def _cells(line: bytes, end: int, header: list[str]) -> Entry:
    """A row of CSV, parsed; with a header to its last cell."""
    with suppress(ValueError, LookupError, OverflowError, RecursionError, csv.Error):
        [cells] = csv.reader((line.decode(),), strict=True)
        row, url, ok = int(cells[0]), unguarded(cells[2]), cells[4] == "true"
        if header:
            record = record_of(header, cells)
            row, url, ok = record["row"], record["url"], record["ok"]
        if _is_row(row):
            return row, url.encode("utf-8"), bool(ok), end
    return 0, b"", False, end


def line_of(path: str, end: int) -> int:
    """The number of the line that ends at this offset, its newline there or not."""
    with open(path, "rb") as stream:  # noqa: PTH123
        lines, left, block = 0, end, b"\n"
        while left > 0 and (more := stream.read(min(left, 1 << 20))):
            block = more
            lines += block.count(b"\n")
            left -= len(block)
    return lines + (not block.endswith(b"\n"))


def find(path: str, row: int) -> str:
    """The URL of the record of this row, as far as it is UTF-8."""
    with open(path, "rb") as stream:  # noqa: PTH123
        urls = (url for number, url, _, _ in entries(stream, path) if number == row)
        return next(urls, b"").decode("utf-8", "backslashreplace")
