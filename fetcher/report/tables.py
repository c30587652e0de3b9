"""The tables of a site audit: the rows of its record as cells, with nothing in them that cannot be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from fetcher.refused import REASONS
from fetcher.report.catalogue import GOOD, KINDS, Column, Kind
from fetcher.report.page import visible
from fetcher.report.units import seconds, size
from fetcher.report.words import count

Row = dict[str, Any]
SHOWN: Final = 10  # rows at first


@dataclass
class Table:
    """One table as it is: without columns of which nothing is known."""

    key: str
    title: str
    hint: str
    columns: list[Column]
    rows: list[list[Any]]
    total: str  # how many rows there are, of which a long list has only some
    part: str  # which of them it has; empty if all
    shown: int  # at first
    good: bool = False  # nothing in it is to be mended


def tables(record: Row) -> list[Table]:
    """Those with something in them."""
    found = []
    for kind in KINDS:
        rows = [_row(kind, one) for one in _given(record, kind.key)]
        kept = [at for at, _ in enumerate(kind.columns) if any(row[at] not in (None, "") for row in rows)]
        if not kept:
            continue
        columns = [kind.columns[at] for at in kept]
        cells = [[row[at] for at in kept] for row in rows]
        total, part = _part(record, kind.key, len(rows))
        good = kind.key in GOOD
        found.append(Table(kind.key, kind.title, kind.hint, columns, cells, total, part, SHOWN, good))
    return found


def _part(record: Row, key: str, rows: int) -> tuple[str, str]:
    """How many rows there are, and in words which of them the table has."""
    cut, dropped = record.get(f"{key}_cut") or 0, key in (record.get("dropped") or ())
    total = count(rows + cut)
    if not cut and not dropped:
        return total, ""
    if key == "duplicates":
        far = "; copies that are far apart in the run may be missing" * dropped
        return total, f"the heaviest {count(rows)} of {total}{far}"
    total = "more than " * dropped + total
    which = "heaviest" if key in ("by_directory", "uncompressed") else "first"
    return total, f"the {which} {count(rows)} of {total}{', where a sum may be too low' * dropped}"


def _given(record: Row, key: str) -> Iterable[Row]:
    """The rows as the record has them."""
    if key == "by_type":
        kinds = sorted((record.get(key) or {}).items(), key=lambda pair: -pair[1]["wire"])
        return [{"type": kind, **sums} for kind, sums in kinds]
    if key != "not_fetched":
        return record.get(key) or ()
    examples = record.get("left_out") or {}
    rows = sorted((record.get(key) or {}).items(), key=lambda pair: -pair[1])
    return [
        {"reason": name, "urls": many, "examples": [examples[name], many] if examples.get(name) else None}
        for name, many in rows
    ]


def _row(kind: Kind, one: Row) -> list[Any]:
    return [_cell(kind.key, column, one) for column in kind.columns]


def _cell(table: str, column: Column, one: Row) -> Any:
    """A value that JSON can carry, with no text in it that cannot be seen."""
    made = _MADE.get((table, column.key)) or _MADE.get(("", column.key))
    return _seen(made(one) if made else one.get(column.key))


def _seen(value: Any) -> Any:
    """Every text on one line, and what is no text as it is."""
    if isinstance(value, str):
        return visible(" ".join(value.split()))
    return [_seen(one) for one in value] if isinstance(value, list) else value


def _linked(one: Row) -> list[Any] | None:
    urls = one.get("referrers") or []
    many = max(one.get("linked") or 0, len(urls))
    return [urls, many] if many else None


def _chain(one: Row) -> list[Any]:
    return [[hop.get("status"), hop.get("url")] for hop in one.get("chain") or ()]


def _again(one: Row) -> int | None:
    decoded = one.get("decoded")
    return decoded * (one["count"] - 1) if decoded is not None else None


def _reason(one: Row) -> str:
    return REASONS.get(one["reason"], str(one["reason"]))


_MADE: Final[dict[tuple[str, str], Callable[[Row], Any]]] = {
    ("", "what"): lambda one: one.get("error") or one.get("status"),
    ("", "referrers"): _linked,
    ("", "chain"): _chain,
    ("duplicates", "urls"): lambda one: [one["urls"], max(one["count"], len(one["urls"]))],
    ("duplicates", "copies"): lambda one: one["count"],
    ("duplicates", "again"): _again,
    ("not_fetched", "reason"): _reason,
}


def words(kind: str, value: Any) -> str:
    """A cell as plain text; of several URLs the first, and how many more there are."""
    if value is None:
        return "-"
    if kind == "urls":
        urls, many = value
        return (urls[0] if urls else f"{count(many)} pages") + (
            f" and {count(many - 1)} more" if urls and many > 1 else ""
        )
    if kind == "chain":
        return ", then ".join(f"{status} {url}" for status, url in value)
    if kind in _SHOWN:
        return _SHOWN[kind](value)
    return str(value)


_SHOWN: Final[dict[str, Callable[[Any], str]]] = {"size": size, "seconds": seconds, "count": count}
