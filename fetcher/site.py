"""A crawl on disk: every URL that was found, who led there, and what became of it.

One SQLite file holds the whole frontier, so ten million URLs do not live in memory; without a name it is a
temporary one that goes with the process. With a name (`--state FILE`) each turn of the loop is committed
(WAL): after kill -9 what is recorded is never asked again, and what was in flight is.

A URL is known by 64 bits of the BLAKE2 hash of its canonical key: among ten million, two are taken for one
with a chance of 3 in a million.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from fetcher import database
from fetcher.errors import UsageError
from fetcher.model import Result
from fetcher.pages import Pages
from fetcher.refused import Refused

MARK: Final = 0x66746368  # PRAGMA application_id of our files: "ftch"
FORM: Final = 2  # of the tables below
WAITING, TAKEN, DONE, CAPPED = range(4)
MISSING: Final = object()
ANY: Final = 1 << 60  # deeper than anything
ANCESTORS: Final = 1000  # pages on the way back to the start that are looked at
# What another run asks again: what was on its way or beyond --max-pages, and what only waited for a host.
AGAIN: Final = """UPDATE urls SET state = 0, record = NULL WHERE state IN (1, 3) OR (state = 2 AND (
  record LIKE '%"error":"host_backoff"%' OR record LIKE '%its robots.txt could not be had%'))"""
TABLES: Final = """
CREATE TABLE run(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE urls(id INTEGER PRIMARY KEY, key INTEGER UNIQUE, url TEXT, kind TEXT, depth INTEGER,
  hops INTEGER, via INTEGER, state INTEGER DEFAULT 0, record TEXT);
CREATE INDEX waiting ON urls(depth, id) WHERE state = 0;
CREATE TABLE refused(key INTEGER PRIMARY KEY, reason TEXT, url TEXT, via INTEGER);
CREATE INDEX reasons ON refused(reason);
CREATE TABLE links(target INTEGER, source INTEGER, kind TEXT, fragment TEXT,
  PRIMARY KEY(target, source, kind, fragment)) WITHOUT ROWID;
CREATE TABLE anchors(source INTEGER, name TEXT, PRIMARY KEY(source, name)) WITHOUT ROWID;
CREATE TABLE facts(id INTEGER PRIMARY KEY, title TEXT, gzip INTEGER, cached INTEGER, listed INTEGER);
"""


class Found(NamedTuple):
    """One URL of a crawl that waits to be asked."""

    id: int  # from 1, in the order of discovery: the record's row
    url: str
    kind: str  # "page", "asset", "external" or "sitemap"
    depth: int
    hops: int  # redirects that led here in a row
    referrer: str | None  # the URL of the page that linked here first


class Site:
    """The tables behind a crawl. LocalFault where the disk fails, UsageError for a file that is not ours."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self._base, self.is_new = database.connect(path, TABLES, MARK, FORM)
        with self.told():
            if not self.is_new:
                self._base.execute(AGAIN)
            self.known = self.count()  # URLs that have been asked or will be
            self.refused = Refused(self._base)
        self.pages = Pages(self._base)

    # What the crawl tells.

    def add(self, key: int, url: str, kind: str, depth: int, hops: int, via: int | None) -> bool:
        """Whether this URL is new; it waits from now on."""
        cursor = self._base.execute(
            "INSERT OR IGNORE INTO urls(key, url, kind, depth, hops, via) VALUES(?, ?, ?, ?, ?, ?)",
            (key, url, kind, depth, hops, via),
        )
        if not cursor.rowcount:
            if kind != "external":  # it was taken for a link that leaves the site, and is needed by a page
                self._base.execute(
                    "UPDATE urls SET kind = ? WHERE key = ? AND kind = 'external' AND state = 0", (kind, key)
                )
            return False
        self.known += 1
        self.refused.withdraw(key)
        return True

    def become(self, row: int, kind: str) -> None:
        """A URL that waits is of another kind than was thought."""
        self._base.execute("UPDATE urls SET kind = ? WHERE id = ?", (kind, row))

    def nearer(self, key: int, depth: int) -> None:
        """A URL that waits was found on a shorter way."""
        self._base.execute("UPDATE urls SET depth = min(depth, ?) WHERE key = ? AND state = 0", (depth, key))

    def knows(self, key: int) -> bool:
        """Whether this URL waits, is on its way, or has its record."""
        return self._base.execute("SELECT 1 FROM urls WHERE key = ?", (key,)).fetchone() is not None

    def finish(self, row: int, record: dict[str, Any] | None) -> None:
        """This URL has been answered."""
        text = None if record is None else json.dumps(record, ensure_ascii=True, separators=(",", ":"))
        self._base.execute("UPDATE urls SET state = 2, record = ? WHERE id = ?", (text, row))

    def cap(self, row: int) -> None:
        """This URL is beyond --max-pages: another run may go on with it."""
        self._base.execute("UPDATE urls SET state = 3 WHERE id = ?", (row,))

    # What the crawl asks.

    def take(self, most: int, level: bool = False) -> list[Found]:
        """So many of those that wait, breadth first, of one `level` only; they are taken from now on."""
        deepest = self.first_depth() if level else None
        rows = self._base.execute(
            "SELECT u.id, u.url, u.kind, u.depth, u.hops, v.url FROM urls u LEFT JOIN urls v ON v.id = u.via"
            " WHERE u.state = 0 AND u.depth <= ? ORDER BY u.depth, u.id LIMIT ?",
            (ANY if deepest is None else deepest, most),
        ).fetchall()
        self._base.executemany("UPDATE urls SET state = 1 WHERE id = ?", [(row[0],) for row in rows])
        return [Found(*row) for row in rows]

    def first_depth(self) -> int | None:
        """The smallest depth among those that wait."""
        found = self._base.execute("SELECT min(depth) FROM urls WHERE state = 0").fetchone()[0]
        return None if found is None else int(found)

    def ancestors(self, row: int) -> list[str]:
        """The URL, the page that led there first, and so on back to the start."""
        rows = self._base.execute(
            "WITH RECURSIVE up(id, url, via) AS (SELECT id, url, via FROM urls WHERE id = ?"
            " UNION ALL SELECT u.id, u.url, u.via FROM urls u JOIN up ON u.id = up.via LIMIT ?)"
            " SELECT url FROM up",
            (row, ANCESTORS),
        )
        return [row[0] for row in rows]

    def count(self, *states: int) -> int:
        """How many URLs are in one of these states; in any, if none is named."""
        where = f" WHERE state IN ({', '.join(map(str, states))})" if states else ""
        return int(self._base.execute(f"SELECT count(*) FROM urls{where}").fetchone()[0])  # noqa: S608

    def count_pages(self) -> int:
        """How many pages have been answered."""
        return int(next(self.query("SELECT count(*) FROM urls WHERE state = 2 AND kind = 'page'"))[0])

    def kind(self, row: int) -> str:
        """What kind of URL this is."""
        return str(self._base.execute("SELECT kind FROM urls WHERE id = ?", (row,)).fetchone()[0])

    def records(self) -> Iterator[dict[str, Any]]:
        """The records of an earlier run, in the order of discovery."""
        for (text,) in self._base.execute("SELECT record FROM urls WHERE record IS NOT NULL ORDER BY id"):
            yield json.loads(text)

    def results(self) -> Iterator[Result]:
        """The same as results."""
        for record in self.records():
            del record["ok"]
            yield Result(**record)

    def query(self, sql: str, *values: Any) -> Iterator[Any]:
        """Rows of a question that only reads."""
        return self._base.execute(sql, values)

    # What keeps it safe.

    def belongs(self, facts: dict[str, Any]) -> None:
        """Write down what this crawl is of. Raises UsageError where the file holds another one."""
        for name, value in facts.items():
            before = self.value(name, MISSING)
            if before is MISSING and self.is_new:
                self.keep(name, value)
            elif before != value:
                raise UsageError(
                    f"{self.path} holds a crawl with {name} {json.dumps(before)}, not {json.dumps(value)}: "
                    "give what it began with, or name a new file"
                )

    def value(self, name: str, otherwise: Any = None) -> Any:
        """What was kept under this name, or otherwise if nothing was."""
        found = self._base.execute("SELECT value FROM run WHERE name = ?", (name,)).fetchone()
        return otherwise if found is None else json.loads(found[0])

    def keep(self, name: str, value: Any) -> None:
        """Keep something of the crawl as a whole."""
        self._base.execute("INSERT OR REPLACE INTO run VALUES(?, ?)", (name, json.dumps(value)))

    def commit(self) -> None:
        """Make what was told so far safe against kill -9; nothing to do for a temporary file."""
        if self.path:
            with self.told():
                if self._base.in_transaction:  # not after a fault, which was told
                    self._base.execute("COMMIT")
                self._base.execute("BEGIN IMMEDIATE")

    def close(self) -> None:
        """Commit, and let go of the file."""
        with self.told(), suppress(sqlite3.ProgrammingError):  # it was closed before
            if self._base.in_transaction:
                self._base.execute("COMMIT")
            self._base.close()

    def abandon(self) -> None:
        """Forget what was told since the last commit."""
        with suppress(sqlite3.Error):
            self._base.execute("ROLLBACK")

    def told(self) -> AbstractContextManager[None]:
        """What SQLite says in here, as our faults."""
        return database.told(self.path)


def hashed(key: str) -> int:
    """64 bits that stand for a canonical key."""
    mark = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(mark, "big", signed=True)
