"""One URL a row of a Parquet file, from the column that --column names, read in batches.

Parquet keeps its index at the end: what cannot be sought (a pipe, a .gz) is first copied to a temporary file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO, Final

from fetcher.errors import UsageError
from fetcher.menu import cure
from fetcher.sources import Bad, Item, Reading
from fetcher.sources._columns import find
from fetcher.sources._lines import BLANK, item

SUFFIXES = (".parquet",)
BATCH: Final = 2048  # rows


def read(stream: BinaryIO, options: Reading) -> Iterator[Item]:
    """One item a row. Raises UsageError without pyarrow, the column, or text in it."""
    try:
        import pyarrow as arrow
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError as error:
        raise UsageError(f"reading Parquet {cure(error.name or 'pyarrow')}") from error
    with ExitStack() as opened:
        if not stream.seekable():
            stream = opened.enter_context(_copy(stream))
        try:
            file = opened.enter_context(ParquetFile(stream))
        except (arrow.ArrowException, OSError) as error:
            raise UsageError(f"no whole Parquet file: {_first_line(error)}") from error
        column = _column(file.schema_arrow, options.column)
        try:
            for batch in file.iter_batches(BATCH, columns=[column], use_threads=False):
                for value in _values(batch.column(0)):
                    yield _item(value)
        except (arrow.ArrowException, OSError) as error:
            yield Bad("", f"the Parquet data is broken: {_first_line(error)}")


def _column(schema: Any, wanted: str) -> str:
    from pyarrow import types

    at = find(wanted, schema.names)
    kind = schema.field(at).type
    inner = kind.value_type if types.is_dictionary(kind) else kind
    checks = ("string", "large_string", "string_view", "binary", "large_binary", "null")
    if not any(getattr(types, f"is_{name}")(inner) for name in checks):
        raise UsageError(f"column {wanted!r} holds {kind}, not text; say --column NAME with another")
    return str(schema.names[at])


def _values(column: Any) -> list[Any]:
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:  # a writer put other bytes where it promised UTF-8
        return [_value(cell) for cell in column]


def _value(cell: Any) -> Any:
    try:
        return cell.as_py()
    except UnicodeDecodeError as error:
        return error.object


def _item(value: str | bytes | None) -> Item:
    if value is None:
        return BLANK
    return item(value if isinstance(value, str) else value.decode("utf-8", "surrogateescape"))


def _copy(stream: BinaryIO) -> BinaryIO:
    import shutil
    from tempfile import TemporaryFile

    copy = TemporaryFile()  # noqa: SIM115  (the caller closes it)
    try:
        shutil.copyfileobj(stream, copy)
    except BaseException:
        copy.close()
        raise
    copy.seek(0)
    return copy


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
