"""Is every row of the input in the output, once: `fetch verify INPUT OUT`."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fetcher.cli import COMMANDS
from fetcher.cli import options as table
from fetcher.cli.get import guarded
from fetcher.errors import FetchError, UsageError
from fetcher.logins import mask
from fetcher.tables import is_url

if TYPE_CHECKING:
    from fetcher.ledger.proof import Proof, Ranges

TAKEN: Final = ("unique", "column", "field", "json", "config", "debug")
NAMED: Final = {
    "missing": "row",
    "doubled": "row",
    "foreign": "row",
    "broken": "line",
    "unfinished": "part",
    "damaged": "part",
}


def verify(files: list[str], **values: Any) -> None:
    """Prove that each row of INPUT has exactly one record in OUT, and that it is of the same URL.

    INPUT... are those that were fetched, in the same order, with the same
    --unique, --column and --field; OUT is what -o has written (.jsonl .csv
    .parquet, or the DIR/ of parts). Exit code 0: complete; 1: not; 2: used
    wrongly.
    """
    raise typer.Exit(guarded(lambda: _verify(files, values), debug=values["debug"]))


command = table.command(
    verify,
    TAKEN,
    [
        inspect.Parameter(
            "files",
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            annotation=Annotated[list[str], typer.Argument(metavar="INPUT... OUT", show_default=False)],
        )
    ],
)


def _verify(files: list[str], values: dict[str, Any]) -> int:
    """Read both, compare, print: the exit code."""
    from fetcher.ledger.proof import prove
    from fetcher.sources import Reading, read_all, resolve

    *inputs, out = files
    if not inputs:
        raise UsageError("verify needs the list as well as its records: fetch verify INPUT... OUT")
    reading = Reading(values["column"], values["field"])
    try:
        given = resolve(inputs, sys.stdin.buffer if sys.stdin else None, reading, COMMANDS)
        proof = prove(read_all(given), out, unique=values["unique"])
    except KeyboardInterrupt:
        return 130
    except UsageError as error:
        if _holds_records(inputs[0]) and _is_there(out) and not _holds_records(out):
            right = " ".join([*inputs[1:], out, inputs[0]])
            raise UsageError(
                f"{inputs[0]} has records and {out} has none: they look swapped: fetch verify {right}"
            ) from error
        raise
    if values["json"]:
        print(json.dumps(proof.record(), indent=1))
    else:
        for line in lines(proof, " ".join(map(mask, inputs)), mask(out)):
            print(line.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding))
    return int(not proof.complete)


def _is_there(path: str) -> bool:
    return is_url(path) or Path(path).exists()


def _holds_records(path: str) -> bool:
    """Whether a file or a directory has a record; what cannot be read twice is not looked into."""
    from fetcher.records import read

    if not (Path(path).is_file() or Path(path).is_dir()):
        return False
    try:
        return next(read(path), None) is not None
    except FetchError:
        return False


def lines(proof: Proof, listed: str, out: str) -> list[str]:
    """What was found, in words."""
    from fetcher.ledger import shown

    if proof.complete:
        counts = f"{proof.ok:,} ok, {proof.records - proof.ok:,} failed"
        return [f"complete: each of {proof.rows:,} rows has one record in {out} ({counts})"]
    found = [f"not complete: {proof.rows:,} rows in {listed}, {proof.records:,} records in {out}"]
    for name, what in NAMED.items():
        if (ranges := getattr(proof, name)).count:
            found.append(f"  {name} {ranges.count:,}: {_told(ranges, what)}")
    found += [f"    row {row:,} is {shown(a)} there, {shown(b)} in the list" for row, a, b in proof.differs]
    if proof.torn:
        found.append(f"  torn: its last record was cut off ({proof.torn:,} bytes)")
    if proof.foreign.count:
        found.append("  foreign: is it the same list, with the same --unique, --column and --field?")
    if proof.damaged.count:
        found.append("  damaged: these files are not whole: remove them, and --resume asks their rows again")
    if proof.missing.count and not (proof.doubled.count or proof.foreign.count or proof.broken.count):
        found.append(f"  what is missing is asked by: fetch {listed} -o {out} --resume")
    return found


def _told(ranges: Ranges, what: str) -> str:
    """`rows 5, 7-9 and more`."""
    parts = [f"{a:,}" if a == b else f"{a:,}-{b:,}" for a, b in ranges.first]
    more = " and more" if sum(b - a + 1 for a, b in ranges.first) < ranges.count else ""
    return f"{what}{'s' * (ranges.count > 1)} {', '.join(parts)}{more}"
