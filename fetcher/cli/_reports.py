"""Files that get one whole text at the end of a run: opened before it, and not left empty if it fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fetcher.outputs import Whole, open_files


@contextmanager
def open_reports(
    paths: Sequence[str], *, overwrite: bool, inputs: Sequence[str] = ()
) -> Iterator[list[Whole]]:
    """A file for each path, in order. Raises UsageError, having changed nothing, where one is not to be had.

    If what follows fails, those that did not exist before are taken away: they would only be in the way of
    the next try.
    """
    before = {path for path in paths if Path(path).exists()}
    files = open_files(paths, overwrite=overwrite, inputs=inputs)
    done = False
    try:
        yield files
        done = True
    finally:
        for file in files:
            file.close()
        for path in () if done else paths:
            if path not in before:
                with suppress(OSError):
                    Path(path).unlink()
