"""What a page weighs: its HTML and all that it needs, each file counted once."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from fetcher.inspection.files import File, Files
from fetcher.site import Site

HEAVIEST: Final = 100


def pages(site: Site, found: Files) -> list[dict[str, Any]]:
    """One entry for each page: `wire` and `decoded` bytes, `requests` and `elapsed` (its own seconds).

    A sum of which a part is not known is null: a budget must not pass for want of a figure.
    """
    by_key = {one.key: one for one in found.listed}
    needs = dict(_needs(site))
    weighed = []
    for one in found.whole:
        if one.type != "html":
            continue
        parts = [one, *_parts(one, needs, by_key)]
        weighed.append(
            {
                "url": one.url,
                "title": one.title,
                "wire": _sum([part.wire for part in parts]),
                "decoded": _sum([part.decoded for part in parts]),
                "requests": len(parts),
                "elapsed": one.elapsed,
            }
        )
    return weighed


def heaviest(weighed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The heaviest of these pages."""
    most = heapq.nlargest(HEAVIEST, weighed, key=lambda entry: entry["wire"] or 0)
    return [{name: entry[name] for name in ("url", "title", "wire", "decoded", "requests")} for entry in most]


def _needs(site: Site) -> Iterator[tuple[int, list[int]]]:
    """Row -> the keys of what that file needs, or was redirected to."""
    edges = site.query(
        "SELECT source, target, kind FROM links WHERE kind IN ('asset', 'redirect') ORDER BY source"
    )
    for row, group in groupby(edges, key=lambda edge: edge[0]):
        yield row, list(dict.fromkeys(target for _, target, _ in group))


def _parts(page: File, needs: dict[int, list[int]], by_key: dict[int, File]) -> list[File]:
    """The files that this page needs, and those that they need: a style sheet its fonts."""
    seen: dict[int, File] = {}
    waiting = list(needs.get(page.row, ()))
    while waiting:
        mark = waiting.pop()
        part = by_key.get(mark)
        if part is None or part is page or part.row in seen or part.kind == "external":
            continue  # it was not asked (--assets), so it is not counted: see not_fetched
        if part.error == "robots_denied":
            continue  # likewise
        seen[part.row] = part
        if part.type != "html":
            waiting += needs.get(part.row, ())
    return list(seen.values())


def _sum(sizes: list[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
