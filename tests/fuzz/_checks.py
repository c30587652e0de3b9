"""What several targets ask: cuts of the same bytes, and whether an item of a source is one."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from fetcher.errors import Fault, UsageError
from fetcher.sources import Bad, Item, Skip
from fetcher.sources._bytes import joined
from fetcher.sources._lines import LIMIT


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """The data in pieces, cut anywhere: each byte alone where there are few, and twice at random.

    At random, but the same each time: a finding must be one again.
    """
    if len(data) <= 300:
        yield [data[i : i + 1] for i in range(len(data))]
    chance = random.Random(zlib.crc32(data))
    for count in (1, 6) if len(data) <= 64 << 10 else (3,):
        marks = sorted(chance.randrange(len(data) + 1) for _ in range(count))
        yield [data[a:b] for a, b in zip([0, *marks], [*marks, len(data)], strict=True) if a < b]


def streams(data: bytes) -> Iterator[BinaryIO]:
    """The data as streams that give it in pieces, as pipes do."""
    for parts in cuts(data):
        yield joined(parts)


def is_item(item: Item) -> bool:
    """Whether this is what the contract of the sources calls an item. Raises if it is not UTF-8."""
    if isinstance(item, Skip):
        return item.why in ("blank", "comment")
    if isinstance(item, Bad):
        return len(item.text) <= 200 and bool(item.why) and "\n" not in item.why
    return bool(item.encode()) and len(item) <= LIMIT and item == item.strip(" \t\n\r\v\f")


def shape(items: list[Item]) -> tuple[object, ...]:
    """What makes one list of items unlike another: the kinds, in order, of the first few, and the reasons."""
    kinds = [type(one).__name__ for one in items[:6]]
    whys = {"".join(c for c in one.why if not c.isdigit())[:40] for one in items if isinstance(one, Bad)}
    return (*kinds, min(len(items), 8), frozenset(list(whys)[:4]))


def kind_of(fault: Fault, kinds: set[str]) -> str:
    """The kind of a fault, which must be one of these, told in a line that no terminal minds."""
    assert fault.kind in kinds, fault
    assert 0 < len(fault.message) < 400, fault  # 60 bytes that were seen, escaped
    assert fault.message.isprintable(), fault
    return fault.kind


def is_told(error: UsageError) -> bool:
    """Whether this is one line."""
    return str(error) != "" and "\n" not in str(error)
