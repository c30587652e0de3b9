"""A list sorted by host into parts, in one pass and bounded memory: as a hash join that does not fit does.

Rows go to one of some thousand buckets by their host. A bucket with too many rows is sorted once more by
another hash; one that is of a single host becomes parts of their own, to be fetched in turn. Small neighbours
become one part, in the order of the list.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from fetcher.errors import LocalFault
from fetcher.feeds import Wait
from fetcher.feeds.rows import Row, Rows, text_of
from fetcher.partition.carried import line, piece
from fetcher.partition.hosts import Hosts

BUCKETS: Final = 1024
PART: Final = 25_000  # rows of a part at the most, if its hosts allow
LEAST: Final = 5000  # and at the least, if the list is so long
EACH: Final = 4  # parts that each worker should have: the last ones to end are waited for
HELD: Final = 32 << 20  # bytes in memory, before they are written
DEEPEST: Final = 8  # times that a bucket is sorted anew


@dataclass(slots=True)
class Bucket:
    """The rows of some hosts, in the order of the list."""

    path: Path
    rows: int = 0
    host: str = ""  # the only one, if `mixed` is false
    mixed: bool = False
    lines: list[bytes] = field(default_factory=list)

    def add(self, host: str, data: bytes) -> None:
        """One more row."""
        self.mixed |= self.rows > 0 and host != self.host
        self.host = host
        self.lines.append(data)
        self.rows += 1

    def flush(self) -> None:
        """Write what is in memory."""
        if self.lines:
            with open(self.path, "ab", opener=_private) as file:
                file.write(b"".join(self.lines))
            self.lines.clear()


def _private(path: str, flags: int) -> int:
    """Of the owner alone: a row has the logins of its URL, which no output has."""
    return os.open(path, flags, 0o600)


@dataclass(slots=True)
class Spooled:
    """One part: its rows as a file."""

    path: Path
    rows: int
    host: str = ""  # the only one, where it fills a part or more


def spool(
    rows: Rows, folder: Path, workers: int, told: Callable[[int], None], part: int = PART
) -> tuple[list[Spooled], str]:
    """Sort all rows of a list; the parts, and a digest of the whole list.

    `told` hears how many rows have come, every now and then. Raises what the list raises, and LocalFault.
    """
    digest = blake2b(digest_size=16)
    try:
        buckets = list(_sort(_carried(rows, told), folder, _noted(digest), part))
        each = sum(bucket.rows for bucket in buckets) // (EACH * workers)
        parts = list(_joined(buckets, min(part, max(each, LEAST))))
    except OSError as error:
        raise LocalFault(f"{folder}: {error.strerror}: free space there, and run again") from error
    return parts, digest.hexdigest()


def digest_of(rows: Rows, told: Callable[[int], None]) -> str:
    """The digest of a list, as `spool` gives it. Raises what the list raises."""
    digest = blake2b(digest_size=16)
    note = _noted(digest)
    for row, _ in _carried(rows, told):
        note(row.item)
    return digest.hexdigest()


def _noted(digest: blake2b) -> Callable[[Any], object]:
    """What stands in each row is noted, not the name of its input: `list`, `./list` and `-` are one list."""
    return lambda item: digest.update(f"{text_of(item)}\n".encode("utf-8", "surrogatepass"))


def _carried(rows: Rows, told: Callable[[int], None]) -> Iterator[tuple[Row, bytes]]:
    then = time.monotonic()
    rows.start()
    try:
        for count in itertools.count():
            row = rows.numbered()
            while isinstance(row, Wait):
                time.sleep(row.seconds)
                told(count)
                row = rows.numbered()
            if row is None:
                break
            yield row, line(row)
            if not count % 4096 and time.monotonic() - then > 0.2:
                then = time.monotonic()
                told(count)
        if rows.error is not None:
            raise rows.error
    finally:
        rows.close()


def _sort(
    rows: Iterator[tuple[Row, bytes]],
    folder: Path,
    note: Callable[[Any], object],
    part: int,
    level: int = 0,
    count: int = BUCKETS,
) -> Iterator[Bucket]:
    """Buckets that no host is in two of; none with more than two parts' rows, but of one host alone."""
    folder.mkdir(parents=True)
    hosts = Hosts(count, level)
    buckets = [Bucket(folder / f"{number:05}") for number in range(count)]
    held = 0
    for row, data in rows:
        host, number = hosts.of(row.item)
        buckets[number].add(host, data)
        note(row.item)
        held += len(data) + 33  # of an object of bytes
        if held > HELD:
            held = 0
            for bucket in buckets:
                bucket.flush()
    for bucket in buckets:
        bucket.flush()
    for bucket in buckets:
        if bucket.rows > 2 * part and bucket.mixed and level < DEEPEST:
            below = bucket.path.with_suffix(f".{level}")
            yield from _sort(_again(bucket.path), below, type, part, level + 1, -(-bucket.rows // part) + 1)
        elif bucket.rows:
            yield bucket


def _again(path: Path) -> Iterator[tuple[Row, bytes]]:
    with path.open("rb") as lines:
        for data in lines:
            source, item = piece(data)
            yield Row(item.row, source, item.item), data
    path.unlink()


def _joined(buckets: Iterable[Bucket], part: int) -> Iterator[Spooled]:
    """Small neighbours as one part; their files are used up."""
    some: list[Bucket] = []
    rows = size = 0
    for bucket in buckets:
        if bucket.rows >= part:
            yield from _cut(bucket, part)
            continue
        more = bucket.path.stat().st_size
        if some and (rows + bucket.rows > part or size + more > HELD):
            yield _one(some)
            rows = size = 0
        some.append(bucket)
        rows, size = rows + bucket.rows, size + more
    if some:
        yield _one(some)


def _cut(bucket: Bucket, part: int) -> Iterator[Spooled]:
    """A large bucket as one part; that of a host alone as several, if it is so large."""
    if bucket.mixed or bucket.rows <= part:
        yield Spooled(bucket.path, bucket.rows, "" if bucket.mixed else bucket.host)
        return
    count = -(-bucket.rows // part)
    with bucket.path.open("rb") as lines:
        for number in range(count):
            path = bucket.path.with_suffix(f".{number}")
            some = list(itertools.islice(lines, -(-bucket.rows // count)))
            with open(path, "wb", opener=_private) as file:
                file.write(b"".join(some))
            yield Spooled(path, len(some), bucket.host)
    bucket.path.unlink()


def _one(some: list[Bucket]) -> Spooled:
    """These as one part, in the order of the list: which may mix its hosts, and so be polite to each."""
    lines = list[bytes]()
    for bucket in some:
        with bucket.path.open("rb") as file:
            lines += file
        bucket.path.unlink()
    lines.sort(key=lambda data: int(data[1 : data.index(b",")]))
    path = some[0].path
    with open(path, "wb", opener=_private) as file:
        file.write(b"".join(lines))
    some.clear()
    return Spooled(path, len(lines))
