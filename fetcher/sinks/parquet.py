"""Parquet with one fixed type per column; the file can be read once the run has ended, not before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from fetcher.errors import LocalFault
from fetcher.model import Result
from fetcher.sinks import Write
from fetcher.sinks._row import row, well_formed

SUFFIXES: Final = (".parquet",)
GROUP: Final = 10_000  # rows held in memory until they are written as one row group

_INT: Final = frozenset(("row", "status", "size", "wire_size", "content_length", "attempts", "depth"))
_SECONDS: Final = frozenset(("elapsed", "dns", "connect", "tls", "ttfb"))
_OTHER: Final = {
    "ok": pa.bool_(),
    "redirects": pa.list_(pa.struct([("url", pa.string()), ("status", pa.int64())])),
    "headers": pa.map_(pa.string(), pa.string()),
}


@contextmanager
def sink(out: BinaryIO, columns: tuple[str, ...]) -> Iterator[Write]:
    """Row groups as they fill; the last one and the footer at the end, also of a run that was stopped."""
    schema = pa.schema([(name, kind(name)) for name in columns])
    held: list[list[Any]] = []

    def group() -> None:
        values = zip(*held, strict=True)
        arrays = [_array(column, field.type) for column, field in zip(values, schema, strict=True)]
        held.clear()
        with _told():
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=GROUP)

    def write(results: Sequence[Result]) -> None:
        held.extend([row(result, columns) for result in results])
        if len(held) >= GROUP:
            group()

    with _told():
        writer = pq.ParquetWriter(out, schema)
    try:
        yield write
    finally:
        if held:
            group()
        with _told():
            writer.close()


@contextmanager
def _told() -> Iterator[None]:
    """The one format whose beginning is worth nothing without its end: say so when the disk fails."""
    try:
        yield
    except LocalFault as fault:
        raise LocalFault(f"{fault}; a Parquet file without its end cannot be read") from fault


def kind(name: str) -> pa.DataType:
    """The type of a column, also where a run has nothing but nulls for it."""
    if name in _INT:
        return pa.int64()
    if name in _SECONDS:
        return pa.float64()
    return _OTHER.get(name, pa.string())


def _array(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_map(type_):
        values = [None if value is None else list(value.items()) for value in values]
    try:
        return pa.array(values, type_)
    except (UnicodeEncodeError, OverflowError):  # a lone surrogate, or a Content-Length beyond 64 bits
        return pa.array([_fitting(value) for value in values], type_)


def _fitting(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else None
    if isinstance(value, list | tuple):
        return type(value)(map(_fitting, value))
    if isinstance(value, dict):
        return {name: _fitting(inner) for name, inner in value.items()}
    return value
