"""The audit as JUnit XML: a test for each budget and each URL that was asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from fetcher.findings import Failure, amount, budget_name, budget_said, counted, failures, findings
from fetcher.report.page import visible

SUFFIXES: Final = (".xml",)
MOST: Final = 20_000  # URLs with a test of their own; more, and CI servers choke
TESTED: Final = ("broken-link", "unchecked-link", "budget-failed")  # rules that have tests here

# Where a text may hold anything, `visible` has written out all that XML 1.0 forbids: controls, surrogates,
# U+FFFE and U+FFFF.


def text(record: dict[str, Any]) -> str:
    """One test suite. A URL that may work, but did not for us, is skipped: it fails no build."""
    cases = [*map(_budget, record["budgets"]), *_urls(record)]
    suite = Element(
        "testsuite",
        name="fetch audit",
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors="0",
        skipped=str(sum(case.find("skipped") is not None for case in cases)),
        time=_seconds(record["seconds"]),
    )
    if record.get("started"):
        suite.set("timestamp", visible(record["started"]))
    suite.extend(cases)
    SubElement(suite, "system-out").text = _account(record)
    root = Element("testsuites")
    root.append(suite)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, "unicode") + "\n"


def _urls(record: dict[str, Any]) -> Iterator[Element]:
    """The URLs that were asked, as far as the record has them, then whatever else failed."""
    failed = {one.url: one for one in failures(record)}
    for entry in record["entries"][:MOST]:
        case = _case(entry["type"] or "other", entry["url"], entry["elapsed"])
        yield _told(case, failed.pop(entry["url"], None))
    for one in failed.values():
        yield _told(_case("other", one.url, None), one)


def _told(case: Element, failed: Failure | None) -> Element:
    if failed is not None:
        fault = SubElement(case, "failure" if failed.is_broken else "skipped", message=failed.answer)
        if failed.is_broken:
            fault.set("type", failed.code)
        fault.text = _listed("linked from", failed.referrers, failed.linked)
    return case


def _budget(budget: dict[str, Any]) -> Element:
    case = _case("budget", budget_name(budget), None)
    if not budget["ok"]:
        fault = SubElement(case, "failure", message=budget_said(budget), type="budget")
        unit = budget.get("unit", "")
        lines = [f"{amount(one['value'], unit)}  {one['url']}" for one in budget["failing"]]
        fault.text = _listed("failed by", lines, budget["failed"])
    return case


def _case(group: str, name: str, seconds: float | None) -> Element:
    return Element("testcase", classname=visible(group), name=visible(name), time=_seconds(seconds))


def _listed(title: str, lines: Sequence[str], in_all: int) -> str | None:
    """The lines, and how many more there are."""
    if not lines:
        return None
    more = [f"  and {in_all - len(lines):,} more"] if in_all > len(lines) else []
    return "\n".join([f"{title}:", *(f"  {visible(line)}" for line in lines), *more])


def _account(record: dict[str, Any]) -> str:
    """What was done in all, and what has no test here."""
    pages, requests = counted(record["pages"], "page"), counted(record["requests"], "request")
    told = f"{pages}, {requests}, {record['failed']:,} failed."
    left = max(len(record["entries"]) - MOST, 0) + (record.get("entries_cut") or 0)
    if left:
        told += f" {counted(left, 'URL')} more had an answer and no test here; every broken link has one."
    notes = sum(one.rule not in TESTED for one in findings(record))
    if notes:
        told += f" {counted(notes, 'further finding')} that fail no test: -o FILE.sarif has them."
    return told


def _seconds(value: float | None) -> str:
    return f"{value or 0.0:.3f}"
