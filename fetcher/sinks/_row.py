"""What the sinks share: the values of a record as they are written, as JSON, and as safe text."""

from __future__ import annotations

import re
from json import JSONEncoder
from typing import Any, Final

from fetcher.model import Result

dumps: Final = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

# What may never reach a terminal raw (CWE-150): C0 with tab and newline, DEL, C1, the line and paragraph
# separators, and the marks, overrides and isolates that turn the direction of text round.
_RAW: Final = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def micro(seconds: float) -> float:
    """A duration to the microsecond: what a clock shows beyond that is noise, and costs bytes."""
    return int(seconds * 1e6 + 0.5) / 1e6  # half the time of `round`, which is exact about ties


def row(result: Result, columns: tuple[str, ...]) -> list[Any]:
    """The values of these columns, in their order."""
    values = [getattr(result, name) for name in columns]
    return [micro(value) if type(value) is float else value for value in values]


def well_formed(text: str) -> str:
    r"""Text that UTF-8 can carry: a lone surrogate becomes the six characters `\udXXX`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def shown(text: str) -> str:
    r"""The text with every control character and direction mark as `\x1b` or `\u202e`, safe on a terminal."""
    return text if text.isprintable() else _RAW.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
