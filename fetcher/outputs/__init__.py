"""Every `-o FILE`, opened before the first request, and written so that it is a valid prefix at any time."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from fetcher import menu, sinks
from fetcher.errors import UsageError
from fetcher.model import Result
from fetcher.outputs._lock import lock
from fetcher.outputs._whole import GivenUp as GivenUp
from fetcher.outputs._whole import Whole as Whole
from fetcher.sinks import Write

Known = dict[tuple[int, int], str]  # (device, inode) -> what that file already is in this run


class Output:
    """One sink on its stream, a Write; once nobody reads that, it is `broken` and takes the rest quietly."""

    def __init__(self, sink: AbstractContextManager[Write], file: Whole) -> None:
        self.file = file
        self.broken = False
        self.lost = 0  # results that came after it was given up (the last batch wholly counted)
        self._given_up = False
        self._sink = sink
        self._write: Write | None = None

    def __enter__(self) -> Self:
        with self._quietly():
            self._write = self._sink.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._write is not None:
            with self._quietly():
                self._sink.__exit__(kind, error, trace)

    def __call__(self, results: Sequence[Result]) -> None:
        """Write a batch. Raises LocalFault."""
        if not self.broken and self._write is not None:
            with self._quietly():
                self._write(results)
        self.lost += len(results) if self._given_up else 0

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError as error:
            self.broken = True
            self._given_up = isinstance(error, GivenUp)


class Outputs(list[Output]):
    """What is open for a run: its outputs, and the file that its totals go to at the end."""

    totals: Whole | None = None


@contextmanager
def open_outputs(
    paths: Sequence[str],
    columns: tuple[str, ...],
    *,
    overwrite: bool,
    inputs: Sequence[str] = (),
    totals: str = "",
) -> Iterator[Outputs]:
    """An Output for every `-o FILE`, by its suffix. Raises UsageError, having changed nothing.

    `totals` is one more file, opened with them and under the same rules, but without a sink. At the end each
    sink finishes its format and each file is closed, whatever becomes of the others.
    """
    known = suffixes() if paths else {}
    modules = [sinks.pick(_sink_of(path, known)) for path in paths]
    files = open_files([*paths, *([totals] if totals else [])], overwrite=overwrite, inputs=inputs)
    outputs = Outputs()
    with ExitStack() as stack:
        for file in files:
            stack.enter_context(file)
        outputs.totals = files[-1] if totals else None
        for module, file in zip(modules, files, strict=False):
            outputs.append(stack.enter_context(Output(module.sink(file, columns), file)))
        yield outputs


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

    Nor may one be the file that stdout or stderr goes to: two positions in one file tear each other's lines.
    Nor one that another run is writing to (`lock`). Nothing is truncated before all are open, and on failure
    only what was created here is removed.
    """
    known = _standard()
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


def _standard() -> Known:
    found: Known = {}
    for fd, name in ((2, "standard error"), (1, "standard output")):
        with suppress(OSError):
            facts = os.fstat(fd)
            if stat.S_ISREG(facts.st_mode):
                found[facts.st_dev, facts.st_ino] = f"is where {name} goes"
    return found


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
        try:
            lock(fd, path)
        except UsageError:  # it stays, even if it is new: the run that was faster has it
            os.close(fd)
            raise
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
        where = os.path.dirname(path) or "."  # noqa: PTH120
        if not os.path.exists(where):  # noqa: PTH110
            return f"{path} cannot be written: {where} does not exist: create it first"
    what = error.strerror if isinstance(error, OSError) else str(error)
    return f"{path} cannot be written: {what}: choose another file"
