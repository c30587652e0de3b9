"""CSV after RFC 4180: a header row, commas, CRLF, UTF-8; no cell can start a formula in a spreadsheet."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import Any, BinaryIO, Final

from fetcher.model import Result
from fetcher.sinks import Write
from fetcher.sinks._row import dumps, row

SUFFIXES: Final = (".csv",)
APART: Final = True

# CWE-1236. Spreadsheets skip blanks, quotes and invisible characters before they look for a formula, and some
# take the full-width, small and mathematical forms of = + - @ for the plain ones. Apostrophes in front change
# nothing, here as well: so text is guarded if and only if it would be with one more; `unguarded` is exact.
_FORMULA: Final = re.compile(
    "'*+[\t\r\n]|[\\s\"'`\u2018\u2019\u201c\u201d\0\u200b-\u200f\u2060\ufeff]*"
    "[=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212]"
)


@contextmanager
def sink(out: BinaryIO, columns: tuple[str, ...]) -> Iterator[Write]:
    """The header row at once, unless the file has one and is written on; then each batch, in one write."""

    def write_rows(rows: Sequence[Sequence[Any]]) -> None:
        text = StringIO()
        csv.writer(text).writerows(rows)
        out.write(text.getvalue().encode("utf-8", "backslashreplace"))

    def write(results: Sequence[Result]) -> None:
        if results:
            write_rows([[cell(value) for value in row(result, columns)] for result in results])

    if not out.tell():
        write_rows([columns])
    yield write


def cell(value: Any) -> Any:
    """A value as a cell: text guarded, true and false, lists and objects as JSON, null as nothing."""
    if isinstance(value, str):
        return guarded(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return dumps(value)
    return value


def guarded(text: str) -> str:
    """The text, after an apostrophe where a spreadsheet would take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(cell: str) -> str:
    """The text that was guarded as this cell."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell
