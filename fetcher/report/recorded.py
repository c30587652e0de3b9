"""What the records of a run say about a site: the shape of an audit, as far as records alone can tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from heapq import heappush, heappushpop
from typing import Any, Final

from fetcher.media import is_text, kind_of

ENTRIES: Final = 20_000  # all that a page lists
LIST: Final = 100  # the heaviest files
SLOW: Final = 50
URLS: Final = 20  # under which one content is known
DIRECTORIES: Final = 1_000
SMALL: Final = 1_400  # bytes: less fits into one packet, compressed or not

Row = dict[str, Any]


def site(records: Iterable[Row]) -> Row:
    """The record of an audit, without what only an audit knows: budgets, fragments, whole pages' weights."""
    run = _Run()
    for one in records:
        run.add(one)
    return run.record()


class _Run:
    """What is kept of the records while they pass."""

    def __init__(self) -> None:
        self.requests = self.failed = self.pages = 0
        self.total: Counter[str] = Counter()
        self.types: dict[str, Counter[str]] = {}
        self.directories: dict[tuple[str, str], Counter[str]] = {}
        self.entries: list[Row] = []
        self.broken: list[Row] = []
        self.redirects: list[Row] = []
        self.plain = _Most(ENTRIES, "wire")
        self.files, self.slow = _Most(LIST, "wire"), _Most(SLOW, "elapsed")
        self.contents: dict[str, Row] = {}
        self.start: list[str] = []
        self.engines: set[str] = set()
        self.started = ""

    def add(self, one: Row) -> None:
        """One record."""
        url = _url(one)
        wire, decoded, status = one.get("wire_size"), one.get("size"), one.get("status")
        error = one.get("error")
        ok = not error and status is not None and status < 400
        kind = kind_of(one.get("content_type"), url) if status is not None else "other"
        entry = {"url": url, "type": kind, "status": status, "error": error, "wire": wire, "decoded": decoded}
        entry |= {"elapsed": one.get("elapsed"), "depth": one.get("depth"), "kind": None, "title": None}
        self.requests += 1
        if len(self.entries) < ENTRIES:
            self.entries.append(entry)
        self._note(one, url)
        self._weigh(one.get("final_url") or url, kind, Counter(count=1, wire=wire or 0, decoded=decoded or 0))
        if not ok:
            self.failed += 1
            self.broken.append({**entry, "message": one.get("message"), **_linked(one)})
            return
        if one.get("redirects") or (status or 0) >= 300:
            self._redirect(one, url)
        if status is not None and status < 300:
            self.pages += kind == "html"
            self._whole(one, entry)

    def _note(self, one: Row, url: str) -> None:
        if one.get("depth") == 0 and len(self.start) < LIST:
            self.start.append(url)
        if one.get("engine"):
            self.engines.add(one["engine"])
        if one.get("started"):
            self.started = min(self.started or one["started"], one["started"])

    def _weigh(self, url: str, kind: str, weight: Counter[str]) -> None:
        self.total += weight
        self.types.setdefault(kind, Counter()).update(weight)
        host, path = _place(url)
        while host:
            self.directories.setdefault((host, path), Counter()).update(weight)
            if path == "/":
                break
            path = path[: path.rindex("/", 0, -1) + 1]

    def _whole(self, one: Row, entry: Row) -> None:
        """What only a whole answer tells."""
        url, wire = entry["url"], entry["wire"]
        self.files.add(entry)
        if entry["type"] == "html":
            self.slow.add({**entry, "ttfb": one.get("ttfb")})
        plain = not one.get("encoding") and is_text(one.get("content_type"), url)
        if plain and wire is not None and wire >= SMALL:
            self.plain.add({"url": url, "wire": wire, "gzip": None, "saved": None})
        if (digest := one.get("sha256")) and entry["decoded"]:
            known = self.contents.setdefault(digest, {"decoded": entry["decoded"], "urls": [], "count": 0})
            known["count"] += 1
            known["urls"] += [url] if len(known["urls"]) < URLS else []

    def _redirect(self, one: Row, url: str) -> None:
        chain = one.get("redirects") or [{"url": url, "status": one.get("status")}]
        final = one.get("final_url")
        if final == chain[-1]["url"]:
            final = None
        self.redirects.append({"chain": chain, "final": final, **_linked(one)})

    def record(self) -> Row:
        """In the shape of an audit."""
        several = len({host for host, _ in self.directories}) > 1
        places = [
            {"path": f"{host}{path}" if several else path, **_sums(sums)}
            for (host, path), sums in self.directories.items()
        ]
        places.sort(key=lambda one: (-one["wire"], one["path"]))
        twice = [{"sha256": digest, **one} for digest, one in self.contents.items() if one["count"] > 1]
        twice.sort(key=lambda one: -one["decoded"] * (one["count"] - 1))
        return {
            "start": self.start,
            "pages": self.pages,
            "requests": self.requests,
            "failed": self.failed,
            "bytes": {"wire": self.total["wire"], "decoded": self.total["decoded"]},
            "by_type": {kind: _sums(sums) for kind, sums in sorted(self.types.items())},
            "by_directory": sorted(places[:DIRECTORIES], key=lambda one: one["path"]),
            "files": self.files.found(),
            "broken": self.broken,
            "redirects": self.redirects,
            "duplicates": twice,
            "uncompressed": self.plain.found(),
            "slow": self.slow.found(),
            "entries": self.entries,
            "entries_cut": self.requests - len(self.entries),
            "engine": ", ".join(sorted(self.engines)) or None,
            "started": self.started or None,
        }


class _Most:
    """The rows with the most of something, of any number that pass."""

    def __init__(self, limit: int, key: str) -> None:
        self._limit, self._key = limit, key
        self._heap: list[tuple[float, int, Row]] = []
        self._seen = 0

    def add(self, row: Row) -> None:
        if row[self._key] is not None:
            self._seen += 1
            one = (row[self._key], -self._seen, row)
            if len(self._heap) < self._limit:
                heappush(self._heap, one)
            else:
                heappushpop(self._heap, one)

    def found(self) -> list[Row]:
        return [row for _, _, row in sorted(self._heap, key=lambda one: one[:2], reverse=True)]


def _sums(sums: Counter[str]) -> Row:
    return {name: sums[name] for name in ("count", "wire", "decoded")}


def _url(one: Row) -> str:
    """The URL with its scheme, which a line of a list may lack."""
    url = str(one.get("url") or one.get("input") or "")
    return url if "://" in url else str(one.get("final_url") or url)


def _place(url: str) -> tuple[str, str]:
    """Its host, and the directory that it is in; no host for what is no URL."""
    _, colon, rest = url.partition("://")
    if not colon:
        return "", "/"
    authority, _, path = rest.partition("?")[0].partition("#")[0].partition("/")
    return authority, f"/{path[: path.rfind('/') + 1]}"


def _linked(one: Row) -> Row:
    referrers = [one["referrer"]] if one.get("referrer") else []
    return {"referrers": referrers, "linked": len(referrers)}
