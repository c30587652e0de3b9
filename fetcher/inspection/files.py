"""The files of a site: how many of each type and directory, the heaviest, and what could be smaller."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from fetcher import urls
from fetcher.media import kind_of
from fetcher.site import Site

HEAVIEST: Final = 100
SLOWEST: Final = 50
NAMES: Final = 3  # hosts of which none can be looked up before this machine is doubted, not they
UNKNOWN: Final = frozenset({"dns_not_found", "dns_no_address", "dns_temporary"})
URLS: Final = 50  # of one content that are named
WORTH: Final = 0.9  # gzip is worth it below this share
SMALL: Final = 200  # bytes that no coding makes smaller in one packet


class File(NamedTuple):
    """One URL that was asked, and what came of it."""

    row: int
    key: int  # by what links know it
    url: str
    kind: str  # "page", "asset", "external" or "sitemap"
    type: str  # see `media`
    status: int | None
    error: str | None
    wire: int | None
    decoded: int | None
    elapsed: float
    ttfb: float | None
    depth: int
    attempts: int
    title: str
    gzip: int | None
    cached: bool
    sha256: str | None
    parsed: bool  # its links were read

    @property
    def is_whole(self) -> bool:
        """Whether it is a file of the site that came as it should."""
        own = self.kind in ("page", "asset")
        return own and self.error is None and self.status is not None and self.status < 300


def read(site: Site) -> Iterator[File]:
    """Every URL that has a record."""
    rows = site.query(
        "SELECT u.id, u.key, u.url, u.kind, u.depth, u.record, f.title, f.gzip, f.cached"
        " FROM urls u LEFT JOIN facts f ON f.id = u.id WHERE u.record IS NOT NULL ORDER BY u.id"
    )
    for row, mark, url, kind, depth, text, title, gzip, cached in rows:
        record = json.loads(text)
        yield File(
            row=row,
            key=mark,
            url=url,
            kind=kind,
            type=kind_of(record["content_type"], url),
            status=record["status"],
            error=record["error"],
            wire=record["wire_size"],
            decoded=record["size"],
            elapsed=record["elapsed"],
            ttfb=record["ttfb"],
            depth=depth,
            attempts=record["attempts"],
            title=title or "",
            gzip=gzip,
            cached=bool(cached),
            sha256=record.get("sha256"),
            parsed=title is not None,
        )


@dataclass
class Files:
    """All of them, and their sums."""

    listed: list[File] = field(default_factory=list)
    requests: int = 0
    failed: int = 0
    denied: int = 0  # found, and forbidden by robots.txt
    robots: list[str] = field(default_factory=list)  # a few of these
    wire: int = 0
    decoded: int = 0
    by_type: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, one: File) -> None:
        """Count one more."""
        self.listed.append(one)
        if one.error == "robots_denied" and one.depth:
            self.denied += 1
            if self.denied <= 5:
                self.robots.append(one.url)
            return
        self.requests += one.attempts
        self.failed += one.error is not None or one.status is None or one.status >= 400
        self.wire += one.wire or 0
        self.decoded += one.decoded or 0
        if one.is_whole:
            sums = self.by_type.setdefault(one.type, {"count": 0, "wire": 0, "decoded": 0})
            _add(sums, one)

    @property
    def whole(self) -> list[File]:
        """Files of the site that came as they should."""
        return [one for one in self.listed if one.is_whole]

    def heaviest(self) -> list[dict[str, Any]]:
        """Single files."""
        most = heapq.nlargest(HEAVIEST, self.whole, key=lambda one: one.wire or 0)
        return [{"url": f.url, "type": f.type, "wire": f.wire, "decoded": f.decoded} for f in most]

    def directories(self) -> list[dict[str, Any]]:
        """Each directory with all that lies below it; of another host with its origin in front."""
        sums: dict[str, dict[str, int]] = {}
        whole = self.whole
        home = next((one.url.split("/", 3)[:3] for one in whole if one.kind == "page"), [])
        for one in whole:
            parts = one.url.partition("?")[0].split("/")
            at = "/" if parts[:3] == home else "/".join(parts[:3]) + "/"
            for part in ["", *filter(None, parts[3:-1])]:
                at += f"{part}/" if part else ""
                _add(sums.setdefault(at, {"count": 0, "wire": 0, "decoded": 0}), one)
        return [{"path": path, **sums[path]} for path in sorted(sums)]

    def duplicates(self) -> list[dict[str, Any]]:
        """The same content under several URLs."""
        same: dict[str, list[File]] = {}
        for one in self.whole:
            if one.sha256 and one.decoded:
                same.setdefault(one.sha256, []).append(one)
        groups = [group for group in same.values() if len(group) > 1]
        groups.sort(key=lambda group: -(group[0].decoded or 0) * (len(group) - 1))
        return [
            {
                "sha256": group[0].sha256,
                "decoded": group[0].decoded,
                "urls": [one.url for one in group[:URLS]],
                "count": len(group),
            }
            for group in groups
        ]

    def uncompressed(self) -> list[dict[str, Any]]:
        """Text that came without a content coding, and what gzip would make of it."""
        found = [
            {"url": one.url, "wire": one.wire, "gzip": one.gzip, "saved": one.wire - one.gzip}
            for one in self.whole
            if one.gzip is not None and one.wire and one.wire > SMALL and one.gzip < WORTH * one.wire
        ]
        return sorted(found, key=lambda entry: -entry["saved"])

    def uncached(self) -> list[dict[str, Any]]:
        """Files without Cache-Control, Expires, ETag and Last-Modified: fetched anew by every visitor."""
        found = [one for one in self.whole if not one.cached]
        found.sort(key=lambda one: -(one.wire or 0))
        return [{"url": one.url, "type": one.type, "wire": one.wire} for one in found]

    def is_offline(self) -> bool:
        """Whether no name outside of the site could be looked up: then that says nothing about links."""
        outside = [one for one in self.listed if one.kind == "external"]
        hosts = {urls.origin(one.url) for one in outside}
        return len(hosts) >= NAMES and all(one.error in UNKNOWN for one in outside)

    def slow(self) -> list[dict[str, Any]]:
        """The pages that took longest."""
        pages = [one for one in self.whole if one.type == "html"]
        most = heapq.nlargest(SLOWEST, pages, key=lambda one: one.elapsed)
        return [{"url": one.url, "elapsed": one.elapsed, "ttfb": one.ttfb} for one in most]

    def entries(self) -> list[dict[str, Any]]:
        """All URLs that were asked."""
        names = ("url", "type", "status", "error", "wire", "decoded", "elapsed", "depth", "kind", "title")
        return [{name: getattr(one, name) for name in names} for one in self.listed]


def files(site: Site) -> Files:
    """Read them all."""
    found = Files()
    for one in read(site):
        found.add(one)
    return found


def _add(sums: dict[str, int], one: File) -> None:
    sums["count"] += 1
    sums["wire"] += one.wire or 0
    sums["decoded"] += one.decoded or 0
