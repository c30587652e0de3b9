"""A word of 8 bytes for every row, by its number."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

GAP: Final = 1 << 20  # rows that may be missing before the next is kept apart


class Rows:
    """8 MB for a million rows; 0 where a row is not there."""

    def __init__(self) -> None:
        self.count = 0
        self._near = array("q", bytes(8 * 1024))
        self._far: dict[int, int] = {}  # so that one record of row 2^59 costs no more than any other

    def get(self, row: int) -> int:
        """The word of this row."""
        return (self._near[row] if row < len(self._near) else 0) or self._far.get(row, 0)

    def add(self, row: int, word: int) -> bool:
        """Whether it was not there before; then it is now."""
        near = self._near
        if row < len(near):
            if near[row] or (self._far and row in self._far):
                return False
            near[row] = word
        elif row > len(near) + GAP:
            if row in self._far:
                return False
            self._far[row] = word
        else:
            near.frombytes(bytes(8 * max(row + 1 - len(near), len(near) // 8)))
            return self.add(row, word)
        self.count += 1
        return True

    def after(self, row: int) -> Iterator[int]:
        """Which rows beyond this one are there, the near ones in order."""
        yield from (at for at in range(row + 1, len(self._near)) if self._near[at])
        yield from (at for at in sorted(self._far) if at > row)
