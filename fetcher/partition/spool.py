"""A list sorted by host into parts, in one pass and bounded memory: as a hash join that does not fit does.

Rows go to one of some thousand buckets by their host. A bucket with too many rows is sorted once more by
another hash; one that is of a single host becomes parts of their own, to be fetched in turn. Small neighbours
become one part, in the order of the list.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from fetcher.errors import LocalFault
from fetcher.feeds import Wait
from fetcher.feeds.rows import Row, Rows, text_of
from fetcher.partition.buckets import Bucket, Spooled, written
from fetcher.partition.carried import line, piece
from fetcher.partition.hosts import Hosts

BUCKETS: Final = 1024
PART: Final = 25_000  # rows of a part at the most, if its hosts allow
LEAST: Final = 5000  # and at the least, if the list is so long
EACH: Final = 4  # parts that each worker should have: the last ones to end are waited for
HELD: Final = 32 << 20  # bytes in memory, before they are written
DEEPEST: Final = 8  # times that a bucket is sorted anew


def spool(
    rows: Rows, folder: Path, workers: int, told: Callable[[int], None], part: int = 0
) -> tuple[list[Spooled], str]:
    """Sort all rows of a list; the parts, and a digest of the whole list.

    `told` hears how many rows have come, every now and then, and may raise. Raises what the list raises, too,
    and LocalFault.
    """
    digest, part = _Digest(), part or PART
    try:
        buckets = list(_sort(_carried(rows, told), folder, digest.add, part, told))
        count = sum(bucket.rows for bucket in buckets)
        each = min(part, max(count // (EACH * workers), LEAST))
        parts = []
        for one in _joined(buckets, each, part):
            told(count)
            parts.append(one)
    except OSError as error:
        raise LocalFault(f"{folder}: {error.strerror}: free space there, and run again") from error
    return parts, digest.hex()


def digest_of(rows: Rows, told: Callable[[int], None]) -> str:
    """The digest of a list, as `spool` gives it. Raises what the list raises."""
    digest = _Digest()
    for row, _ in _carried(rows, told):
        digest.add(row.item)
    return digest.hex()


class _Digest:
    """Of what stands in each row, not of the name of its input: `list`, `./list` and `-` are one list."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)
        self._texts: list[str] = []

    def add(self, item: Any) -> None:
        """One more."""
        self._texts.append(text_of(item))
        if len(self._texts) == 1024:
            self._take()

    def hex(self) -> str:
        """So far."""
        self._take()
        return self._hash.hexdigest()

    def _take(self) -> None:
        self._texts.append("")
        self._hash.update("\n".join(self._texts).encode("utf-8", "surrogatepass"))
        self._texts.clear()


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
    told: Callable[[int], None],
    level: int = 0,
    count: int = BUCKETS,
) -> Iterator[Bucket]:
    """Buckets that no host is in two of; none with more than two parts' rows, but of one host alone."""
    folder.mkdir(parents=True)
    hosts = Hosts(count, level)
    buckets = [Bucket(folder / f"{number:05}") for number in range(count)]
    held, large = 0, False
    for row, data in rows:
        host, number = hosts.of(row.item)
        bucket = buckets[number]
        bucket.lines.append(data)
        if not bucket.mixed:
            bucket.note(host)
        note(row.item)
        held += len(data) + 33  # of an object of bytes
        if held > HELD:
            held, large = 0, True
            for bucket in buckets:
                bucket.flush()
    if large or level:  # else all of a short list is in memory, and stays there
        for bucket in buckets:
            bucket.flush()
    for bucket in buckets:
        if bucket.rows > 2 * part and bucket.mixed and level < DEEPEST:
            below = bucket.path.with_suffix(f".{level}")
            again = -(-bucket.rows // part) + 1
            yield from _sort(_again(bucket, told), below, type, part, told, level + 1, again)
        elif bucket.rows:
            yield bucket


def _again(bucket: Bucket, told: Callable[[int], None]) -> Iterator[tuple[Row, bytes]]:
    count = bucket.rows
    for number, data in enumerate(bucket.taken()):
        if not number % 65536:
            told(count)
        source, item = piece(data)
        yield Row(item.row, source, item.item), data


def _joined(buckets: Iterable[Bucket], part: int, most: int) -> Iterator[Spooled]:
    """Small neighbours as one part; their files are used up. One host has more than one part above `most`."""
    some: list[Bucket] = []
    rows = size = 0
    for bucket in buckets:
        if bucket.rows >= part:
            yield from _cut(bucket, most)
            continue
        if some and (rows + bucket.rows > part or size + bucket.size > HELD):
            yield _one(some)
            rows = size = 0
        some.append(bucket)
        rows, size = rows + bucket.rows, size + bucket.size
    if some:
        yield _one(some)


def _cut(bucket: Bucket, part: int) -> Iterator[Spooled]:
    """A large bucket as one part; that of a host alone as several, if it is so large."""
    if bucket.mixed or bucket.rows <= part:
        bucket.flush()
        yield Spooled(bucket.path, bucket.rows, "" if bucket.mixed else bucket.host or "")
        return
    each = -(-bucket.rows // -(-bucket.rows // part))
    lines = bucket.taken()
    for number in itertools.count():
        some = list(itertools.islice(lines, each))
        if not some:
            return
        yield written(bucket.path.with_suffix(f".{number}"), some, bucket.host or "")


def _one(some: list[Bucket]) -> Spooled:
    """These as one part, in the order of the list: which may mix its hosts, and so be polite to each."""
    lines = [data for bucket in some for data in bucket.taken()]
    lines.sort()  # see `carried.line`
    path = some[0].path
    some.clear()
    return written(path, lines)
