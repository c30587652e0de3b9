"""A Retry-After: seconds that are not negative, or nothing."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from fetcher.feeds._pauses import retry_after

NOW = 1792567680.0  # Wed, 21 Oct 2026 07:28:00 GMT
FIXED = re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:[0-5]\d GMT", re.ASCII).fullmatch
SEEDS = [
    *(b"120", b" 5\t", b"Wed, 21 Oct 2026 07:28:00 GMT", b"Wednesday, 21-Oct-26 07:28:00 GMT"),
    *(b"Wed Oct 21 07:28:00 2026", b"Sun Nov  6 08:49:37 1994", b"Fri, 31 Dec 9999 23:59:60 GMT", b"1.5"),
    *(b"Thu, 01 Jan 0000 00:00:00 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"-1", b"9" * 400),
]
WORDS = [
    b"Mon, ",
    b"Sunday, ",
    b"Feb",
    b"Oct",
    b"GMT",
    b"00",
    b"24",
    b"29",
    b"31",
    b"60",
    b"99",
    b"0000",
    b"9999",
    b":",
]
WORDS += [b"1969", b"-", b" ", b"\t", b"\xb2", b"\xa0", b"+0000"]


def more(folder: Path) -> list[bytes]:
    cases = json.loads((folder / "misc" / "retry_after.json").read_text("utf-8"))["cases"]
    return [value.encode("utf-8") for value, _ in cases]


def target(data: bytes) -> object:
    value = data.decode("latin-1")
    found = [retry_after(value, wall) for wall in (0.0, NOW, 4102444800.5)]
    assert all(one is None or one >= 0.0 for one in found), found
    plain = value.strip(" \t")
    if plain.isascii() and plain.isdigit():
        assert found[0] == float(plain)
    elif found[1] is not None and FIXED(plain) and plain[12:14] != "00":  # year 70 is not 1970 to us
        when = parsedate_to_datetime(plain)
        assert found[1] == max((when - datetime.fromtimestamp(NOW, UTC)).total_seconds(), 0.0)
    return tuple(one is None or one == 0.0 for one in found), found[1] is None, len(plain) if found[1] else 0
