"""A recorded run as a page: `fetch report RUN [-o FILE]...`."""

from __future__ import annotations

import inspect
import json
import sys
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from fetcher.cli import options as table
from fetcher.cli.get import guarded
from fetcher.errors import UsageError
from fetcher.model import COLUMNS, MORE, Result

TAKEN: Final = ("output", "overwrite", "config", "debug")
FORMS: Final = (".html", ".md")
TABLES: Final = (".jsonl", ".csv", ".parquet")
BATCH: Final = 500  # records written at once


def report(run: str, **values: Any) -> None:
    """Make a page of a run: what weighs how much, what is broken, what is slow.

    RUN is what an earlier run has written with -o: the records of get, crawl
    or audit (.jsonl .csv .parquet, or the DIR/ of parts), or the .json of an
    audit or a comparison.
    A page (.html) is one file that needs no network; .md is for an issue or a
    wiki, and goes to standard output where no -o is given. Records are also
    written in another form: .jsonl, .csv or .parquet.
    """
    raise typer.Exit(guarded(lambda: _report(run, values), debug=values["debug"]))


command = table.command(
    report,
    TAKEN,
    [
        inspect.Parameter(
            "run",
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            annotation=Annotated[str, typer.Argument(metavar="RUN", show_default=False)],
        )
    ],
)


def _report(run: str, values: dict[str, Any]) -> int:
    """Read it, form it, write it: the exit code."""
    from fetcher.outputs import open_files

    for path in values["output"]:
        if Path(path).suffix.lower() not in (*FORMS, *TABLES):
            known = ", ".join((*FORMS, *TABLES))
            raise UsageError(f"{path}: a report is written as one of {known}: name such a file")
    tables = [path for path in values["output"] if Path(path).suffix.lower() in TABLES]
    paths = [path for path in values["output"] if path not in tables]
    try:
        broken = _convert(run, tables, overwrite=values["overwrite"]) if tables else 0
        if tables and not paths:
            return broken
        pages = _pages(run, paths or [".md"], debug=values["debug"])
        if not paths:
            sys.stdout.buffer.write(pages[0].encode(sys.stdout.encoding, "backslashreplace"))
            sys.stdout.flush()
            return 0
        files = open_files(paths, overwrite=values["overwrite"], inputs=[run])
        for file, page in zip(files, pages, strict=True):
            with file:
                file.write(page.encode())
    except KeyboardInterrupt:
        return 130
    return broken


def _convert(run: str, paths: list[str], *, overwrite: bool) -> int:
    """The same records in other formats, with every column that any of them has: 1 where one was broken."""
    from fetcher.outputs import open_outputs
    from fetcher.records import read

    held: set[str] = set()
    for record in read(run):  # a run that went on may have had more columns than the one before
        held |= record.keys()
    columns = tuple(name for name in (*COLUMNS, *MORE) if not held or name in held)
    records = read(run)
    taken = [name for name in columns if name != "ok"]  # which follows from status and error
    with open_outputs(paths, columns, overwrite=overwrite, inputs=[run]) as outputs:
        while batch := [
            Result(**{name: one[name] for name in taken if name in one}) for one in islice(records, BATCH)
        ]:
            for output in outputs:
                output(batch)
    for warning in records.warnings:
        _warn(warning)
    return int(bool(records.warnings))


def _warn(warning: str) -> None:
    from fetcher.report.page import visible

    print(f"fetch: {visible(warning)}", file=sys.stderr)


def _pages(run: str, paths: list[str], *, debug: bool) -> list[str]:
    """The run in the form that each path asks for."""
    from fetcher import report as pages

    record = _record(run)
    try:
        return [
            pages.html(record) if Path(path).suffix.lower() == ".html" else pages.markdown(record)
            for path in paths
        ]
    except UsageError as error:
        raise UsageError(f"{run}: {error}") from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        if debug or not run.lower().endswith(".json"):
            raise
        raise UsageError(
            f"{run}: no page can be made of this ({type(error).__name__}: {error}): give it as fetch wrote it"
        ) from error


def _record(run: str) -> dict[str, Any]:
    """What the file holds; of records, what they come to."""
    from fetcher.records import read
    from fetcher.report.recorded import site

    if Path(run).suffix.lower() in (".xml", ".sarif", ".html", ".md"):
        raise UsageError(f"{run} is a report already: give the .json of a run, or its records")
    if not run.lower().endswith(".json"):
        records = read(run)
        found = site(records)
        for warning in records.warnings:
            _warn(warning)
        return found
    try:
        record = json.loads(Path(run).read_bytes())
    except OSError as error:
        raise UsageError(
            f"{run} cannot be read: {error.strerror}: give what `-o FILE` has written"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{run} is no JSON: {error}: give what `-o FILE` has written") from error
    if not isinstance(record, dict):
        raise UsageError(f"{run} holds no run: give what `-o FILE` has written")
    return record
