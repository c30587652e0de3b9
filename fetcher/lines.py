"""The lines of a response head that are as nearly all are: judged once, and remembered for the next."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# Without their ends; no fold, no bare CR or LF inside (RFC 9112 4, RFC 9110 5.5 and 5.6.2).
START: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([^\r\n\0]*+))?+").fullmatch
FIELD: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]++):[ \t]*+([^\r\n\0]*+)").fullmatch
KEPT: Final = 1024  # lines: a server mostly says the same again

Pair = tuple[str, str]
Start = tuple[str, int, str]  # version, status, reason


@lru_cache(KEPT)
def start_line(line: bytes) -> Start | None:
    """What a status line says; None if it is unusual, or none."""
    found = START(line)
    if found is None:
        return None
    minor, status, reason = found.groups()
    return "1.1" if minor == b"1" else "1.0", int(status), (reason or b"").decode("latin-1")


@lru_cache(KEPT)
def field(line: bytes) -> tuple[str, Pair] | None:
    """The name in lower case, and name and value; None if the line is unusual, or no field."""
    found = FIELD(line)
    if found is None:
        return None
    name, value = found.groups()
    pair = name.decode("latin-1"), value.rstrip(b" \t").decode("latin-1")
    return pair[0].lower(), pair


def show(seen: bytes | bytearray | str) -> str:
    """What was seen, short, and harmless in any terminal or log."""
    text = seen[:60] if isinstance(seen, str) else seen[:60].decode("latin-1")
    return ascii(text) + ("..." if len(seen) > 60 else "")
