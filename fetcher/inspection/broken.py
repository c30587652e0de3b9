"""What is broken, and who links there: URLs that failed, missing anchors, redirects, sitemaps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from fetcher.model import FOLLOWED
from fetcher.site import Site

REFERRERS: Final = 20  # pages named for each
HOPS: Final = 20  # of a chain that are shown
# Anchors that every page has (HTML 7.4.6.4), or that name text instead of an element.
ALWAYS: Final = ("top",)


def broken(site: Site) -> list[dict[str, Any]]:
    """URLs that failed; what robots.txt forbids was found only, so it is not among them."""
    found = []
    for mark, url, kind, depth, text in site.query(
        "SELECT key, url, kind, depth, record FROM urls WHERE record IS NOT NULL ORDER BY id"
    ):
        if '"ok":true' in text:
            continue
        record = json.loads(text)
        if record["ok"] or (record["error"] == "robots_denied" and depth):
            continue
        pages, linked = _referrers(site, mark)
        if not linked and record["referrer"]:
            pages, linked = [record["referrer"]], 1  # a robots.txt or a sitemap names it
        found.append(
            {
                "url": url,
                "kind": kind,
                "status": record["status"],
                "error": record["error"],
                "message": record["message"],
                "referrers": pages,
                "linked": linked,
            }
        )
    found += _invalid(site)
    return sorted(found, key=lambda entry: (entry["kind"] == "external", -entry["linked"]))


def _invalid(site: Site) -> Iterator[dict[str, Any]]:
    """References that are no URL at all."""
    rows = site.query(
        "SELECT r.url, u.url FROM refused r LEFT JOIN urls u ON u.id = r.via WHERE r.reason = 'invalid'"
    )
    for text, page in rows:
        yield {
            "url": text,
            "kind": "page",
            "status": None,
            "error": "invalid_url",
            "message": "the reference is no URL",
            "referrers": [page] if page else [],
            "linked": int(page is not None),
        }


def fragments(site: Site) -> list[dict[str, Any]]:
    """Links to a part that its page does not have; parts that a script makes are not seen."""
    missing: dict[tuple[str, str], list[str]] = {}
    counts: dict[tuple[str, str], int] = {}
    rows = site.query(
        "SELECT u.url, l.fragment, s.url FROM links l JOIN urls u ON u.key = l.target"
        " JOIN facts f ON f.id = u.id AND f.title IS NOT NULL JOIN urls s ON s.id = l.source"
        " LEFT JOIN anchors a ON a.source = u.id AND a.name = l.fragment"
        " WHERE l.fragment != '' AND a.name IS NULL ORDER BY u.id, l.fragment, s.id"
    )
    for url, fragment, source in rows:
        if fragment.lower() in ALWAYS or ":~:" in fragment:
            continue
        spot = (url, fragment)
        counts[spot] = counts.get(spot, 0) + 1
        pages = missing.setdefault(spot, [])
        if len(pages) < REFERRERS and source not in pages:
            pages.append(source)
    return [
        {"url": url, "fragment": fragment, "referrers": pages, "linked": counts[url, fragment]}
        for (url, fragment), pages in missing.items()
    ]


def redirects(site: Site) -> list[dict[str, Any]]:
    """Chains of redirects that pages link to, or that the crawl began with."""
    led: dict[int, int] = dict(site.query("SELECT source, target FROM links WHERE kind = 'redirect'"))
    inner = set(led.values())
    found = []
    for source in sorted(led):
        mark, url, status, _ = _answer(site, "id", source)
        pages, linked = _referrers(site, mark)
        if not linked and mark in inner:
            continue  # a link in the middle of a chain that is told from its beginning
        chain, at, seen = [{"url": url, "status": status}], source, {source}
        while at in led and len(chain) < HOPS:
            target = _answer(site, "key", led[at])
            at = target[3] if target else 0
            if not target or at in seen:
                break
            seen.add(at)
            chain.append({"url": target[1], "status": target[2]})
        last = chain[-1]["status"]
        final = None if last is None or last in FOLLOWED else chain[-1]["url"]
        found.append({"chain": chain, "final": final, "referrers": pages, "linked": linked})
    return sorted(found, key=lambda entry: (-len(entry["chain"]), -entry["linked"]))


def sitemaps(site: Site) -> list[dict[str, Any]]:
    """The sitemaps that were read."""
    found = []
    for url, text, listed in site.query(
        "SELECT u.url, u.record, f.listed FROM urls u LEFT JOIN facts f ON f.id = u.id"
        " WHERE u.kind = 'sitemap' AND u.record IS NOT NULL ORDER BY u.id"
    ):
        record = json.loads(text)
        found.append({"url": url, "status": record["status"], "error": record["error"], "urls": listed or 0})
    return found


def _answer(site: Site, column: str, value: int) -> Any:
    """(key, url, status, row) of a URL by its row or key."""
    question = f"SELECT key, url, record, id FROM urls WHERE {column} = ?"  # noqa: S608
    row = next(site.query(question, value), None)
    if row is None:
        return None
    return row[0], row[1], json.loads(row[2])["status"] if row[2] else None, row[3]


def _referrers(site: Site, mark: int) -> tuple[list[str], int]:
    """Who links to this key: the first few, and how many in all."""
    pages = site.query(
        "SELECT DISTINCT u.url FROM links l JOIN urls u ON u.id = l.source"
        " WHERE l.target = ? AND l.kind != 'redirect' ORDER BY u.id LIMIT ?",
        mark,
        REFERRERS,
    )
    linked = next(
        site.query("SELECT count(DISTINCT source) FROM links WHERE target = ? AND kind != 'redirect'", mark)
    )
    return [row[0] for row in pages], linked[0]
