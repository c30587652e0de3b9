"""Every `-o FILE`, opened before the first request, and written so that it is a valid prefix at any time."""

from __future__ import annotations

import ast
import io
import os
import select
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, cast

from fetcher import menu, sinks
from fetcher.errors import LocalFault, UsageError
from fetcher.sinks import Write

Known = dict[tuple[int, int], str]  # (device, inode) -> what that file already is in this run


class Whole(io.RawIOBase, BinaryIO):
    """An unbuffered file that takes each batch wholly or, as far as it can be taken back, not at all."""

    def __init__(self, fd: int, name: str, *, owned: bool = False) -> None:
        self._name = name
        self.total = 0  # bytes written so far
        self._fd = fd
        self._owned = owned  # whether closing this closes the descriptor; not for stdout
        self._fault: LocalFault | None = None

    def write(self, data: Any) -> int:
        """Write all of it. Raises LocalFault, then and ever after, if the disk fails; or BrokenPipeError."""
        if self._fault is not None:
            raise self._fault
        view = memoryview(data).cast("B")
        sent = 0
        try:
            while sent < len(view):
                try:
                    sent += os.write(self._fd, view[sent:])
                except BlockingIOError:  # somebody made this pipe or terminal non-blocking
                    select.select((), (self._fd,), ())
        except BrokenPipeError:
            raise
        except OSError as error:
            whole = not sent or self._take_back(sent)
            self._fault = self._failed(error, whole)
            raise self._fault from error
        self.total += sent
        return sent

    def _take_back(self, torn: int) -> bool:
        """Cut a torn batch off: in a regular file, and only if its end is what we have just written."""
        with suppress(OSError):
            end = os.lseek(self._fd, 0, os.SEEK_CUR)
            facts = os.fstat(self._fd)
            if stat.S_ISREG(facts.st_mode) and facts.st_size == end:
                os.ftruncate(self._fd, end - torn)
                os.lseek(self._fd, end - torn, os.SEEK_SET)
                return True
        return False

    def _failed(self, error: OSError, whole: bool) -> LocalFault:
        kept = f"the {self.total:,} bytes written before are whole" if whole else "its last line is torn"
        return LocalFault(f"{self._name}: {error.strerror}; {kept}: make room, then go on with --resume")

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._name

    @property
    def mode(self) -> str:
        """As `open` would have it."""
        return "wb"

    def writable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Bytes written so far, counted: so Parquet, which asks, can go through a pipe."""
        return self.total

    def fileno(self) -> int:
        """The descriptor."""
        return self._fd

    def close(self) -> None:
        """Close it. Raises LocalFault if the system says only now that it could not keep what was written."""
        if self.closed:
            return
        super().close()
        if self._owned:
            try:
                os.close(self._fd)
            except OSError as error:
                raise self._failed(error, True) from error


@contextmanager
def open_outputs(
    paths: Sequence[str], columns: tuple[str, ...], *, overwrite: bool, inputs: Sequence[str] = ()
) -> Iterator[list[Write]]:
    """A write for every `-o FILE`, its sink chosen by its suffix. Raises UsageError, having changed nothing.

    At the end each sink finishes its format and each file is closed, whatever becomes of the others.
    """
    known = suffixes() if paths else {}
    modules = [sinks.pick(_sink_of(path, known)) for path in paths]
    files = open_files(paths, overwrite=overwrite, inputs=inputs)
    with ExitStack() as stack:
        for file in files:
            stack.enter_context(file)
        pairs = zip(modules, files, strict=True)
        yield [stack.enter_context(module.sink(file, columns)) for module, file in pairs]


def suffixes() -> dict[str, str]:
    """Suffix -> name of the sink, read from the files without importing them (pyarrow takes its time)."""
    found = {}
    for name in menu.names(sinks):
        spec = find_spec(f"{sinks.__name__}.{name}")
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8")) if spec and spec.origin else None
        for node in tree.body if tree else ():
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(isinstance(target, ast.Name) and target.id == "SUFFIXES" for target in targets):
                found.update(dict.fromkeys(ast.literal_eval(cast("Any", node).value), name))
    return found


def _sink_of(path: str, known: dict[str, str]) -> str:
    suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 - Path would drop a trailing slash
    if path == "-":
        raise UsageError("-o -: results go to stdout anyway; use --json for JSON Lines there")
    if suffix in known:
        return known[suffix]
    with suppress(OSError, ValueError):
        mode = os.stat(path).st_mode  # noqa: PTH116
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            return "jsonl"  # /dev/null, /dev/stdout, >(a command): no suffix to go by
    what = f"unknown output format {suffix}" if suffix else "no suffix to choose the format by"
    raise UsageError(f"{path}: {what}: use one of {', '.join(sorted(known))}")


def open_files(paths: Sequence[str], *, overwrite: bool, inputs: Sequence[str] = ()) -> list[Whole]:
    """Open these files for writing, all or none; none may be one of the inputs (`-` is stdin).

    Nothing is truncated before all are open, and on failure only what was created here is removed.
    """
    known: Known = {}
    for given in inputs:
        with suppress(OSError, ValueError):
            facts = os.stat(0 if given == "-" else given)  # noqa: PTH116
            known[facts.st_dev, facts.st_ino] = "is an input of this run"
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


def _open(path: str, overwrite: bool, known: Known) -> tuple[int, bool]:
    """A descriptor, and whether the file was made by this call."""
    flags = os.O_WRONLY | getattr(os, "O_BINARY", 0)
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
        known[facts.st_dev, facts.st_ino] = "is given twice as an output"
    return fd, new


def _check(path: str, overwrite: bool, known: Known) -> None:
    """Whether an existing file may be written to. A device or FIFO may: it has no content to lose."""
    facts = os.stat(path)  # noqa: PTH116
    if not stat.S_ISREG(facts.st_mode):
        return
    if taken := known.get((facts.st_dev, facts.st_ino)):
        raise UsageError(f"{path} {taken}: choose another file")
    if not overwrite:
        raise UsageError(f"{path} exists: use --overwrite to replace it, or choose another file")


def _why(path: str, error: Exception) -> str:
    if isinstance(error, IsADirectoryError):
        return f"{path} is a directory: name a file in it"
    if isinstance(error, FileNotFoundError):
        where = os.path.dirname(path) or path  # noqa: PTH120
        return f"{path} cannot be written: {where} does not exist: create it first"
    what = error.strerror if isinstance(error, OSError) else str(error)
    return f"{path} cannot be written: {what}: choose another file"
