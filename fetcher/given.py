"""What callers of the library give, in the forms that people write it, checked before the first request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import Any

from fetcher import headers
from fetcher.errors import UsageError
from fetcher.model import Options, Request, check
from fetcher.options import Crawl, check_crawl
from fetcher.pump import Piece, Pump, Ready


def crawled(
    starts: Iterable[str] | str, options: Options | None, settings: dict[str, Any]
) -> tuple[Crawl, Options, list[str]]:
    """What a crawl follows, how it asks, and where it begins. Raises UsageError."""
    from fetcher.feeds.frontier import check_starts

    names = {field.name for field in fields(Crawl)}
    follow = Crawl(**{name: value for name, value in settings.items() if name in names})
    check_crawl(follow)
    rest = {name: value for name, value in settings.items() if name not in names}
    listed = [starts] if isinstance(starts, str) else list(starts)
    check_starts(listed, follow.sitemap)
    return follow, options_of(options, {"robots": True, **rest}), listed


def options_of(options: Options | None, settings: dict[str, Any]) -> Options:
    """The options with these settings, checked. Raises UsageError."""
    try:
        wanted = replace(options or Options(), **settings)
    except TypeError as error:
        raise UsageError(f"{str(error).rpartition(') ')[2]}: see the fields of fetcher.Options") from error
    check(wanted)
    headers.check(wanted)
    return wanted


def inlet(urls: Iterable[str | Request]) -> Pump | Ready:
    """What `feeds.rows` reads: a list is there already, anything else is read in a thread."""
    pieces: Iterator[Piece] = (("", url) for url in listed(urls, "fetch"))
    return Ready(list(pieces)) if isinstance(urls, (list, tuple)) else Pump(pieces)


def listed(urls: Iterable[Any], verb: str) -> Iterable[Any]:
    """The URLs themselves. Raises UsageError where somebody gave one string."""
    if isinstance(urls, (str, bytes)) or not hasattr(urls, "__iter__"):
        what = "one string" if isinstance(urls, (str, bytes)) else type(urls).__name__
        raise UsageError(f"{verb}() takes an iterable of URLs, not {what}: write [url]")
    return urls
