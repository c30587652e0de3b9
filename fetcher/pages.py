"""What the pages of a crawl say of themselves, and who links where: what an audit asks its site."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable


class Pages:
    """The tables `links`, `anchors` and `facts` of a `site`."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base

    def link(self, source: int, edges: Iterable[tuple[int, str, str]]) -> None:
        """Note that this page links to each (key, kind, fragment)."""
        self._base.executemany(
            "INSERT OR IGNORE INTO links VALUES(?, ?, ?, ?)",
            [(key, source, kind, fragment) for key, kind, fragment in edges],
        )

    def describe(self, row: int, anchors: Iterable[str], title: str) -> None:
        """Keep what a page says of itself."""
        self._base.execute(
            "INSERT INTO facts(id, title) VALUES(?, ?) ON CONFLICT(id) DO UPDATE SET title = excluded.title",
            (row, title),
        )
        self._base.executemany(
            "INSERT OR IGNORE INTO anchors VALUES(?, ?)", [(row, name) for name in anchors]
        )

    def weigh(self, row: int, gzip: int | None, cached: bool) -> None:
        """Keep what gzip would make of a body, and whether it may be cached."""
        self._base.execute(
            "INSERT INTO facts(id, gzip, cached) VALUES(?, ?, ?)"
            " ON CONFLICT(id) DO UPDATE SET gzip = excluded.gzip, cached = excluded.cached",
            (row, gzip, cached),
        )

    def listed(self, row: int, number: int) -> None:
        """Keep how many URLs a sitemap lists."""
        self._base.execute("INSERT OR REPLACE INTO facts(id, listed) VALUES(?, ?)", (row, number))
