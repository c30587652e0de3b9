"""One URL a line, white space trimmed; blank lines and lines that begin with # are skipped.

The default for a suffix that no other source reads, and for stdin.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from fetcher.sources import Bad, Item, Reading
from fetcher.sources._lines import BLANK, COMMENT, Long, lines, shown

SUFFIXES = (".txt",)


def read(stream: BinaryIO, options: Reading) -> Iterator[Item]:  # noqa: ARG001 (the contract)
    """One item a line. Control characters inside are passed on: `urls` judges them."""
    for line in lines(stream):
        if line.__class__ is Long:
            yield line.bad()
            continue
        line = line.strip()  # type: ignore[union-attr]  # bytes: mypy does not narrow by __class__
        if not line:
            yield BLANK
        elif line[0] == 0x23:
            yield COMMENT
        else:
            if line[0] == 0xEF:  # files with byte order marks, joined by `cat`
                line = line.removeprefix(codecs.BOM_UTF8).strip()
                if not line or line[0] == 0x23:
                    yield COMMENT if line else BLANK
                    continue
            try:
                text = line.decode()
            except UnicodeDecodeError:
                yield Bad(shown(line), "not UTF-8")
                continue
            yield text
