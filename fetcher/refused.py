"""URLs that a crawl found and did not ask, each counted once under its reason."""

from __future__ import annotations

import sqlite3
from typing import Final

EXAMPLES: Final = 5  # URLs kept for each reason


class Refused:
    """The tables `refused` and `examples` of a `site`."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base
        self._counts: dict[str, int] = dict(
            base.execute("SELECT reason, count(*) FROM refused GROUP BY reason")
        )

    def add(self, key: int, url: str, reason: str, via: int | None) -> None:
        """Count a URL that will not be asked."""
        cursor = self._base.execute("INSERT OR IGNORE INTO refused(key, reason) VALUES(?, ?)", (key, reason))
        if cursor.rowcount:
            self._counts[reason] = seen = self._counts.get(reason, 0) + 1
            if seen <= EXAMPLES:
                self._base.execute("INSERT INTO examples VALUES(?, ?, ?, ?)", (reason, key, url, via))

    def withdraw(self, key: int) -> None:
        """It is asked after all: another page links to it in another way."""
        if not self._counts:
            return
        gone = self._base.execute("DELETE FROM refused WHERE key = ? RETURNING reason", (key,)).fetchone()
        if gone is not None:
            self._counts[gone[0]] -= 1
            self._base.execute("DELETE FROM examples WHERE key = ?", (key,))

    def counts(self) -> dict[str, int]:
        """How many, by reason; `max-pages` are those that another run may go on with."""
        found = {reason: number for reason, number in self._counts.items() if number}
        if capped := self._base.execute("SELECT count(*) FROM urls WHERE state = 3").fetchone()[0]:
            found["max-pages"] = capped
        return found

    def examples(self) -> dict[str, list[str]]:
        """Some of them, by reason."""
        found: dict[str, list[str]] = {}
        for reason, url in self._base.execute("SELECT reason, url FROM examples"):
            found.setdefault(reason, []).append(url)
        capped = self._base.execute("SELECT url FROM urls WHERE state = 3 ORDER BY id LIMIT ?", (EXAMPLES,))
        if urls := [row[0] for row in capped]:
            found["max-pages"] = urls
        return found
