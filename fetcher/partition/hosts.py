"""Which partition a row belongs to: a hash of its host, so that all URLs of a host are in one."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any, Final

from fetcher import urls
from fetcher.errors import Fault
from fetcher.feeds.rows import text_of

# Up to here, a plain URL says which host it is of, and the rest cannot change that.
FRONT: Final = re.compile(r"https?://[A-Za-z0-9.:-]{1,260}(?=/|$)").match
# Of these the name is that of the URL standard, but for capitals: no number at the end, nothing in Punycode.
PLAIN: Final = re.compile(r"https?://((?:[a-z0-9-]+\.)+[a-z][a-z0-9-]*)\.?(?::\d+)?").fullmatch
KEPT: Final = 100_000  # such beginnings whose place is remembered


class Hosts:
    """`of(item)`: the name of its host, and which of `count` partitions has that.

    Ports and `www.` do not count: http://example.org leads to https://www.example.org on most sites, and its
    limits, robots.txt and connections are in one process only if these are in one partition, too.

    The same in every process and every run. `level`: another, independent hash for each, for what is sorted
    once more. What is no URL has a place by its text.
    """

    def __init__(self, count: int, level: int = 0) -> None:
        self.count = count
        self._person = b"%d" % level
        self._known: dict[str, tuple[str, int]] = {}

    def of(self, item: Any) -> tuple[str, int]:
        """Name and partition of an item of a list."""
        text = item if isinstance(item, str) else text_of(item)
        known = self._known
        end = text.find("/", 8)
        found = known.get(text[:end] if end > 0 else text)  # a front that is known: the rest cannot change it
        if found is not None:
            return found
        front = FRONT(text)
        if front is None:
            return self._placed(text)
        if len(known) >= KEPT:
            known.clear()
        found = known[front[0]] = self._placed(front[0])
        return found

    def _placed(self, text: str) -> tuple[str, int]:
        name = _name(text)
        data = name.encode("utf-8", "backslashreplace")
        number = int.from_bytes(blake2b(data, digest_size=8, person=self._person).digest(), "big")
        return name, number % self.count


def _name(text: str) -> str:
    plain = PLAIN(text.lower())
    if plain is not None and "xn--" not in plain[1]:
        return plain[1].removeprefix("www.")
    try:
        href = urls.wire(text)
    except Fault:
        return text
    authority = href.split("/", 3)[2]
    name = authority[: authority.find("]") + 1] or authority.partition(":")[0]  # of [::1]:80, of a.b:80
    return name.rstrip(".").removeprefix("www.")
