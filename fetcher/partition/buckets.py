"""Rows of some hosts, in memory and then in a file that is their owner's alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class Bucket:
    """The rows of some hosts, in the order of the list."""

    path: Path
    written: int = 0  # rows in the file
    size: int = 0  # bytes there
    host: str | None = None  # the only one, if `mixed` is false
    mixed: bool = False
    lines: list[bytes] = field(default_factory=list)  # not in the file yet

    @property
    def rows(self) -> int:
        """How many it has."""
        return self.written + len(self.lines)

    def note(self, host: str) -> None:
        """A row of this host is added to `lines`."""
        if self.host is None:
            self.host = host
        self.mixed = host != self.host

    def flush(self) -> None:
        """Write what is in memory."""
        if self.lines:
            data = b"".join(self.lines)
            with open(self.path, "ab", opener=_private) as file:
                file.write(data)
            self.written, self.size = self.written + len(self.lines), self.size + len(data)
            self.lines.clear()

    def taken(self) -> Iterator[bytes]:
        """Its rows, which are used up."""
        if self.written:
            with self.path.open("rb") as lines:
                yield from lines
            self.path.unlink()
        yield from self.lines
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


def written(path: Path, lines: list[bytes], host: str = "") -> Spooled:
    """A part of these rows."""
    with open(path, "wb", opener=_private) as file:
        file.write(b"".join(lines))
    return Spooled(path, len(lines), host)
