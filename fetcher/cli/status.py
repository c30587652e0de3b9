"""How far a run over parts is: `fetch status DIR`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from fetcher.cli.get import guarded
from fetcher.errors import UsageError
from fetcher.logins import mask

QUIET: Final = {True: 5.0, False: 30.0}  # seconds without a word after which nobody seems to be at work


def command(
    directory: Annotated[str, typer.Argument(metavar="DIR", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of fetch itself.")] = False,
) -> None:
    """Say how far `fetch ... -o DIR/` is: parts done and left, what is under way, and when it will end.

    Exit code 0: complete; 1: not yet.
    """
    raise typer.Exit(guarded(lambda: _status(directory, as_json), debug=debug))


def _status(directory: str, as_json: bool) -> int:
    """Look, and print: the exit code."""
    record = look(directory)
    if as_json:
        print(json.dumps(record, indent=1))
    else:
        print("\n".join(lines(record)))
    return int(not record["complete"])


def look(directory: str) -> dict[str, Any]:
    """What the directory says. Raises UsageError where it is none of ours."""
    from fetcher.partition import SCRATCH, parts, store
    from fetcher.tally import Tally

    if Path(directory).is_file():
        raise UsageError(
            f"{directory} is a file: give a directory of parts; for a file there is fetch verify"
        )
    there = store.at(directory)
    manifest = parts.read(there)
    if manifest is None:
        what = "its list is still being sorted, or it" if SCRATCH in there.names() else "it"
        raise UsageError(
            f"{mask(directory)} has no {parts.MANIFEST}: {what} is no directory that -o DIR/ has made"
        )
    done = parts.finished(there, manifest)
    tally = Tally()
    for one in done.values():
        tally.merge(one)
    said = parts.progress(there) or {}
    now = {} if said.get("over") else said
    return {
        "directory": mask(directory),
        "complete": len(done) == len(manifest.rows),
        "parts": {"done": len(done), "all": len(manifest.rows)},
        "rows": {"done": tally.done, "all": sum(manifest.rows)},
        "ok": tally.ok,
        "failed": tally.failed,
        "bytes": {"wire": tally.wire, "decoded": tally.decoded},
        "running": [one for one in now.get("running", ()) if one["part"] not in done],
        "seen": now.get("at"),
        "silent": now.get("silent"),
        "seconds_left": _left(now, sum(manifest.rows)),
        "failed_parts": said.get("failed", {}),
    }


def _left(said: dict[str, Any], rows: int) -> float | None:
    """Seconds until the end, at the pace since this run began."""
    took, records = said.get("at", 0.0) - said.get("began", 0.0), said.get("new", 0)
    if took <= 0 or records <= 0:
        return None
    return float((rows - said["records"]) * took / records)


def lines(record: dict[str, Any]) -> list[str]:
    """The same in words."""
    from fetcher.cli._parts import clock
    from fetcher.partition import SILENT

    parts, rows = record["parts"], record["rows"]
    share = f"{rows['done'] / rows['all']:.0%}" if rows["all"] else "100%"
    head = f"{record['directory']}: {parts['done']:,} of {parts['all']:,} parts"
    counts = f"{record['ok']:,} ok, {record['failed']:,} failed"
    if under := sum(one["records"] for one in record["running"]):
        counts += f"; {under:,} more in parts under way"
    found = [f"{head}, {rows['done']:,} of {rows['all']:,} rows ({share}): {counts}"]
    found += [
        f"  {one['worker']}: part {one['part']}, {one['records']:,} rows of it" for one in record["running"]
    ]
    found += [f"  part {number} failed: {why}" for number, why in record["failed_parts"].items()]
    if record["complete"]:
        return [*found, "  complete"]
    if record["seen"] is None:
        return [*found, "  nobody is at work: the same command with --resume goes on"]
    ago = time.time() - record["seen"]
    if ago > QUIET["://" not in record["directory"]]:
        return [*found, f"  nothing was heard for {clock(ago)}: if nobody is at work, --resume goes on"]
    if (silent := record["silent"] or 0.0) > SILENT:
        return [*found, f"  no worker has said anything for {clock(silent)}: are there any?"]
    left = "" if record["seconds_left"] is None else f", about {clock(record['seconds_left'])} left"
    return [*found, f"  at work (heard {ago:.0f} s ago){left}"]
