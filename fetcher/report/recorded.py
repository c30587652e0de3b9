"""What the records of a run say about a site: the shape of an audit, as far as records alone can tell.

All records are counted; what grows with them is kept up to a limit. `NAME_cut` in the record is how many rows
the list NAME lacks, and `dropped` names the lists of what was too much to be kept apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from fetcher.media import is_text, kind_of
from fetcher.report.histogram import filled, step
from fetcher.report.kept import Known, Most

ENTRIES: Final = 20_000  # all that a page lists
LIST: Final = 100  # the heaviest files, the hosts with the most URLs
SLOW: Final = 50
URLS: Final = 20  # under which one content is known
DIRECTORIES: Final = 1_000
NAMES: Final = 50_000  # hosts, directories and contents that are known at once
SMALL: Final = 1_400  # bytes: less fits into one packet, compressed or not
SUMS: Final = ("count", "wire", "decoded", "failed")

Row = dict[str, Any]
Sums = list[int]


def site(records: Iterable[Row]) -> Row:
    """The record of an audit, without what only an audit knows: budgets, fragments, whole pages' weights."""
    run = _Run()
    for one in records:
        run.add(one)
    return run.record()


class _Run:
    """What is kept of the records while they pass."""

    def __init__(self) -> None:
        self.total, self.pages = _none(), 0
        self.types: dict[str, Sums] = {}
        self.sizes: Counter[int] = Counter()
        self.hosts = Known(NAMES, _none, lambda sums: sums[0])
        self.directories = Known(NAMES, _none, lambda sums: sums[1])
        self.contents = Known(NAMES, lambda: Row(decoded=0, urls=[], count=0), _again)
        self.entries, self.plain = Most(ENTRIES), Most(ENTRIES)
        self.files, self.slow = Most(LIST), Most(SLOW)
        self.broken: list[Row] = []
        self.redirects: list[Row] = []
        self.redirected = self.starts = 0
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
        self.entries.add(entry, -1 if wire is None else wire)
        self._note(one, url)
        self._weigh(one.get("final_url") or url, kind, (1, wire or 0, decoded or 0, not ok))
        if wire is not None:
            self.sizes[step(wire)] += 1
        if not ok:
            if len(self.broken) < ENTRIES:
                self.broken.append({**entry, "message": one.get("message"), **_linked(one)})
            return
        if one.get("redirects") or (status or 0) >= 300:
            self._redirect(one, url)
        if status is not None and status < 300:
            self.pages += kind == "html"
            self._whole(one, entry)

    def _note(self, one: Row, url: str) -> None:
        if one.get("depth") == 0:
            self.starts += 1
            self.start += [url] if len(self.start) < LIST else []
        if one.get("engine"):
            self.engines.add(one["engine"])
        if one.get("started"):
            self.started = min(self.started or one["started"], one["started"])

    def _weigh(self, url: str, kind: str, weight: tuple[int, ...]) -> None:
        _add(self.total, weight)
        _add(self.types.setdefault(kind, _none()), weight)
        host, path = _place(url)
        if not host:
            return
        _add(self.hosts[host], weight)
        while True:
            _add(self.directories[host + path], weight)
            if path == "/":
                return
            path = path[: path.rindex("/", 0, -1) + 1]

    def _whole(self, one: Row, entry: Row) -> None:
        """What only a whole answer tells."""
        url, wire = entry["url"], entry["wire"]
        self.files.add(entry, wire)
        if entry["type"] == "html":
            self.slow.add({**entry, "ttfb": one.get("ttfb")}, entry["elapsed"])
        plain = not one.get("encoding") and is_text(one.get("content_type"), url)
        if plain and wire is not None and wire >= SMALL:
            self.plain.add({"url": url, "wire": wire, "gzip": None, "saved": None}, wire)
        if (digest := one.get("sha256")) and entry["decoded"]:
            known = self.contents[digest]
            known["decoded"] = entry["decoded"]
            known["count"] += 1
            known["urls"] += [url] if len(known["urls"]) < URLS else []

    def _redirect(self, one: Row, url: str) -> None:
        self.redirected += 1
        if len(self.redirects) == ENTRIES:
            return
        chain = one.get("redirects") or [{"url": url, "status": one.get("status")}]
        final = one.get("final_url")
        if final == chain[-1]["url"]:
            final = None
        self.redirects.append({"chain": chain, "final": final, **_linked(one)})

    def record(self) -> Row:
        """In the shape of an audit."""
        count, wire, decoded, failed = self.total
        lists = {
            "files": (self.files.found(), 0),
            "broken": (self.broken, failed - len(self.broken)),
            "redirects": (self.redirects, self.redirected - len(self.redirects)),
            "duplicates": self._twice(),
            "uncompressed": (self.plain.found(), self.plain.cut),
            "slow": (self.slow.found(), 0),
            "by_host": self._hosts(),
            "by_directory": self._directories(),
            "entries": (self.entries.passed(), self.entries.cut),
        }
        dropped = {"by_host": self.hosts.dropped, "by_directory": self.directories.dropped}
        dropped["duplicates"] = self.contents.dropped
        return {
            "start": self.start,
            "start_cut": self.starts - len(self.start),
            "pages": self.pages,
            "requests": count,
            "failed": failed,
            "hosts": len(self.hosts),
            "bytes": {"wire": wire, "decoded": decoded},
            "by_type": {kind: _sums(sums) for kind, sums in sorted(self.types.items())},
            "sizes": filled(self.sizes),
            **{name: found for name, (found, _) in lists.items()},
            **{f"{name}_cut": cut for name, (_, cut) in lists.items()},
            "dropped": [name for name, were in dropped.items() if were],
            "engine": ", ".join(sorted(self.engines)) or None,
            "started": self.started or None,
        }

    def _hosts(self) -> tuple[list[Row], int]:
        """Those with the most URLs; of one alone all is said already."""
        if len(self.hosts) < 2:
            return [], 0
        found = [{"host": host, **_sums(sums)} for host, sums in self.hosts.heaviest(LIST)]
        return found, len(self.hosts) - len(found)

    def _directories(self) -> tuple[list[Row], int]:
        several = len(self.hosts) > 1
        found = [
            {"path": name if several else name[name.index("/") :], **_sums(sums)}
            for name, sums in self.directories.heaviest(DIRECTORIES)
        ]
        return sorted(found, key=lambda one: str(one["path"])), len(self.directories) - len(found)

    def _twice(self) -> tuple[list[Row], int]:
        """The contents that came more than once."""
        twice = sum(one["count"] > 1 for one in self.contents.values.values())
        found = self.contents.heaviest(min(twice, DIRECTORIES))
        return [{"sha256": digest, **one} for digest, one in found], twice - len(found)


def _none() -> Sums:
    return [0] * len(SUMS)


def _add(sums: Sums, weight: tuple[int, ...]) -> None:
    sums[0] += weight[0]
    sums[1] += weight[1]
    sums[2] += weight[2]
    sums[3] += weight[3]


def _sums(sums: Sums) -> Row:
    return dict(zip(SUMS, sums, strict=True))


def _again(content: Row) -> float:
    return float(content["decoded"] * (content["count"] - 1))


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
    return authority.rpartition("@")[2], f"/{path[: path.rfind('/') + 1]}"


def _linked(one: Row) -> Row:
    referrers = [one["referrer"]] if one.get("referrer") else []
    return {"referrers": referrers, "linked": len(referrers)}
