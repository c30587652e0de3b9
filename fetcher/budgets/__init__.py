"""Size budgets of an audit: read from TOML before the crawl starts, judged from the audit's record after it.

    [budgets]                 # the header may be left out
    "/**"      = ["html wire <= 150kB", "page total <= 2MB", "broken = 0"]
    "/blog/**" = ["page requests <= 40", "page elapsed <= 2s"]
    "*.js"     = ["script decoded <= 300kB"]

A key is a pattern for URLs: `*` stands for anything within a segment of the path, `**` for anything at all.
It is matched against the path, with or without its query; without a leading slash against the last segments
of the path (`*.js`); with `://` in it against the whole URL.

A rule is `SUBJECT FIGURE OP LIMIT`. SUBJECT: `page` (an HTML page with its subresources), `file` (any file)
or its type (html css script image font media data document other). FIGURE: `wire` and `decoded` (bytes),
`elapsed` (seconds); of a page also `total` (the wire bytes of all it needs) and `requests`. OP: <= < = == >=
>. Units: B kB MB GB KiB MiB GiB, s ms. Only what came whole with a status below 300 is judged.

Or it counts, `WHAT OP LIMIT`: `pages failed broken fragments redirects duplicates uncompressed uncached`
among the URLs that match; of the key "/**" also `not_fetched`, or one reason of it: `not_fetched robots = 0`.

What is missing fails: a URL without the figure, and a rule for which no URL was there at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from fetcher.budgets.patterns import matcher
from fetcher.budgets.rules import LISTED, SUBJECTS, Budgets
from fetcher.budgets.rules import read as read
from fetcher.budgets.verdict import Verdict

CUT: Final = ("failed", *(name for name in SUBJECTS if name != "page"))  # judged by entries alone
ENTRIES: Final = (*CUT, "pages", *LISTED)  # what looks at entries, if only to see that one matches


def judge(budgets: Budgets, record: dict[str, Any]) -> list[dict[str, Any]]:
    """What became of each rule, from an audit's record: its `entries`, `weights` and lists of findings.

    `entries` and `weights` are read once, so they may be iterators. Entries that were cut off the record
    (`entries_cut`) were not judged, and that fails too: judge first, cut afterwards.
    """
    verdicts = [Verdict(rule) for rule in budgets.rules]
    for verdict, weight in _matching(verdicts, ("page", "pages"), record["weights"]):
        verdict.weigh(weight)
    for verdict, entry in _matching(verdicts, ENTRIES, record["entries"]):
        verdict.look(entry)
    for name in LISTED:
        for verdict, found in _matching(verdicts, (name,), record.get(name) or ()):
            verdict.count(_urls(found)[0])
    for verdict in verdicts:
        if verdict.rule.subject == "not_fetched":
            verdict.leave(record["not_fetched"], record.get("left_out") or {})
        elif verdict.rule.subject in CUT:
            verdict.unknown = record.get("entries_cut") or 0
    return [verdict.record() for verdict in verdicts]


def _matching(
    verdicts: list[Verdict], subjects: Sequence[str], items: Iterable[dict[str, Any]]
) -> Iterator[tuple[Verdict, dict[str, Any]]]:
    """Each item with each verdict on one of these subjects whose pattern it matches."""
    groups: dict[str, list[Verdict]] = {}
    for one in verdicts:
        if one.rule.subject in subjects:
            groups.setdefault(one.rule.pattern, []).append(one)
    matchers = [(matcher(pattern), group) for pattern, group in groups.items()]
    for item in items if matchers else ():
        urls = _urls(item)
        for matches, group in matchers:
            if any(map(matches, urls)):
                for verdict in group:
                    yield verdict, item


def _urls(item: dict[str, Any]) -> Sequence[str]:
    """What is matched: an entry's URL, the first of a chain of redirects, or any of several duplicates."""
    if "chain" in item:
        return [item["chain"][0]["url"]]
    return item["urls"] if "urls" in item else [item["url"]]
