"""One URL a line of JSON: the field that --field names (`page.url` looks inside `page`), or a string."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from fetcher.sources import Bad, Item, Reading
from fetcher.sources._lines import BLANK, Long, item, lines, shown

SUFFIXES = (".jsonl", ".ndjson")
LIMIT: Final = 16 << 20  # bytes of a line: records that carry a page's text are long
KINDS: Final = {dict: "an object", list: "a list", bool: "true or false", int: "a number", float: "a number"}


def read(stream: BinaryIO, options: Reading) -> Iterator[Item]:
    """One item a line."""
    for line in lines(stream, LIMIT):
        if isinstance(line, Long):
            yield line.bad()
        elif line.isspace():
            yield BLANK
        else:
            yield _item(line, options.field)


def _item(line: bytes, field: str) -> Item:
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError:
        return Bad(shown(line.strip()), "not UTF-8")
    except (ValueError, RecursionError) as error:  # ValueError: also an integer of 5,000 digits
        why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        return Bad(shown(line.strip()), f"not JSON: {why}")
    if isinstance(value, dict):
        value, missing = _dig(value, field)
        if missing:
            return Bad(shown(line.strip()), missing)
    if isinstance(value, str):
        return item(value)
    if value is None:
        return BLANK
    return Bad(shown(line.strip()), f"{KINDS[type(value)]} where a URL should be")


def _dig(value: Any, field: str) -> tuple[Any, str]:
    """What the field holds, and why there is none."""
    if field in value:
        return value[field], ""
    for name in field.split("."):
        if not isinstance(value, dict):
            return None, f"no field {field!r}: there is nothing inside of {KINDS.get(type(value), 'a text')}"
        if name not in value:
            there = ", ".join(name if name.isprintable() else ascii(name) for name in value)
            return None, f"no field {name!r}; --field NAME may say one of: {there[:200] or 'none'}"
        value = value[name]
    return value, ""
