"""What an audit found, as one record: weights, broken links, redirects, and what could be better.

`inspect(site)` asks the tables of a finished crawl; the record is plain JSON, and everything that people look
at (text, page, JUnit, SARIF) is made of it alone. Seconds and bytes everywhere; a size that is not known,
because the body was not whole, is null.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any, Final

from fetcher import logins
from fetcher.inspection import broken, weights
from fetcher.inspection.files import Files, files
from fetcher.site import Site

ENTRIES: Final = 20_000  # that a record names


def inspect(site: Site, starts: Sequence[str]) -> dict[str, Any]:
    """The record of this crawl, but for what only its run knows (seconds, CPU) and for budgets.

    `entries` and `weights` hold every URL, for budgets to be judged by; `shortened` makes it fit to be kept.
    """
    with site.told():
        found: Files = files(site)
        pages = weights.pages(site, found)
        return {
            "start": [logins.mask(start) for start in starts],
            "pages": len(pages),
            "requests": found.requests,
            "failed": found.failed,
            "bytes": {"wire": found.wire, "decoded": found.decoded},
            "by_type": found.by_type,
            "by_directory": found.directories(),
            "heaviest": weights.heaviest(pages),
            "files": found.heaviest(),
            "broken": broken.broken(site),
            "fragments": broken.fragments(site),
            "redirects": broken.redirects(site),
            "duplicates": found.duplicates(),
            "uncompressed": found.uncompressed(),
            "uncached": found.uncached(),
            "slow": found.slow(),
            "sitemaps": broken.sitemaps(site),
            "not_fetched": {**site.refused.counts(), **({"robots": found.denied} if found.denied else {})},
            "left_out": {**site.refused.examples(), **({"robots": found.robots} if found.robots else {})},
            "entries": found.entries(),
            "offline": found.is_offline(),
            "weights": pages,
            "budgets": [],
        }


def shortened(record: dict[str, Any]) -> dict[str, Any]:
    """The record without the weights of all pages, and with so many entries as a page can show.

    What failed comes first, then what weighs most; `entries_cut` says how many are missing.
    """
    kept = {name: value for name, value in record.items() if name != "weights"}
    entries = record["entries"]
    kept["entries_cut"] = max(len(entries) - ENTRIES, 0)
    if kept["entries_cut"]:
        kept["entries"] = heapq.nsmallest(
            ENTRIES, entries, key=lambda one: (one["wire"] is not None, -(one["wire"] or 0))
        )
    return kept
