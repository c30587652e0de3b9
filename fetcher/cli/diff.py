"""What changed between two recorded runs: new, gone and changed URLs, worst first: `fetch diff OLD NEW`."""

from __future__ import annotations

import inspect
import json
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from fetcher.cli import options as table
from fetcher.cli.get import guarded
from fetcher.difference import FIELDS, Difference, Event, compare
from fetcher.errors import UsageError

TAKEN: Final = ("ignore", "size_tolerance", "output", "overwrite", "json", "config", "debug")
FORMS: Final = (".json", ".md")
WORDS: Final = ("broken", "gone", "changed", "new", "repaired")


def diff(old: str, new: str, **values: Any) -> None:
    """Say what changed from the run OLD to the run NEW: what -o has written, .jsonl .csv .parquet or DIR/.

    URL by URL: which are new or gone, and where status, error, redirects, type, size or hash differ.
    Exit code 0: nothing changed; 1: something did; 2: used wrongly.
    """
    raise typer.Exit(guarded(lambda: _diff(old, new, values), debug=values["debug"]))


def _run(name: str, text: str) -> inspect.Parameter:
    made = typer.Argument(metavar=name.upper(), help=text, show_default=False)
    return inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Annotated[str, made])


command = table.command(diff, TAKEN, [_run("old", "The earlier run."), _run("new", "The later run.")])


def _diff(old: str, new: str, values: dict[str, Any]) -> int:
    """Compare, write, print: the exit code."""
    from fetcher.cli._streams import say
    from fetcher.outputs import Whole, open_files
    from fetcher.records import read

    ignore = _ignored(values["ignore"])
    _check(values)
    runs = [read(old), read(new)]
    found = compare(*runs, ignore=ignore, tolerance=values["size_tolerance"])
    warnings = [one for run in runs for one in run.warnings] + _notes(found, old, new)
    for warning in warnings:
        say(f"fetch: {_visible(warning)}")
    record = found.record()
    record["old"]["file"], record["new"]["file"] = old, new
    record["warnings"] = warnings
    formed = {".json": lambda: _json(record), ".md": lambda: _markdown(found, old, new)}
    files = open_files(values["output"], overwrite=values["overwrite"], inputs=[old, new])
    try:
        for file, path in zip(files, values["output"], strict=True):
            file.write(_bytes(formed[Path(path).suffix.lower()]()))
    finally:
        for file in files:
            file.close()
    text = _json(record) if values["json"] else "".join(f"{line}\n" for line in lines(found, old, new))
    Whole(sys.stdout.fileno(), "standard output").write(_bytes(text, sys.stdout.encoding))
    return int(bool(found.events))


def lines(found: Difference, old: str, new: str) -> list[str]:
    """The difference in words: what was compared, the counts, and a line for each URL, worst first."""
    heads = [_visible(f"{old}: {_read(found.old)}; {new}: {_read(found.new)}"), _counts(found)]
    wide = max((len(one.word) for one in found.events), default=0)
    return heads + [f"{one.word:{wide}}  {_visible(one.url)}  {_visible(_told(one))}" for one in found.events]


def _read(side: Any) -> str:
    return f"{len(side.rows):,} URLs"


def _counts(found: Difference) -> str:
    numbers = {word: sum(one.word == word for one in found.events) for word in WORDS}
    counts = ", ".join(f"{number:,} {word}" for word, number in numbers.items() if number)
    return f"{counts or 'no difference'}; {found.same:,} the same"


def _told(event: Event) -> str:
    """What a line says after its URL."""
    if not event.changes:
        size = event.facts["size"]
        answer = event.facts["error"] or event.facts["status"] or "-"
        return f"{answer}" if size is None else f"{answer}, {size:,} B"
    named = {name: pair for name, pair in event.changes.items() if name != "ok"} or event.changes
    return ", ".join(f"{name} {_pair(name, *pair)}" for name, pair in named.items())


def _pair(name: str, old: Any, new: Any) -> str:
    growth = ""
    if name in ("size", "wire_size") and old and new is not None:
        growth = f" ({(new - old) / old:+.1%})"
    return f"{_value(name, old)} -> {_value(name, new)}{growth}"


def _value(name: str, value: Any) -> str:
    if value is None or value == []:
        return "none"
    if name == "redirects":
        return " ".join(f"{hop['status']} {hop['url']}" for hop in value)
    if name == "sha256":
        return str(value)[:12]
    return f"{value:,}" if name in ("size", "wire_size") else str(value)


def _notes(found: Difference, old: str, new: str) -> list[str]:
    """What a reader might take for compared, and was not."""
    notes = [
        f"{path}: of several records of one URL the last counts: {again:,} left out"
        for path, side in ((old, found.old), (new, found.new))
        if (again := side.records - len(side.rows))
    ]
    for name in found.lacking:
        path = new if name in found.old.fields else old
        notes.append(f"{name} was not compared: no record of {path} has it")
    return notes


def _markdown(found: Difference, old: str, new: str) -> str:
    from fetcher.sinks.markdown import cell

    heads = ["# What changed", cell(f"{old}: {_read(found.old)}; {new}: {_read(found.new)}"), _counts(found)]
    rows = [f"| {one.word} | {cell(one.url)} | {cell(_told(one))} |" for one in found.events]
    body = "\n".join(["| | URL | |", "|---|---|---|", *rows]) if rows else ""
    return "\n\n".join(filter(None, [*heads, body])) + "\n"


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=1) + "\n"


def _bytes(text: str, encoding: str | None = None) -> bytes:
    return text.encode(encoding or "utf-8", "backslashreplace")


def _visible(text: str) -> str:
    from fetcher.report.page import visible

    return visible(text)


def _ignored(given: list[str] | None) -> list[str]:
    """The fields of --ignore. Raises UsageError for one that is not compared anyway."""
    names = [name.strip() for text in given or () for name in text.split(",") if name.strip()]
    for name in names:
        if name not in FIELDS:
            close = get_close_matches(name, FIELDS, 1)
            hint = f"did you mean {close[0]}?" if close else f"use one of: {' '.join(FIELDS)}"
            raise UsageError(f"--ignore {name}: no such field is compared: {hint}")
    return names


def _check(values: dict[str, Any]) -> None:
    if not 0 <= values["size_tolerance"] < float("inf"):
        raise UsageError(f"--size-tolerance {values['size_tolerance']}: give percent from 0 on")
    for path in values["output"]:
        if Path(path).suffix.lower() not in FORMS:
            raise UsageError(
                f"{path}: a difference is written as one of {', '.join(FORMS)}: name such a file"
            )
