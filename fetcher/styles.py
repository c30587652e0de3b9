"""The references inside a CSS text, read in linear time; comments and plain strings hold none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# CSS Syntax 3, 4.3: an escape may stand for any character, a string ends at an unescaped line end, and what
# the text's end cuts off counts as closed. No alternative takes back what it has taken.
_COMMENT: Final = r"/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z)"
_QUOTED: Final = r""""((?:[^"\\\n\f]|\\[\s\S])*+)(?:"|\Z)|'((?:[^'\\\n\f]|\\[\s\S])*+)(?:'|\Z)"""
_BARE: Final = r"""((?:[^"'()\\\s]|\\(?:[0-9a-fA-F]{1,6}\s?|[^\n\f]))++)\s*+(?:\)|\Z)"""
_BAD: Final = r"""(?!["'])(?:[^)\\]|\\[\s\S])*+"""
TOKEN: Final = re.compile(
    rf"""{_COMMENT}
    | (?<![\w-]) url\( \s*+ (?: {_QUOTED} | {_BARE} | {_BAD} )
    | @import (?: \s++ | {_COMMENT} )*+ (?: {_QUOTED} )
    | "(?:[^"\\\n\f]|\\[\s\S])*+"? | '(?:[^'\\\n\f]|\\[\s\S])*+'?""",
    re.VERBOSE | re.IGNORECASE,
)
ESCAPE: Final = re.compile(r"\\(?:([0-9a-fA-F]{1,6})\s?|([\s\S]))")


def references(text: str) -> Iterator[str]:
    """What stands in `url(...)` and after `@import`, with its escapes undone."""
    for match in TOKEN.finditer(text):
        if match.lastindex:
            found = match[match.lastindex]
            yield ESCAPE.sub(_character, found) if "\\" in found else found


def _character(match: re.Match[str]) -> str:
    if match[2]:
        return "" if match[2] in "\n\f" else match[2]
    code = int(match[1], 16)
    return "\ufffd" if code == 0 or code > 0x10FFFF or 0xD800 <= code < 0xE000 else chr(code)
