"""How a report in words is laid out: sections that count, a URL last on its line, nothing cut in silence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from fetcher.cli._summary import KEPT, wrapped
from fetcher.report.page import visible

REST: Final = "-o audit.json has all"
UNIT: Final = re.compile(r"(?<=\d) (?=[Bs]\b)")  # the space before a unit, where no line is broken


def joined(lines: Sequence[str], width: int | None) -> str:
    """The lines as one text, wrapped where there is a width."""
    if width is not None:
        lines = [part for line in lines for part in wrapped(UNIT.sub(KEPT, line), width)]
    return "\n".join(map(_tame, lines)).replace(KEPT, " ")


def _tame(line: str) -> str:
    """GitHub Actions takes such a line for a command, whoever wrote it: what begins it is written out."""
    line = line.replace("##[", "#\\x23[")
    bare = line.lstrip()
    return line if not bare.startswith("::") else f"{line[: len(line) - len(bare)]}\\x3a{bare[1:]}"


def section(title: str, items: Sequence[Sequence[str]], most: int, *, count: bool = True) -> list[str]:
    """A title that counts, the first few items with their lines, and how many there are more."""
    if not items:
        return []
    lines = ["", f"{title}: {len(items):,}" if count else title]
    for item in items[:most]:
        lines += item
    more = len(items) - most
    return [*lines, f"  ... and {more:,} more ({REST})"] if more > 0 else lines


def top(title: str, rows: Sequence[tuple[str, str, str]], most: int, total: int) -> list[str]:
    """The first of a list that is ranked: what follows is of less interest."""
    if not rows:
        return []
    of = f" ({most:,} of {total:,})" if total > most else ""
    return ["", f"{title}{of}", *(line for item in aligned(rows[:most]) for line in item)]


def aligned(rows: Sequence[tuple[str, str, str]]) -> list[list[str]]:
    """Figure, word and URL; the figures end in one column."""
    wide = max((len(row[0]) for row in rows), default=0)
    return [
        [f"  {figure:{KEPT}>{wide}}  {f'{word}  ' if word else ''}{whole(url)}"] for figure, word, url in rows
    ]


def linked_from(pages: Iterable[str], linked: int) -> list[str]:
    """Who links there: the first page, and how many there are."""
    first = next(iter(pages), None)
    if first is None:
        return []
    return [
        f"      on {whole(first)}" if linked <= 1 else f"      on {linked:,} pages, such as {whole(first)}"
    ]


def number(value: int | None) -> str:
    """How many; `-` if that is not known."""
    return "-" if value is None else f"{value:,}"


def size(value: int | None) -> str:
    """How many bytes; `-` if that is not known."""
    return "-" if value is None else f"{value:,} B"


def whole(text: str) -> str:
    """A URL in one piece, so that no line is broken within it."""
    return visible(text).replace(" ", "%20")
