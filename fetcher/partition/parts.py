"""A directory of parts: what it is of, which parts are finished, and what each came to."""

from __future__ import annotations

import json
import platform
import re
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from fetcher.errors import LocalFault, UsageError
from fetcher.logins import mask
from fetcher.partition import SCRATCH
from fetcher.partition.buckets import Spooled
from fetcher.partition.store import LOCK, Local, Store
from fetcher.tables import MANIFEST as MANIFEST
from fetcher.tables import part as part

PROGRESS: Final = "_progress"
SUCCESS: Final = "_SUCCESS"  # as Hadoop and Spark say that a table is complete
SPOOL: Final = "_spool"
TOLD: Final = "_told"
SUFFIXES: Final = (".parquet", ".jsonl")
FORMAT: Final = 1
NAMES: Final = frozenset((MANIFEST, PROGRESS, SUCCESS, SPOOL, TOLD, SCRATCH, LOCK))
NAME: Final = re.compile(r"part-[0-9]{5,}(\.parquet|\.jsonl)").fullmatch
ANEW: Final = "somebody took it out; --overwrite fetches all parts anew"
AT_ONCE: Final = 32  # files of a store far away


@dataclass(slots=True)
class Manifest:
    """What a directory of parts is of."""

    suffix: str
    columns: list[str]
    digest: str  # of the list
    skipped: dict[str, int]  # its lines that get no record, by reason
    rows: list[int] = field(default_factory=list)  # of each part
    hosts: list[str] = field(default_factory=list)  # of each part the only host, if that fills it
    version: int = FORMAT
    workers: int = 1  # for so many it was sorted
    run: str = field(default_factory=lambda: uuid.uuid4().hex)  # of the parts: another list, another name


def spooled(number: int) -> str:
    """The name of the rows of a part."""
    return f"{SPOOL}/{number:05}.jsonl"


def suffix_of(where: str) -> str:
    """The format of the parts: `out.jsonl/` says so; else it is Parquet. Raises UsageError."""
    name = where.rstrip("/").rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    if not dot or not stem.strip("."):
        return SUFFIXES[0]
    if f".{suffix.lower()}" not in SUFFIXES:
        raise UsageError(
            f"{mask(where)}: parts are Parquet or JSON Lines: name it out/, out.parquet/ or out.jsonl/"
        )
    return f".{suffix.lower()}"


def read(store: Store) -> Manifest | None:
    """The manifest; None where there is none. Raises UsageError for one that is none of ours."""
    data = store.read(MANIFEST)
    if data is None:
        return None
    try:
        found = Manifest(**json.loads(data))
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{store.url} has a {MANIFEST} that is none of fetch: choose another directory"
        ) from error
    if found.version != FORMAT:
        raise UsageError(f"{store.url} was made by another version of fetch: go on with that one")
    return found


def opened(store: Store, *, resume: bool, overwrite: bool) -> Manifest | None:
    """What is there to go on with; None: begin anew (`cleared`). Changes nothing. Raises UsageError."""
    names = store.names()
    manifest = read(store) if MANIFEST in names else None
    if manifest is not None and not (resume or overwrite):
        raise UsageError(
            f"{store.url} holds parts: use --resume to go on with them, --overwrite to replace them, "
            "or choose another directory"
        )
    foreign = sorted(name for name in names if not (_is_ours(name) or name.startswith(".")))
    if foreign:
        raise UsageError(f"{store.url} holds other files ({foreign[0]}): choose another directory")
    if manifest is None and not overwrite and any(map(NAME, names)):
        raise UsageError(
            f"{store.url} holds parts, but no {MANIFEST}, which says of what: "
            "use --overwrite to replace them, or choose another directory"
        )
    return manifest if resume else None


def cleared(store: Store) -> None:
    """Take out what an earlier run has left; nothing that is not ours, by its name."""
    for name in sorted(_ours(store), key=lambda name: name != MANIFEST):  # without it there are no parts
        store.remove(name)
    if left := sorted(_ours(store)):  # it would be taken for one of the new list
        raise LocalFault(f"{store.url}/{left[0]} cannot be removed: remove it, or choose another directory")


def _ours(store: Store) -> set[str]:
    return {name for name in store.names() if _is_ours(name)} - {LOCK, SCRATCH}


def _is_ours(name: str) -> bool:
    return name in NAMES or bool(NAME(name))


def begun(store: Store, manifest: Manifest, made: list[Spooled], told: Callable[[int], None]) -> None:
    """Put the spooled parts into their places; then the manifest, which says that all are there."""
    with _pool(store) as pool:
        puts = [pool.submit(store.put, one.path, spooled(number)) for number, one in enumerate(made)]
        try:
            for number, put in enumerate(puts):
                told(number)
                put.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    manifest.rows += [one.rows for one in made]
    manifest.hosts += [one.host for one in made]
    store.write(MANIFEST, json.dumps(asdict(manifest)).encode())


def bound(store: Store, run: str) -> None:
    """Raise LocalFault where the directory is not to be seen, or is of another list by now."""
    data = store.read(MANIFEST)
    if data is None:
        cure = "-o needs a directory that all workers share, or a URL as s3://bucket/out/"
        raise LocalFault(f"{store.url} is not to be seen on {platform.node()}: {cure}")
    if json.loads(data).get("run") != run:
        raise LocalFault(f"{store.url} was begun anew meanwhile: nothing of this run is kept there")


def finished(store: Store, manifest: Manifest) -> dict[int, dict[str, Any]]:
    """What each finished part came to."""
    names = store.names()
    done = [number for number in range(len(manifest.rows)) if part(number, manifest.suffix) in names]
    with _pool(store) as pool:
        return dict(zip(done, pool.map(partial(told, store), done), strict=True))


def _pool(store: Store) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1 if isinstance(store, Local) else AT_ONCE)


def unspooled(store: Store, left: list[int]) -> list[int]:
    """Parts to be fetched whose rows are not there: they were finished, and somebody took their files out."""
    there = store.names(SPOOL) if left else set()
    return [number for number in left if Path(spooled(number)).name not in there]


def told(store: Store, number: int) -> dict[str, Any]:
    """What a finished part came to."""
    data = store.read(f"{TOLD}/{number:05}")
    if data is None:
        raise LocalFault(f"{store.url}/{TOLD}/{number:05} is missing: {ANEW}")
    record: dict[str, Any] = json.loads(data)
    return record


def progress(store: Store) -> dict[str, Any] | None:
    """What the run that is under way, or was, has last said; None where there is nothing."""
    data = store.read(PROGRESS)
    try:
        found: dict[str, Any] | None = json.loads(data) if data is not None else None
    except ValueError:
        return None
    return found
