"""A directory of parts, here or behind a URL of fsspec; each of its files appears at once and whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol

from fetcher.errors import LocalFault, UsageError
from fetcher.outputs import lock
from fetcher.partition import SCRATCH
from fetcher.tables import file_system, is_url

LOCK: Final = "_lock"  # of the run that is under way
FILE: Final = "file://"


class Store(Protocol):
    """Names are relative, with `/`. Whatever fails raises LocalFault."""

    where: str  # as `at` takes it
    url: str  # the same for people, a login in it masked

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if there is none."""

    def write(self, name: str, data: bytes) -> None:
        """Make or replace a file."""

    def has(self, name: str) -> bool:
        """Whether the file is there."""

    def names(self, folder: str = "") -> set[str]:
        """What lies there."""

    def put(self, path: Path, name: str, check: Callable[[], object] = bool) -> None:
        """Move a local file to there; it must be closed. `check` is called last before it appears."""

    def local(self, name: str) -> Any:
        """A context manager of a local path with this file's content."""

    def scratch(self) -> Path:
        """An empty local directory for what will be `put` there."""

    def remove(self, name: str) -> None:
        """Remove a file or a folder, if there is one."""


def at(where: str) -> Store:
    """The directory of this name: a path, or a URL of fsspec. Raises UsageError for an unknown one."""
    if not is_url(where) or where.startswith(FILE):
        return Local(where.removeprefix(FILE))
    from fetcher.partition.remote import Remote

    return Remote(where, *file_system(where))


@contextmanager
def taken(store: Store) -> Iterator[None]:
    """One run per directory of this machine: its lock is held meanwhile. Raises UsageError."""
    if not isinstance(store, Local):
        yield
        return
    path = Path(store.where) / LOCK
    new = not path.parent.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
    except OSError as error:
        raise UsageError(
            f"{store.url} cannot be written: {error.strerror}: choose another directory"
        ) from error
    try:
        lock(fd, store.url)
        if not path.exists() or not os.path.samestat(os.fstat(fd), path.stat()):
            raise UsageError(f"{store.url} was left by another run just now: run again")
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()  # while it is held: who opens it later makes a new one
                if new:
                    path.parent.rmdir()  # if nothing came of it
    finally:
        os.close(fd)


class Local:
    """A directory of this machine, or one that several machines share."""

    def __init__(self, where: str) -> None:
        self.url = self.where = str(Path(where).absolute())
        self._root = Path(self.url)

    def read(self, name: str) -> bytes | None:
        """The content of a file."""
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _fault(self._root / name, error) from error

    def write(self, name: str, data: bytes) -> None:
        """Make or replace a file."""
        path = self.scratch() / "file"
        try:
            path.write_bytes(data)
            self.put(path, name)
        except OSError as error:
            raise _fault(path, error) from error
        finally:
            shutil.rmtree(path.parent, ignore_errors=True)

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return (self._root / name).exists()

    def names(self, folder: str = "") -> set[str]:
        """What lies there."""
        try:
            return set(os.listdir(self._root / folder))  # noqa: PTH208 - names
        except (FileNotFoundError, NotADirectoryError):
            return set()
        except OSError as error:
            raise _fault(self._root / folder, error) from error

    def put(self, path: Path, name: str, check: Callable[[], object] = bool) -> None:
        """Move a local file to there."""
        target = self._root / name
        try:
            with path.open("rb+") as file:
                os.fsync(file.fileno())  # a name that a power cut leaves must not be that of an empty file
            target.parent.mkdir(parents=True, exist_ok=True)
            check()
            path.replace(target)
        except OSError as error:
            raise _fault(target, error) from error

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A local path with its content."""
        yield self._root / name

    def scratch(self) -> Path:
        """An empty local directory."""
        try:
            where = self._root / SCRATCH
            where.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(dir=where))
        except OSError as error:
            raise _fault(self._root, error) from error

    def remove(self, name: str) -> None:
        """Remove a file or a folder."""
        path = self._root / name
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _fault(path: Path, error: OSError) -> LocalFault:
    return LocalFault(f"{path}: {error.strerror}: free space or rights there, and run again with --resume")
