"""A Markdown table for people: the columns that matter in an issue or a wiki page, URLs as links."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

from fetcher.model import Result
from fetcher.sinks import Write
from fetcher.sinks._row import dumps, row, shown

SUFFIXES: Final = (".md",)

# For people; the whole record is in the other formats.
LEFT_OUT: Final = frozenset(
    ("input", "content_length", "http_version", "ip", "dns", "connect", "tls", "ttfb", "started", "encoding")
)
NUMBERS: Final = frozenset(("row", "status", "size", "wire_size", "elapsed", "attempts", "depth"))

# CommonMark 6.5: between < and > nothing is markup. Only these schemes, so no link can run anything.
_LINK: Final = re.compile(r"https?://[^\s<>\\`\x00-\x20]+", re.IGNORECASE)
_MARKUP: Final = re.compile(r"[\\`*_{}\[\]()#!|~$]")
_HTML: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


@contextmanager
def sink(out: BinaryIO, columns: tuple[str, ...]) -> Iterator[Write]:
    """The table's head at once, then each batch as rows, in one write."""
    names = tuple(name for name in columns if name not in LEFT_OUT)

    def write_rows(rows: Sequence[Sequence[str]]) -> None:
        text = "".join([f"| {' | '.join(cells)} |\n" for cells in rows])
        out.write(text.encode("utf-8", "backslashreplace"))

    def write(results: Sequence[Result]) -> None:
        if results:
            write_rows([[cell(value) for value in row(result, names)] for result in results])

    write_rows([names, ["--:" if name in NUMBERS else "---" for name in names]])
    yield write


def cell(value: Any) -> str:
    """A value as the text of one cell, with nothing in it that Markdown or HTML would act on."""
    if value is None or value == []:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    text = shown(value if isinstance(value, str) else dumps(value))
    if _LINK.fullmatch(text):
        return f"<{text}>".replace("|", "\\|")
    text = "".join([_HTML.get(char, char) for char in text])
    return _MARKUP.sub(r"\\\g<0>", text)
