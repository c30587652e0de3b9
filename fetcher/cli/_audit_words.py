"""An audit in words, for a terminal: what the site weighs, what is broken, what would make it lighter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fetcher.cli._crawl_words import meant
from fetcher.cli._sections import aligned, joined, linked_from, number, section, size, top, whole
from fetcher.cli._summary import KEPT
from fetcher.findings import Failure, amount, budget_name, budget_said, counted, failures

HEAVIEST, FILES, BROKEN, FRAGMENTS, CHAINS, SAVINGS, SLOW, FAILING = 10, 5, 20, 10, 5, 3, 3, 3


def words(record: dict[str, Any], width: int | None = None) -> str:
    """The audit as plain lines, wrapped where there is a width; a URL stands last on its line, and whole."""
    lines = [*_totals(record)]
    for part in (_types(record["by_type"], width), _weights(record), _faults(record), _savings(record)):
        lines += part
    lines += [*_left_out(record), *_budgets(record["budgets"])]
    return joined(lines, width)


def _totals(record: dict[str, Any]) -> Iterator[str]:
    asked = f"{counted(record['pages'], 'page')}, {counted(record['requests'], 'request')}"
    yield f"{asked} in {record['seconds']:.2f} s: {record['failed']:,} failed"
    yield f"  {record['bytes']['wire']:,} B received, {record['bytes']['decoded']:,} B decoded"
    if record.get("offline"):
        yield "  no name outside of the site could be looked up here: its links to elsewhere were not checked"
    if record.get("interrupted"):
        yield f"  interrupted: this is what was seen by then; {counted(record['left'], 'URL')} left"
    if limit := record.get("limit"):
        yield f"  {limit}"


def _types(by_type: dict[str, Any], width: int | None) -> list[str]:
    """A table; where it is too wide, a sentence for each type."""
    if not by_type:
        return []
    kinds = sorted(by_type.items(), key=lambda pair: -(pair[1]["wire"] or 0))
    rows = [("type", "files", "B received", "B decoded")]
    rows += [(name, f"{one['count']:,}", number(one["wire"]), number(one["decoded"])) for name, one in kinds]
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if width is not None and sum(wide) + 2 * len(wide) > width:
        return [
            f"  {name}: {files} files, {wire} B received, {decoded} B decoded"
            for name, files, wire, decoded in rows[1:]
        ]
    return [
        "  "
        + "  ".join(text.ljust(wide[0]) if not at else text.rjust(wide[at]) for at, text in enumerate(row))
        for row in rows
    ]


def _weights(record: dict[str, Any]) -> list[str]:
    heaviest, files = record["heaviest"], record["files"]
    pages = [(size(one["wire"]), counted(one["requests"], "request"), one["url"]) for one in heaviest]
    single = [(size(one["wire"]), one["type"], one["url"]) for one in files]
    asked = sum(one["count"] for one in record["by_type"].values())
    return [
        *top("heaviest pages, with all they need", pages, HEAVIEST, record["pages"]),
        *top("heaviest files", single, FILES, asked),
    ]


def _faults(record: dict[str, Any]) -> list[str]:
    failed = failures(record)
    sitemaps = [one for one in record["sitemaps"] if one["error"] or (one["status"] or 0) >= 400]
    told = {one["url"] for one in sitemaps}
    broken = [one for one in failed if one.is_broken]
    perhaps = [one for one in failed if not one.is_broken and one.url not in told]
    fragments = [
        [
            f"{KEPT * 2}{whole(one['url'])}#{whole(one['fragment'])}",
            *linked_from(one["referrers"], one["linked"]),
        ]
        for one in record["fragments"]
    ]
    chains = sorted(
        (one for one in record["redirects"] if one["chain"]),
        key=lambda one: (-len(one["chain"]), -one["linked"]),
    )
    return [
        *section("broken", [_failure(one) for one in broken], BROKEN),
        *section(
            "perhaps broken (they may refuse robots, or be busy)", [_failure(one) for one in perhaps], BROKEN
        ),
        *section("links to an #anchor that the page does not have", fragments, FRAGMENTS),
        *section("links that are redirected", [_chain(one) for one in chains], CHAINS),
        *section(
            "sitemaps that failed",
            [[f"  {one['error'] or one['status']}  {whole(one['url'])}"] for one in sitemaps],
            FAILING,
        ),
    ]


def _savings(record: dict[str, Any]) -> list[str]:
    files = sorted(record["uncompressed"], key=lambda one: -one["saved"])
    unpacked = [(f"{one['saved']:,} B", f"of {one['wire']:,} B", one["url"]) for one in files]
    same = [
        [
            f"  {counted(one['count'], 'URL')} with {_same(one['decoded'])}",
            *(f"      {whole(url)}" for url in one["urls"][:2]),
        ]
        for one in record["duplicates"]
        if one["urls"]
    ]
    slow = [(f"{one['elapsed']:.2f} s", _first_byte(one["ttfb"]), one["url"]) for one in record["slow"]]
    uncached = [[f"  {size(one['wire'])}  {whole(one['url'])}"] for one in record["uncached"]]
    lines = section("same content under several URLs", same, SAVINGS)
    if files:
        saved = sum(one["saved"] for one in files)
        title = f"compression would save {saved:,} B in {counted(len(files), 'file')}"
        lines += section(title, aligned(unpacked), SAVINGS, count=False)
    busy = " (times hold waiting for fetch itself: it was the limit)" if record.get("busy") else ""
    lines += top(f"slowest pages{busy}", slow, SLOW, record["pages"])
    return lines + section("no Cache-Control, Expires, ETag or Last-Modified", uncached, 1)


def _left_out(record: dict[str, Any]) -> list[str]:
    lines = []
    reasons = sorted(record["not_fetched"].items(), key=lambda pair: -pair[1])
    for reason, count in reasons:
        why = f": {meant(reason)}" if meant(reason) != reason else ""
        example = next(iter(record["left_out"].get(reason, ())), None)
        such = f", such as {whole(example)}" if example is not None else ""
        lines.append(f"  {count:,} {reason}{why}{such}")
    if lines:
        lines = ["", f"not fetched: {sum(count for _, count in reasons):,}", *lines]
    if cut := record.get("entries_cut"):
        lines += ["", f"asked, but not listed in -o audit.json: {counted(cut, 'URL')}"]
    return lines


def _budgets(budgets: Sequence[dict[str, Any]]) -> list[str]:
    if not budgets:
        return []
    failed = sum(not one["ok"] for one in budgets)
    lines = ["", f"budgets: {failed:,} of {len(budgets):,} failed" if failed else "budgets: all passed"]
    for one in budgets:
        lines.append(f"  {'PASS' if one['ok'] else 'FAIL'}  {budget_name(one)}  ({budget_said(one)})")
        if not one["ok"]:
            shown = one["failing"][:FAILING]
            lines += [
                f"      {amount(url['value'], one.get('unit', ''))}  {whole(url['url'])}" for url in shown
            ]
            if (more := one["failed"] - len(shown)) > 0 and shown:
                lines.append(f"      ... and {more:,} more")
    return lines


def _failure(one: Failure) -> list[str]:
    return [f"  {one.answer}  {whole(one.url)}", *linked_from(one.referrers, one.linked)]


def _chain(item: dict[str, Any]) -> list[str]:
    hops = [f"{hop['status'] or 'no answer'}  {whole(hop['url'])}" for hop in item["chain"]]
    lines = [f"  {hops[0]}", *(f"    to {hop}" for hop in hops[1:])]
    if item["final"] is None:
        lines.append("    and leads nowhere")
    elif item["final"] != item["chain"][-1]["url"]:
        lines.append(f"    to {whole(item['final'])}")
    return [*lines, *linked_from(item["referrers"], item["linked"])]


def _same(size: int | None) -> str:
    return "the same content" if size is None else f"the same {size:,} B"


def _first_byte(seconds: float | None) -> str:
    return "" if seconds is None else f"first byte {seconds:.2f} s"
