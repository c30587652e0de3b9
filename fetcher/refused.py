"""URLs that a crawl found and did not ask, each counted once under its reason."""

from __future__ import annotations

import sqlite3
from typing import Final

EXAMPLES: Final = 5  # URLs shown for each reason
# Why a URL was found and not asked. The list is closed: whoever speaks of a reason takes it from here.
REASONS: Final = {
    "scope": "outside of the scope",
    "scheme": "not http: mailto:, javascript: ...",
    "invalid": "no URLs",
    "excluded": "kept out by a pattern",
    "robots": "forbidden by robots.txt",
    "nofollow": "on pages that ask not to be followed",
    "depth": "deeper than asked for",
    "max-pages": "beyond the most pages that were allowed",
    "assets": "images, scripts, style sheets ...",
    "form": "where forms send to",
    "sitemaps": "sitemaps beyond 10,000",
    "cut": "pages or sitemaps with more URLs than are read",
    "trap-repeat": "a trap: the same directories again and again",
    "trap-chain": "a trap: endless pages of one form that lead to each other",
    "trap-alike": "a trap: endless URLs that differ in their queries only",
    "trap-needs": "a trap: files that need files that need files ...",
    "trap-same": "a trap: on pages that say the same as ten others",
    "trap-long": "a trap: URLs of over 2,083 characters or 20 directories",
}


class Refused:
    """The table `refused` of a `site`."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base
        rows = base.execute("SELECT reason, count(*) FROM refused GROUP BY reason")
        self._counts: dict[str, int] = dict(rows)

    def add(self, key: int, url: str, reason: str, via: int | None) -> None:
        """Count a URL that will not be asked."""
        cursor = self._base.execute(
            "INSERT OR IGNORE INTO refused(key, reason, url, via) VALUES(?, ?, ?, ?)", (key, reason, url, via)
        )
        if cursor.rowcount:
            self._counts[reason] = self._counts.get(reason, 0) + 1

    def withdraw(self, key: int) -> None:
        """It is asked after all: another page links to it in another way."""
        if self._counts:
            gone = self._base.execute("DELETE FROM refused WHERE key = ? RETURNING reason", (key,)).fetchone()
            if gone is not None:
                self._counts[gone[0]] -= 1

    def of(self, reason: str) -> list[tuple[str, int | None, int]]:
        """(URL, row of the page that links there, its depth) of all of them."""
        return self._base.execute(
            "SELECT r.url, r.via, coalesce(u.depth, 0) FROM refused r LEFT JOIN urls u ON u.id = r.via"
            " WHERE r.reason = ?",
            (reason,),
        ).fetchall()

    def counts(self) -> dict[str, int]:
        """How many, by reason; `max-pages` are those that another run may go on with."""
        found = {reason: number for reason, number in self._counts.items() if number}
        if capped := self._base.execute("SELECT count(*) FROM urls WHERE state = 3").fetchone()[0]:
            found["max-pages"] = capped
        return found

    def examples(self) -> dict[str, list[str]]:
        """Some of them, by reason."""
        found = {}
        for reason in self.counts():
            where = (
                "urls WHERE state = 3 ORDER BY id" if reason == "max-pages" else "refused WHERE reason = ?"
            )
            asked = self._base.execute(
                f"SELECT url FROM {where} LIMIT {EXAMPLES}",  # noqa: S608 - our own words
                () if reason == "max-pages" else (reason,),
            )
            found[reason] = [row[0] for row in asked]
        return found
