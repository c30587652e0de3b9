"""A directory of parts, made ready: its list is sorted, or held against what is there."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from fetcher.errors import UsageError
from fetcher.feeds.rows import Rows
from fetcher.partition import SCRATCH, parts
from fetcher.partition.parted import Parted
from fetcher.partition.parts import Manifest
from fetcher.partition.spool import digest_of, spool
from fetcher.partition.store import Store


def begin(
    store: Store,
    rows: Rows,
    manifest: Manifest,
    old: Manifest | None,
    workers: int,
    told: Callable[[int], None],
) -> Parted:
    """Sort the list into parts, or hold it against those that are there. Raises UsageError, LocalFault."""
    if old is None:
        store.remove(SCRATCH)
        scratch = store.scratch()
        try:
            made, manifest.digest = spool(rows, scratch / "list", workers, told)
            manifest.workers = workers
            manifest.skipped = dict(rows.skipped)
            parts.cleared(store)  # not before the whole list is there
            parts.begun(store, manifest, made, told)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        return Parted(store, manifest)
    if (old.suffix, old.columns) != (manifest.suffix, manifest.columns):
        differ = sorted(set(old.columns) ^ set(manifest.columns)) or [old.suffix]
        raise UsageError(
            f"{store.url} has other columns than this run ({', '.join(differ)}): "
            "resume with the same --hash and --headers"
        )
    done = parts.finished(store, old)
    suspect = frozenset(map(int, (parts.progress(store) or {}).get("failed", ())))
    found = Parted(store, old, frozenset(done), done, suspect)
    gone = parts.unspooled(store, found.left)
    digest = _sorted_again(store, rows, old, gone, told) if gone else digest_of(rows, told)
    if digest != old.digest:
        raise UsageError(
            f"{store.url} is of another list: resume with the same list, --unique, --column and --field, "
            "or choose another directory"
        )
    store.remove(SCRATCH)
    return found


def _sorted_again(
    store: Store, rows: Rows, old: Manifest, gone: list[int], told: Callable[[int], None]
) -> str:
    """Sort the list once more for the rows of parts that were finished and have gone; its digest."""
    scratch = store.scratch()
    try:
        made, digest = spool(rows, scratch / "list", old.workers, told)
        if digest == old.digest:
            if [one.rows for one in made] != old.rows:
                raise UsageError(f"{store.url}/part-{gone[0]:05} was there and is missing: {parts.ANEW}")
            for number in gone:
                store.put(made[number].path, parts.spooled(number))
        return digest
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
