"""Which of the columns that are there is the one that was asked for."""

from __future__ import annotations

from collections.abc import Sequence

from fetcher.errors import UsageError


def find(column: str, header: Sequence[str]) -> int:
    """Where that column is; upper and lower case are one. Raises UsageError, naming those that are there."""
    names = [name.strip() for name in header]
    folded = [name.casefold() for name in names]
    if column in names:
        return names.index(column)
    if column.casefold() in folded:
        return folded.index(column.casefold())
    seen = ", ".join(name if name.isprintable() else ascii(name) for name in names)
    if "://" in seen:
        raise UsageError(f"the first row is a URL, no names: put `{column}` above it, or use .txt")
    there = seen if len(seen) <= 300 else f"{seen[:300]}..."
    raise UsageError(f"there is no column {column!r}; say --column NAME with one of: {there}")
