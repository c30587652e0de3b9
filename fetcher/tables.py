"""What a table of records consists of: a file or the parts of a directory, here or behind a URL of fsspec."""

from __future__ import annotations

import errno
import json
import os
import stat
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, cast

from fetcher.errors import UsageError, first_line
from fetcher.logins import mask
from fetcher.menu import cure

FORMS: Final = (".jsonl", ".csv", ".parquet")  # each also .gz
MANIFEST: Final = "_manifest"  # of a directory of parts (`partition`)


class Parts(NamedTuple):
    """The files of a directory of parts, in order, and the numbers of those that are not finished."""

    paths: list[str]
    missing: list[int]

    @staticmethod
    def number(path: str) -> int:
        """Of a part, from the path of its file."""
        return int(path.rpartition("part-")[2].partition(".")[0])


def part(number: int, suffix: str) -> str:
    """The name of a finished part."""
    return f"part-{number:05}{suffix}"


def is_url(path: str) -> bool:
    """Whether fsspec is to be asked for it."""
    return "://" in path


def parts(path: str) -> Parts | None:
    """What a directory that `-o DIR/` has made consists of; None for what is none. Raises UsageError."""
    where = path.rstrip("/")
    if not is_url(path) and not Path(path).is_dir():
        return None
    try:
        with opened(f"{where}/{MANIFEST}") as stream:
            found = json.loads(stream.read())
        suffix, count = found["suffix"], len(found["rows"])
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{where}/{MANIFEST} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, LookupError) as error:
        raise UsageError(f"{where}/{MANIFEST} is none of fetch: give what -o has written") from error
    there = _names(where)
    named = [(number, part(number, suffix)) for number in range(count)]
    return Parts(
        [f"{where}/{name}" for _, name in named if name in there],
        [number for number, name in named if name not in there],
    )


def kind(path: str) -> tuple[str, bool]:
    """Which of FORMS a file is of, and whether gzipped. Raises UsageError for none."""
    packed = path.lower().endswith(".gz")
    suffix = Path(path[:-3] if packed else path).suffix.lower()
    try:
        mode = 0 if is_url(path) else Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path!r} cannot be read: {why}: give what `-o FILE` has written") from error
    if stat.S_ISDIR(mode):
        raise UsageError(f"{path} has no {MANIFEST}: give a directory that `-o DIR/` has made, or a file")
    if suffix in FORMS:
        return suffix, packed
    if stat.S_ISREG(mode) or is_url(path):
        raise UsageError(f"{path} is no file of records: give one of {', '.join(FORMS)}, each also .gz")
    return ".jsonl", packed  # a pipe, <(a command): no suffix to go by


def opened(path: str) -> AbstractContextManager[BinaryIO]:
    """A file to read. Raises OSError; UsageError for a URL that nothing here can read."""
    if not is_url(path):
        return Path(path).open("rb")
    system, name = file_system(path)
    try:
        return cast("AbstractContextManager[BinaryIO]", system.open(name, "rb"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
    except Exception as error:
        raise OSError(errno.EIO, first_line(error)) from error


def file_system(url: str) -> tuple[Any, str]:
    """The file system of fsspec that a URL is of, and its path there. Raises UsageError."""
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise UsageError(f"{mask(url)} {cure('fsspec')}") from error
    try:
        system, path = fsspec.url_to_fs(url)
    except Exception as error:  # its words: "Install s3fs to access S3"
        why = type(error).__name__ if "@" in url else first_line(error)  # which may have a piece of the login
        raise UsageError(f"{mask(url)} cannot be used: {why}") from error
    return system, path


def _names(where: str) -> set[str]:
    if not is_url(where):
        return {one.name for one in Path(where).iterdir()}
    system, path = file_system(where)
    try:
        system.invalidate_cache()
        found = system.ls(path, detail=False)
    except Exception as error:
        raise UsageError(f"{mask(where)} cannot be read: {first_line(error)}") from error
    return {name.rstrip("/").rpartition("/")[2] for name in found}
