"""Whether a URL matches a pattern: `*` within a segment of the path, `**` across segments."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

KEPT: Final = "".join(map(chr, range(33, 127)))  # what a wire URL may hold; the rest is percent-encoded there
WILD: Final = {"/**/": "/(?:.*/)?", "**": ".*", "*": "[^/]*"}


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a URL matches the pattern."""
    whole = "://" in pattern
    full = pattern if whole or pattern.startswith("/") else f"/**/{pattern}"
    parts = re.split(r"(/\*\*/|\*\*|\*)", quote(full, safe=KEPT))
    match = re.compile("".join(WILD.get(part) or re.escape(part) for part in parts), re.DOTALL).fullmatch

    def matches(url: str) -> bool:
        text = url if whole else url[max(url.find("/", url.find("://") + 3), 0) :]
        return bool(match(text) or ("?" in text and match(text.partition("?")[0])))

    return matches
