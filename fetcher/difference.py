"""What changed between two runs: which URLs are new, which are gone, and what the others answer now.

Only what is compared is kept of a record, and only once of two that are equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

FIELDS: Final = (
    *("ok", "status", "error", "final_url", "redirects", "content_type", "size", "wire_size", "sha256"),
)
SIZES: Final = ("size", "wire_size")
CONTENT: Final = frozenset((*SIZES, "sha256"))
WORST: Final = {"broken": 0, "gone": 2, "changed": 3, "new": 5, "repaired": 7}

Record = Mapping[str, Any]
Facts = tuple[Any, ...]  # the URL, and its FIELDS


class Event(NamedTuple):
    """What happened to one URL."""

    word: str  # a key of WORST
    url: str
    facts: dict[str, Any]  # of a new or gone one: ok, status, error, size
    changes: dict[str, list[Any]]  # field -> [old, new]


@dataclass(slots=True)
class Side:
    """One of the two runs; of several records of one URL the last counts."""

    records: int = 0
    rows: dict[str, Facts] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)  # those that its records have


@dataclass(slots=True)
class Difference:
    """All differences, worst first, and how many URLs have none."""

    old: Side
    new: Side
    compared: tuple[str, ...]
    lacking: tuple[str, ...]  # fields that only one of the runs has, so they were not compared
    events: list[Event] = field(default_factory=list)
    same: int = 0

    def record(self) -> dict[str, Any]:
        """As `fetch diff --json` prints it, without the names of the files."""
        return {
            "old": {"records": self.old.records, "urls": len(self.old.rows)},
            "new": {"records": self.new.records, "urls": len(self.new.rows)},
            "compared": list(self.compared),
            "added": [{"url": one.url, **one.facts} for one in self.events if one.word == "new"],
            "removed": [{"url": one.url, **one.facts} for one in self.events if one.word == "gone"],
            "changed": [{"url": one.url, "changes": one.changes} for one in self.events if one.changes],
            "same": self.same,
        }


def compare(
    old: Iterable[Record], new: Iterable[Record], *, ignore: Iterable[str] = (), tolerance: float = 0.0
) -> Difference:
    """The differences, URL by URL. Sizes that differ by at most `tolerance` percent of the old are equal."""
    before = _read(old, {})
    after = _read(new, before.rows)
    left_out = frozenset(ignore)
    wanted = [name for name in FIELDS if name not in left_out]
    there = before.fields & after.fields if before.rows and after.rows else frozenset(wanted)
    lacking = tuple(name for name in wanted if name not in there and name in before.fields | after.fields)
    found = Difference(before, after, tuple(name for name in wanted if name in there), lacking)
    for url, now in after.rows.items():
        then = before.rows.get(url)
        if then is None:
            found.events.append(Event("new", url, _outline(now), {}))
        elif then is not now and (changes := _changes(then, now, found.compared, tolerance)):
            word = "changed" if then[1] == now[1] else "repaired" if now[1] else "broken"
            found.events.append(Event(word, url, {}, changes))
        else:
            found.same += 1
    for url, then in before.rows.items():
        if url not in after.rows:
            found.events.append(Event("gone", url, _outline(then), {}))
    found.events.sort(key=_rank)
    return found


def _read(records: Iterable[Record], twin: dict[str, Facts]) -> Side:
    """What is compared of each URL's last record; the same object where the twin has the same."""
    side = Side()
    known: dict[str | int, str | int] = {}
    for record in records:
        side.records += 1
        side.fields.update(record)
        facts = _facts(record, known)
        then = twin.get(facts[0])
        if then is not None:
            facts = then if then == facts else (then[0], *facts[1:])
        side.rows[facts[0]] = facts
    return side


def _facts(record: Record, known: dict[str | int, str | int]) -> Facts:
    """The URL and its FIELDS, as small as they can be: no text is kept twice, a hash as bytes."""
    url, status, error = record["url"], record.get("status"), record.get("error")
    final, digest = record.get("final_url"), record.get("sha256")
    ok = record.get("ok")
    if ok is None:  # it was taken out of the file
        ok = error is None and isinstance(status, int) and status < 400
    if isinstance(digest, str):
        with suppress(ValueError):
            digest = bytes.fromhex(digest)
    hops = tuple((hop.get("url"), hop.get("status")) for hop in record.get("redirects") or ())
    small = [
        known.setdefault(one, one) if one else one for one in (status, error, record.get("content_type"))
    ]
    final = url if final == url else final
    return (
        *(url, ok, small[0], small[1], final, hops, small[2]),
        *(record.get("size"), record.get("wire_size"), digest),
    )


def _changes(then: Facts, now: Facts, compared: tuple[str, ...], tolerance: float) -> dict[str, list[Any]]:
    """Field -> [old, new] of what differs."""
    found = {}
    for name, old, new in zip(FIELDS, then[1:], now[1:], strict=True):
        if old == new or name not in compared:
            continue
        if name in SIZES and None not in (old, new) and abs(new - old) <= abs(old) * tolerance / 100:
            continue
        found[name] = [_plain(name, old), _plain(name, new)]
    return found


def _plain(name: str, value: Any) -> Any:
    """As the record has it."""
    if name == "redirects":
        return [{"url": url, "status": status} for url, status in value]
    return value.hex() if isinstance(value, bytes) else value


def _outline(facts: Facts) -> dict[str, Any]:
    return {name: facts[1 + FIELDS.index(name)] for name in ("ok", "status", "error", "size")}


def _rank(event: Event) -> tuple[int, float, str]:
    """The worst first: what fails now, what is gone, what answers otherwise, what grew; then the rest."""
    worst, growth = WORST[event.word], 0.0
    if event.word == "new" and not event.facts["ok"]:
        worst = 1
    elif event.word == "gone" and not event.facts["ok"]:
        worst = 6
    elif event.word == "changed" and event.changes.keys() <= CONTENT:
        worst = 4
    for name in SIZES:
        old, new = event.changes.get(name) or (None, None)
        if old is not None and new is not None:
            growth = max(growth, new - old) if growth > 0 else new - old
    return worst, -growth, event.url
