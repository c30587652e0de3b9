"""Every `-o FILE`, opened before the first request, and written so that it is a valid prefix at any time."""

from __future__ import annotations

import ast
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from fetcher import menu, sinks
from fetcher.errors import UsageError
from fetcher.model import Result
from fetcher.outputs._files import open_files as open_files
from fetcher.outputs._files import open_kept as open_kept
from fetcher.outputs._lock import lock as lock
from fetcher.outputs._whole import GivenUp as GivenUp
from fetcher.outputs._whole import Whole as Whole
from fetcher.sinks import Form, Write


class Output:
    """One sink on its stream, a Write; once nobody reads that, it is `broken` and takes the rest quietly."""

    def __init__(self, form: Form, file: Whole, columns: tuple[str, ...]) -> None:
        self.form = form
        self.file = file
        self.broken = False
        self.lost = 0  # results that came after it was given up (the last batch wholly counted)
        self._given_up = False
        self._sink = form.open(file, columns)
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

    def pass_on(self, data: bytes, count: int) -> None:
        """Write what another process has made of so many results, in the same form. Raises LocalFault."""
        if data and not self.broken:
            with self._quietly():
                self.file.write(data)
        self.lost += count if self._given_up else 0

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
    kept: Whole | None = None,
) -> Iterator[Outputs]:
    """An Output for every `-o FILE`, by its suffix. Raises UsageError, having changed nothing.

    `totals` is one more file, opened with them and under the same rules, but without a sink; `kept` is the
    only one of `paths`, open already, which is written on, and left open. At the end each sink finishes its
    format and each file is closed, whatever becomes of the others.
    """
    known = suffixes() if paths else {}
    forms = [Form(_sink_of(path, known)) for path in paths]
    for form in forms:
        sinks.pick(form.name)
    old = [kept] if kept is not None else []
    new = [*([] if old else paths), *([totals] if totals else [])]
    files = [*old, *open_files(new, overwrite=overwrite, inputs=inputs, kept=old)]
    outputs = Outputs()
    with ExitStack() as stack:
        for file in files[len(old) :]:
            stack.enter_context(file)
        outputs.totals = files[-1] if totals else None
        for form, file in zip(forms, files, strict=False):
            outputs.append(stack.enter_context(Output(form, file, columns)))
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
    parts = "" if suffix else f"; {path}/, with a slash, for a directory of parts"
    raise UsageError(f"{path}: {what}: use one of {', '.join(sorted(known))}{parts}")
