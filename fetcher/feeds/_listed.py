"""The rows of a list without asking them: what stands there, and which number it has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fetcher import logins, urls
from fetcher.errors import Fault
from fetcher.model import Request
from fetcher.sources import Bad, Item, Skip


def text_of(item: object) -> str:
    """What stands in the list, as far as it can be shown."""
    if isinstance(item, str):
        return item
    if isinstance(item, Request):
        return text_of(item.url)
    if isinstance(item, Bad):
        return item.text
    return item.decode("latin-1") if isinstance(item, bytes) else ""


class Seen:
    """The URLs that came before, for --unique."""

    def __init__(self) -> None:
        self._keys: set[str] = set()

    def has(self, text: str) -> bool:
        """Whether this one did, in whatever form; what is no URL never did."""
        try:
            key = urls.key(urls.wire(text))
        except Fault:
            return False
        if key in self._keys:
            return True
        self._keys.add(key)
        return False


def listed(pieces: Iterable[tuple[str, Item]], *, unique: bool = False) -> Iterator[tuple[int, str, str]]:
    """Of every row its number, its URL as the record shows it, and its input: as `Rows` counts them."""
    row, seen = 0, Seen() if unique else None
    for name, item in pieces:
        if type(item) is Skip:
            continue
        url = text_of(item)
        if seen is not None and isinstance(item, str) and seen.has(url):
            continue
        row += 1
        yield row, logins.mask(url), name
