"""One plain line per URL: aligned columns on a terminal, tab-separated fields in a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Final

from fetcher.model import Result
from fetcher.sinks import Write
from fetcher.sinks._row import shown

SUFFIXES: Final = ()
APART: Final = True

FRONT: Final = 20  # columns of word and size together
_GREEN, _YELLOW, _RED, _PLAIN = "\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[0m"


@contextmanager
def sink(
    out: BinaryIO,
    columns: tuple[str, ...],  # noqa: ARG001 - the five fields of a line are fixed
    *,
    terminal: bool = False,
    color: bool = False,
    encoding: str = "utf-8",
) -> Iterator[Write]:
    """Each batch as lines, in one write. What the encoding lacks is escaped, so LC_ALL=C never fails."""

    def write(results: Sequence[Result]) -> None:
        if results:
            text = "".join([line(result, terminal, color) + "\n" for result in results])
            out.write(text.encode(encoding, "backslashreplace"))

    yield write


def line(result: Result, terminal: bool, color: bool) -> str:
    """Status or error, size, seconds, URL, message: for a person, or for `cut -f`."""
    word = result.error or (str(result.status) if result.status is not None else "-")
    url, message = shown(result.url) or "-", shown(result.message or "")
    if not terminal:
        size = "-" if result.size is None else str(result.size)
        return "\t".join((word, size, f"{result.elapsed:.6f}", url, message or "-"))
    size = "-" if result.size is None else f"{result.size:,} B"
    # A long word takes its room from the size's: a record with an error mostly has none.
    gap = size.rjust(max(FRONT - len(word), len(size) + 1))
    if color:
        word = f"{_tint(result)}{word}{_PLAIN}"
    note = f"  ({message})" if message else ""
    return f"{word}{gap}  {result.elapsed:>6.2f} s  {url}{note}"


def _tint(result: Result) -> str:
    if result.error is not None:
        return _RED
    return _GREEN if result.ok else _YELLOW
