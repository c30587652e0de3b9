"""One SQLite file of ours: opened alone, checked, and what SQLite says told as our faults."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fetcher.errors import LocalFault, UsageError

CACHE: Final = -32_000  # KiB of pages that SQLite keeps in memory


def connect(path: str, tables: str, mark: int, form: int) -> tuple[sqlite3.Connection, bool]:
    """The file, its tables and an open transaction; and whether it is new. No name: a temporary one.

    `mark` is the application's id, `form` that of the tables. Raises UsageError for a file that is not ours,
    or is in use; LocalFault where the disk fails.
    """
    with told(path):
        # The caller's thread opens and closes it, the loop's uses it: never two at a time.
        base = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
        try:
            return base, _prepare(base, path, tables, mark, form)
        except BaseException:
            base.close()
            raise


def _prepare(base: sqlite3.Connection, path: str, tables: str, mark: int, form: int) -> bool:
    run = base.execute
    run(f"PRAGMA cache_size = {CACHE}")
    held = run("SELECT count(*) FROM sqlite_master").fetchone()[0]
    found = run("PRAGMA application_id").fetchone()[0], run("PRAGMA user_version").fetchone()[0]
    if held and found[0] != mark:
        raise UsageError(f"{path} is no crawl of fetch: name another file")
    if held and found[1] != form:
        raise UsageError(f"{path} was written by another version of fetch: begin a new file")
    if path:
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")  # safe against kill -9; a power cut may cost the last second
    else:
        run("PRAGMA journal_mode = OFF")
        run("PRAGMA synchronous = OFF")
    run("BEGIN IMMEDIATE")  # takes the lock, and keeps it
    if not held:
        run(f"PRAGMA application_id = {mark}")
        run(f"PRAGMA user_version = {form}")
        for table in tables.split(";\n"):
            run(table)
    return not held


@contextmanager
def told(path: str) -> Iterator[None]:
    """What SQLite says in here, as UsageError or LocalFault."""
    where = path or "the temporary file of the crawl"
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            why = "is in use by another run: wait for it, or name another file"
        elif "unable to open" in str(error):
            why = "cannot be opened: name a file in a directory that can be written to"
        elif "readonly" in str(error):
            why = "cannot be written to: name a file that can"
        else:
            cure = "free space there and run again: what is recorded stays"
            raise LocalFault(f"{where}: {error}: {cure}") from error
        raise UsageError(f"{where} {why}") from error
    except sqlite3.DatabaseError as error:
        raise UsageError(f"{where} is no crawl of fetch ({error}): name another file") from error
