"""The files of a run, opened before its first request: all or none, none replaced unasked, none shared."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from fetcher.errors import UsageError
from fetcher.outputs._lock import lock
from fetcher.outputs._whole import Whole

TWICE: Final = "is given twice as an output"

Known = dict[tuple[int, int], str]  # (device, inode) -> what that file already is in this run


def open_files(
    paths: Sequence[str], *, overwrite: bool, inputs: Sequence[str] = (), kept: Sequence[Whole] = ()
) -> list[Whole]:
    """Open these files for writing, all or none; none may be one of the inputs (`-` is stdin).

    Nor may one be the file that stdout or stderr goes to: two positions in one file tear each other's lines.
    Nor one that another run is writing to (`lock`), nor one that is open already (`kept`). Nothing is
    truncated before all are open, and on failure only what was created here is removed.
    """
    known = _known(inputs)
    for file in kept:
        known[_identity(os.fstat(file.fileno()))] = TWICE
    files: list[Whole] = []
    made: list[str] = []
    try:
        for path in paths:
            fd, new = _open(path, overwrite, known)
            files.append(Whole(fd, path, owned=True))
            made += [path] if new else []
        for file in files:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                os.ftruncate(file.fileno(), 0)
    except BaseException:
        for file in files:
            file.close()
        for path in made:
            with suppress(OSError):
                os.unlink(path)  # noqa: PTH108
        raise
    return files


def open_kept(path: str, inputs: Sequence[str] = ()) -> tuple[Whole, bool]:
    """A file that is read and written on from its end, new or not, under the same rules; whether it is new.

    Raises UsageError where it is no regular file: only what was kept can be read.
    """
    fd, new = _open(path, True, _known(inputs), os.O_RDWR)
    facts, why = os.fstat(fd), ""
    if not stat.S_ISREG(facts.st_mode):
        why = "is no regular file: name one that can be read again"
    elif not _stands(path, facts):  # `fetch retry` renames: between our `open` and our lock
        why = "was replaced just now: run again"
    if why:
        os.close(fd)
        raise UsageError(f"{path} {why}")
    return Whole(fd, path, owned=True), new


def _stands(path: str, facts: os.stat_result) -> bool:
    with suppress(OSError):
        return os.path.samestat(facts, os.stat(path))  # noqa: PTH116
    return False


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def _known(inputs: Sequence[str]) -> Known:
    """What may be no output: the standard streams' files, and the inputs."""
    found = _standard()
    for given in inputs:
        with suppress(OSError, ValueError):
            found[_identity(os.stat(0 if given == "-" else given))] = "is an input of this run"  # noqa: PTH116
    return found


def _standard() -> Known:
    found: Known = {}
    for fd, name in ((2, "standard error"), (1, "standard output")):
        with suppress(OSError):
            facts = os.fstat(fd)
            if stat.S_ISREG(facts.st_mode):
                found[_identity(facts)] = f"is where {name} goes"
    return found


def _open(path: str, overwrite: bool, known: Known, mode: int = os.O_WRONLY) -> tuple[int, bool]:
    """A descriptor, and whether the file was made by this call."""
    flags = mode | getattr(os, "O_BINARY", 0)
    try:
        new = True
        try:
            fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            new = False
            _check(path, overwrite, known)
            fd = os.open(path, flags)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise UsageError(_why(path, error)) from error
    facts = os.fstat(fd)
    if stat.S_ISREG(facts.st_mode):
        try:
            lock(fd, path)
        except UsageError:  # it stays, even if it is new: the run that was faster has it
            os.close(fd)
            raise
        known[_identity(facts)] = TWICE
    return fd, new


def _check(path: str, overwrite: bool, known: Known) -> None:
    """Whether an existing file may be written to. A device or FIFO may: it has no content to lose."""
    facts = os.stat(path)  # noqa: PTH116
    if not stat.S_ISREG(facts.st_mode):
        return
    if taken := known.get(_identity(facts)):
        raise UsageError(f"{path} {taken}: choose another file")
    if not overwrite:
        raise UsageError(f"{path} exists: use --overwrite to replace it, or choose another file")


def _why(path: str, error: Exception) -> str:
    if isinstance(error, IsADirectoryError):
        return f"{path} is a directory: name a file in it"
    if isinstance(error, FileNotFoundError):
        where = os.path.dirname(path) or "."  # noqa: PTH120
        if not os.path.exists(where):  # noqa: PTH110
            return f"{path} cannot be written: {where} does not exist: create it first"
    what = error.strerror if isinstance(error, OSError) else str(error)
    return f"{path} cannot be written: {what}: choose another file"
