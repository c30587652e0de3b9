"""A file of records written anew, with newer records of some of its rows, and put in its place at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from fetcher.errors import LocalFault
from fetcher.ledger import Rows
from fetcher.ledger._entries import LIMIT, entries, is_csv

BLOCK: Final = 1 << 18


def replace(path: str, newer: str) -> int:
    """Take each record that both files have from `newer`; how many. Raises LocalFault, `path` unchanged.

    Both are of one format and hold whole records only. What is written stands beside `path` until it is on
    the disk; then it is renamed. Whenever this is killed, there is the old file or the new one.
    """
    target = os.path.realpath(path)
    beside = f"{target}.retry.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    try:
        with (
            os.fdopen(os.open(beside, flags, 0o600), "wb", BLOCK) as into,
            Path(target).open("rb", BLOCK) as old,
            Path(newer).open("rb", BLOCK) as new,
        ):
            count = _merge(old, new, into, path)
            into.flush()
            os.fsync(into.fileno())
            if hasattr(os, "fchmod"):
                os.fchmod(into.fileno(), os.fstat(old.fileno()).st_mode & 0o7777)
        os.replace(beside, target)  # noqa: PTH105
    except OSError as error:
        with suppress(OSError):
            Path(beside).unlink()
        kept = f"it is as it was, and the new records are in {newer}"
        raise LocalFault(f"{path}: {error.strerror}: {kept}: free space there and run again") from error
    except BaseException:
        with suppress(OSError):
            Path(beside).unlink()
        raise
    return count


def is_settled(path: str, newer: str) -> bool:
    """Whether all records of `newer` stand in `path` already: killed just after that was replaced."""
    words = Rows()
    for row, record in _records(newer):
        words.add(row, hash(record) or 1)
    same = sum(words.get(row) == (hash(record) or 1) for row, record in _records(path))
    return 0 < words.count == same


def _records(path: str) -> Iterator[tuple[int, bytes]]:
    with Path(path).open("rb", BLOCK) as stream, Path(path).open("rb", BLOCK) as again:
        for row, start, end in _spans(stream, path):
            again.seek(start)
            yield row, again.read(end - start)


def _merge(old: BinaryIO, new: BinaryIO, into: BinaryIO, path: str) -> int:
    starts, ends, count = Rows(), Rows(), 0
    for row, start, end in _spans(new, path):
        starts.add(row, start + 1)  # 0 is what a row has that is not there
        ends.add(row, end)
    if is_csv(path):
        into.write(old.readline(LIMIT))
    with Path(os.path.realpath(path)).open("rb", BLOCK) as stream:  # its own position, beside that of `old`
        for row, start, end in _spans(stream, path):
            if at := starts.get(row):
                new.seek(at - 1)
                record = new.read(ends.get(row) - at + 1)
                old.seek(end)
                count += 1
            else:
                old.seek(start)
                record = old.read(end - start)
            into.write(record)
            if record[-1:] != b"\n":  # the last one, of an editor that ends no line
                into.write(b"\n")
    return count


def _spans(stream: BinaryIO, path: str) -> Iterator[tuple[int, int, int]]:
    """Row, first byte and end of every record."""
    start = 0
    if is_csv(path):
        start = len(stream.readline(LIMIT))
        stream.seek(0)
    for row, _, _, end in entries(stream, path):
        if row > 0:
            yield row, start, end
        start = end
