"""Text and tables in Markdown, with nothing in them that Markdown or HTML would act on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from fetcher.report.page import visible

# CommonMark 2.4, and HTML; brackets of links are enough, their parentheses mean nothing without them.
_MARKUP: Final = re.compile(r"[\\`*_\[\]|~$]")
_HTML: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def text(words: str) -> str:
    """The words as words."""
    return _MARKUP.sub(r"\\\g<0>", "".join([_HTML.get(char, char) for char in visible(words)]))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], rules: Sequence[str]) -> Iterator[str]:
    """Its lines, and an empty one; `rules` say how the columns are aligned: `---` or `--:`."""
    for cells in (map(text, head), rules, *(map(text, row) for row in rows)):
        yield f"| {' | '.join(cells)} |"
    yield ""
