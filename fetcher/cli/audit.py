"""A crawl that ends in a site-size report, with budgets: `fetch audit URL...`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import typer

from fetcher.cli import options as table
from fetcher.cli._descriptors import width
from fetcher.cli.crawl import argument, followed, opened, settled
from fetcher.cli.get import guarded, options
from fetcher.errors import UsageError
from fetcher.model import columns, utc_now
from fetcher.outputs import suffixes
from fetcher.run import BUSY

FORMS: Final = (".json", ".html", ".md", ".xml", ".sarif")  # of the audit; other suffixes get the records
NARROWEST: Final = 20


def audit(starts: list[str] | None, **values: Any) -> None:
    """Crawl a site, weigh every page with all it needs, and say what is heavy, slow or broken.

    URL is a page with ://. -o writes by suffix: .json (all figures), .html and .md (for people), .xml
    (JUnit), .sarif; .jsonl, .csv and .parquet get one record per URL. Exit 1 where something is broken or
    over budget.
    """
    given = settled(values)
    raise typer.Exit(guarded(lambda: _audit(starts or [], given), debug=given["debug"]))


command = table.command(
    audit,
    [name for name in (*table.CRAWL, *table.OF_AUDIT) if name not in ("hash", "errors", "summary")],
    [argument],
    robots=True,
    assets="same-site",
)


def _audit(starts: list[str], values: dict[str, Any]) -> int:
    from fetcher.budgets import judge, read
    from fetcher.cli._reports import open_reports
    from fetcher.cli._watch import Job, watch
    from fetcher.feeds.frontier import Keeping
    from fetcher.inspection import inspect, shortened

    for path in values["output"]:
        if Path(path).suffix.lower() not in (*FORMS, *suffixes()):
            raise UsageError(f"{path}: an audit is written as one of {', '.join((*FORMS, *suffixes()))}")
    began = utc_now()
    made = replace(options(values), hash=True)
    budgets = read(*values["budget"])
    reports = [path for path in values["output"] if Path(path).suffix.lower() in FORMS]
    keeping = Keeping(records=True, links=True, external=values["external"])
    inputs = [*values["budget"], *([values["state"]] if values["state"] else [])]
    with opened(starts, values, made, keeping) as (frontier, replaces):
        overwrite = values["overwrite"] or replaces
        with open_reports(reports, overwrite=overwrite, inputs=inputs) as files:
            job = Job(
                frontier,
                followed(made),
                values,
                columns(made, crawl=True),
                [path for path in values["output"] if path not in reports],
                inputs=inputs,
                replaces=replaces,
                crawled=True,
                listed=False,
                earlier=frontier.site.results(),
                words=None,
            )
            watched = watch(job)
            record = inspect(frontier.site, starts)
            record["budgets"] = judge(budgets, record)
            if watched.heard:
                record["budgets"].insert(0, _cut_short(watched.facts.left))
            record = shortened(record) | {
                "seconds": round(watched.facts.seconds, 6),
                "cpu": round(watched.facts.cpu, 6),
                "engine": values["engine"],
                "started": began,
                "interrupted": bool(watched.heard),
                "limit": watched.facts.limit,
                "busy": watched.facts.cpu > BUSY * watched.facts.seconds,
                "left": watched.facts.left,
            }
            for file, path in zip(files, reports, strict=True):
                file.write(_formed(record, path).encode("utf-8", "backslashreplace"))
        _print(record, values)
    return _code(record, watched.heard, values)


def _cut_short(left: int) -> dict[str, Any]:
    """A verdict that fails in every form: what was not looked at is not in order."""
    note = "interrupted: this is what was seen by then"
    verdict = {"rule": "left = 0", "pattern": "", "ok": False, "worst": left, "limit": 0, "note": note}
    return verdict | {"failing": [], "failed": 0, "unit": "", "judged": 1}


def _formed(record: dict[str, Any], path: str) -> str:
    from fetcher import findings, report

    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        return json.dumps(record, indent=1) + "\n"
    if suffix in (".html", ".md"):
        return report.html(record) if suffix == ".html" else report.markdown(record)
    return findings.pick("junit" if suffix == ".xml" else "sarif").text(record)


def _print(record: dict[str, Any], values: dict[str, Any]) -> None:
    from fetcher.cli._audit_words import words
    from fetcher.findings import github

    if values["json"]:
        print(json.dumps(record, indent=1))
        return
    print(words(record, max(width(1), NARROWEST) if sys.stdout.isatty() else None))
    if github.wanted(os.environ):
        print(github.text(record))


def _code(record: dict[str, Any], heard: Sequence[int], values: dict[str, Any]) -> int:
    """1 where something is broken or over budget, unless only a report was wanted."""
    from fetcher.findings import findings

    if heard:
        return 128 + heard[0]
    return int(not values["exit_zero"] and any(found.level == "error" for found in findings(record)))
