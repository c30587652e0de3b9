"""The records of an earlier run, read back from its .jsonl, .csv, .parquet or parts, with the types they had.

A run that was killed leaves a torn last line in .jsonl and .csv: it is left out, and `Records.warnings` says
so. A .csv holds no types and guards its text against spreadsheets; both are undone.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import chain
from typing import Any, BinaryIO, Final

from fetcher.errors import LocalFault, UsageError
from fetcher.logins import mask
from fetcher.menu import cure
from fetcher.sinks.csv import unguarded
from fetcher.sources import csv as _wide  # noqa: F401 - headers and redirects outgrow the 128 KiB of a cell
from fetcher.tables import kind, opened, parts

Record = dict[str, Any]
Piece = Record | str  # a record; or which one is left out, and why

NEEDED: Final = ("url", "status", "error")  # what a record has, whatever else was taken out of it
LIMIT: Final = 16 << 20  # bytes of a line; a longer one is none of ours
BATCH: Final = 2048  # rows of a .parquet that are read at once
TOLD: Final = 3  # warnings in full; the rest is counted
_NEVER_NULL: Final = frozenset(("input", "url", "started", "engine"))


class Records(Iterator[Record]):
    """The records of one file, in its order."""

    def __init__(self, path: str, pieces: Iterator[Piece]) -> None:
        self.path = mask(path)
        self._left, self._told = 0, list[str]()
        first = list(next(([piece] for piece in pieces), []))  # opens the file: it may be none of ours
        self._pieces = chain(first, pieces)

    def __next__(self) -> Record:
        for piece in self._pieces:
            if not isinstance(piece, str):
                return piece
            self._left += 1
            if self._left <= TOLD:
                self._told.append(f"{self.path}: {piece}")
        raise StopIteration

    @property
    def warnings(self) -> list[str]:
        """What was left out so far; complete after the last record."""
        more = f"{self.path}: {self._left - TOLD:,} more are no whole records: left out"
        return [*self._told, *([more] if self._left > TOLD else [])]


def read(path: str) -> Records:
    """The records of a file or of a directory of parts, as they are asked for.

    Raises UsageError for what is neither.
    """
    table = parts(path)
    return Records(path, _file(path) if table is None else _all(table.paths, table.missing))


def _file(path: str) -> Iterator[Piece]:
    form, packed = kind(path)
    return pieces(path, packed, _FORMS[form])


def _all(paths: list[str], missing: list[int]) -> Iterator[Piece]:
    if missing:
        yield f"{len(missing):,} of {len(missing) + len(paths):,} parts are not finished: left out"
    for path in paths:
        yield from _file(path)


def pieces(path: str, packed: bool, form: Callable[[BinaryIO], Iterator[Any]]) -> Iterator[Any]:
    """Open, read, close; and what the system says on the way, as our words."""
    begun = False
    try:
        with opened(path) as raw, gzip.open(raw) if packed else nullcontext(raw) as stream:
            for piece in form(stream):  # type: ignore[arg-type]  # a GzipFile reads as any other
                begun = True
                yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        if not begun and isinstance(error, gzip.BadGzipFile):
            raise UsageError(f"{path} is no gzip data, as its name says: take .gz off its name") from error
        yield "the gzip data is broken or was cut off: only what stands before that was read"
    except UsageError as error:
        raise UsageError(f"{path} {error}") from error
    except OSError as error:
        if not begun:
            raise UsageError(f"{path} cannot be read: {error.strerror}: give another file") from error
        raise LocalFault(f"{path} cannot be read on: {error.strerror}: run again") from error


def _jsonl(stream: BinaryIO) -> Iterator[Piece]:
    """One record a line."""
    begun = False
    for number, line in enumerate(iter(partial(stream.readline, LIMIT), b""), 1):
        if line.isspace():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict) and is_whole(row):
            yield row
        elif row is None and line.startswith(b"{") and not line.endswith(b"\n"):
            yield f"line {number:,} was cut off: left out"
        elif begun:
            yield f"line {number:,} is no record: left out"
        else:
            lacks = _lacks(row) if isinstance(row, dict) else f"line {number} is not one as JSON"
            raise UsageError(f"holds no records of fetch: {lacks}")
        begun = True


def _csv(stream: BinaryIO) -> Iterator[Piece]:
    """One record a row, under the names in the first one."""
    with io.TextIOWrapper(stream, "utf-8-sig", "replace", newline="") as text:
        lines = _Lines(text)
        rows = csv.reader(lines, strict=True)
        try:
            header = next(rows, [])
        except csv.Error as error:
            raise UsageError(f"holds no records of fetch: its first row is no CSV: {error}") from error
        if not set(NEEDED) <= set(header):
            raise UsageError(f"holds no records of fetch: {_lacks(header)}")
        while True:
            try:
                row = next(rows)
                record = record_of(header, row) if row and lines.ended else None
            except StopIteration:
                return
            except (csv.Error, ValueError, KeyError, OverflowError, RecursionError):
                row, record = [""], None
            if record is not None:
                yield record
            elif row:  # an empty line is none
                yield f"line {rows.line_num:,} {'is no record' if lines.ended else 'was cut off'}: left out"


class _Lines(Iterator[str]):
    """The lines of a text with their ends; the last may lack it."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._readline = partial(text.readline, LIMIT)
        self.ended = False  # whether the line read last has its end

    def __next__(self) -> str:
        line = self._readline()
        self.ended = line.endswith(("\n", "\r"))
        if line:
            return line
        raise StopIteration


def record_of(header: list[str], row: list[str]) -> Record:
    """What was written as this row; raises what its parsers do for what was not."""
    return {name: _typed(name, cell) for name, cell in zip(header, row, strict=True)}


def _typed(name: str, cell: str) -> Any:
    """What was written as this cell."""
    if name in _TYPES:
        return _TYPES[name](cell) if cell else None
    return unguarded(cell) if cell or name in _NEVER_NULL else None


def _whole(cell: str) -> int:
    return int(cell) if cell.isdecimal() else int(float(cell))  # pandas makes 200 to 200.0 beside a null


_TYPES: Final[dict[str, Callable[[str], Any]]] = {
    **dict.fromkeys(("row", "status", "size", "wire_size", "content_length", "attempts", "depth"), _whole),
    **dict.fromkeys(("elapsed", "dns", "connect", "tls", "ttfb"), float),
    **dict.fromkeys(("redirects", "headers"), json.loads),
    "ok": {"true": True, "false": False, "TRUE": True, "FALSE": False}.__getitem__,  # spreadsheets shout
}


def _parquet(stream: BinaryIO) -> Iterator[Piece]:
    """One record a row, read in batches; its index stands at the end, so it must be whole."""
    try:
        import pyarrow as arrow
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError as error:
        raise UsageError(f"is Parquet, which {cure(error.name or 'pyarrow')}") from error
    try:
        with ParquetFile(stream) as file:
            if not set(NEEDED) <= set(file.schema_arrow.names):
                raise UsageError(f"holds no records of fetch: {_lacks(file.schema_arrow.names)}")
            for batch in file.iter_batches(BATCH, use_threads=False):
                for row in batch.to_pylist():
                    if row.get("headers") is not None:
                        row["headers"] = dict(row["headers"])
                    yield row
    except (arrow.ArrowException, OSError) as error:
        why = str(error).partition("\n")[0][:200]
        raise UsageError(f"is no whole Parquet file (its run may have been killed): {why}") from error


def is_whole(row: Record) -> bool:
    """Whether it has what every record has."""
    return "status" in row and "error" in row and isinstance(row.get("url"), str)


def _lacks(names: Any) -> str:
    missing = " and no ".join(name for name in NEEDED if name not in names)
    return f"there is no {missing} in it" if missing else "its url is no text"


_FORMS: Final = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
