"""One URL a row of a CSV or TSV file, from the column that --column names in its first row.

The delimiter is what the first row shows: comma, tab, semicolon or bar. Where the first row is one word
alone, there is no delimiter, so a list of URLs with commas in them is read whole.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO, Final

from fetcher.errors import UsageError
from fetcher.sources import Bad, Item, Reading
from fetcher.sources._columns import find
from fetcher.sources._lines import BLANK, Long, item, lines

SUFFIXES = (".csv", ".tsv")
LIMIT: Final = 1 << 20  # bytes of a line
csv.field_size_limit(max(csv.field_size_limit(), 4 * LIMIT))  # of the whole process: `records` needs as much
DELIMITERS: Final = ",\t;|"
NONE: Final = "\x1f"  # a delimiter that no text has


def read(stream: BinaryIO, options: Reading) -> Iterator[Item]:
    """One item a row after the first. Raises UsageError if the first row lacks the column."""
    odd: list[Long] = []
    rest = _texts(stream, odd)
    for first in rest:
        if odd:
            raise UsageError(f"the first row, which names the columns, is {odd[0].bad().why}")
        if first.strip():
            break
        yield BLANK
    else:
        return
    rows = csv.reader(chain([first], rest), delimiter=_delimiter(first, options.column))
    try:
        header = next(rows)
    except csv.Error as error:
        raise UsageError(f"the first row, which names the columns, cannot be read: {error}") from error
    at, width = find(options.column, header), len(header)
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Bad("", f"line {rows.line_num}: {error}")
            continue
        if odd:
            yield odd[0].bad()
            odd.clear()
        elif len(row) == width:
            yield item(row[at])
        else:
            yield _ragged(row, at, width)


def _texts(stream: BinaryIO, odd: list[Long]) -> Iterator[str]:
    """The lines as text; one that is too long goes into `odd` and leaves an empty line."""
    for line in lines(stream, LIMIT):
        if isinstance(line, Long):
            odd[:] = [line]
            yield "\n"
        else:
            yield line.decode("utf-8", "surrogateescape")  # other columns may be in any coding


def _delimiter(first: str, column: str) -> str:
    """The delimiter that makes the wanted column appear, else the one that makes most columns."""
    best, most = NONE, 1
    for delimiter in DELIMITERS:
        cells = first.strip("\r\n").split(delimiter)
        if len(cells) > 1 and column.casefold() in [cell.strip(' "').casefold() for cell in cells]:
            return delimiter
        if len(cells) > most:
            best, most = delimiter, len(cells)
    return best


def _ragged(row: list[str], at: int, width: int) -> Item:
    """A row with more or fewer cells than the first: asked only if the cell is surely the right one."""
    if not any(row):
        return BLANK
    if len(row) <= at:
        return Bad(row[0][:200], f"a row of {len(row)} cells; the URL would be in cell {at + 1}")
    if len(row) < width or not any(row[width:]):
        return item(row[at])
    why = f"a row of {len(row)} cells under {width} names: a cell with the delimiter in it must be in quotes"
    return Bad(row[at][:200], why)
