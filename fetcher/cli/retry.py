"""Ask again what failed, and put the new records in place of the old: `fetch retry OUT [--where EXPR]`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fetcher import logins
from fetcher.cli import _streams
from fetcher.cli import options as table
from fetcher.cli.get import guarded, options
from fetcher.errors import KINDS, TRANSIENT, UsageError
from fetcher.model import columns
from fetcher.sources import Item, Numbered, Skip

if TYPE_CHECKING:
    from fetcher.cli._watch import Watched
    from fetcher.where import Record, Where

# What may have passed since: also what a host put off, and what this machine could not do.
AGAIN: Final = TRANSIENT | {"host_backoff", *(name for name, kind in KINDS.items() if kind.whose == "here")}
OTHERS: Final = "not asked again"  # why a record is left as it is


def retry(out: str, **values: Any) -> None:
    """Ask the URLs of OUT again whose records match, and let the new records replace the old ones.

    OUT is what -o has written (.jsonl .csv). Without --where: what may have
    passed (timeouts, resets, 429, 500, 502, 503, 504 ...). New records are kept
    in OUT.retry.jsonl (.csv) until all have come; killed or stopped, the same
    command goes on from there. Then OUT is replaced at once.
    """
    given = {**table.DEFAULTS, **values}
    given["engine"] = given["engine"].lower()
    raise typer.Exit(guarded(lambda: _retry(out, given), debug=given["debug"]))


command = table.command(
    retry,
    table.RETRY,
    [
        inspect.Parameter(
            "out",
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            annotation=Annotated[str, typer.Argument(metavar="OUT", show_default=False)],
        )
    ],
)


def _retry(out: str, values: dict[str, Any]) -> int:
    from fetcher.cli._resumed import CATCH_UP
    from fetcher.cli._watch import Job, watch
    from fetcher.feeds.rows import Rows
    from fetcher.ledger import opened
    from fetcher.ledger.replaced import is_settled
    from fetcher.pump import Pump
    from fetcher.tables import parts
    from fetcher.where import parse

    where = parse(values["where"]) if values["where"] else _passing
    made = options(values)
    shown = columns(made)
    if parts(out) is not None:
        cure = f"make one file of it first: fetch report {out} -o all.jsonl, then fetch retry all.jsonl"
        raise UsageError(f"{out} is a directory of parts, which stay as they are: {cure}")
    if not Path(out).exists():
        raise UsageError(f"{out}: there is no such file: give what `-o FILE` has written")
    beside = f"{out}.retry{Path(out).suffix}"
    cure = f"a retry was stopped: go on with the same --where, or remove {beside}"
    if Path(beside).exists() and is_settled(out, beside):
        Path(beside).unlink()
    newer = Path(beside).exists() and Path(out).stat().st_mtime_ns > Path(beside).stat().st_mtime_ns
    with opened(out, shown, keep=True) as whole:
        if not whole.rows.count:
            raise UsageError(f"{out} holds no records: fetch INPUT -o {out} --resume makes them")
        with opened(beside, shown, [out], cure=cure) as ledger:
            begun = ledger.rows.count
            if begun and newer:
                raise UsageError(f"{out} has changed since {beside} was begun: remove that")
            rows = Rows(Pump(_again(out, where), CATCH_UP), made, ledger)
            watched = watch(Job(rows, made, values, shown, [beside], [out], ledger=ledger, unit="record"))
            said = _settle(out, beside, watched, rows.skipped["masked"])
    if begun:
        said.insert(0, f"{begun:,} records of {beside} were used: of a retry that was stopped")
    if whole.torn:
        said.append(f"{out} ended in a torn record, which is gone: fetch INPUT -o {out} --resume asks it")
    if not watched.heard:
        with opened(out, shown, keep=True) as now:
            said.append(f"{out} now: {now.rows.count - now.failed:,} ok, {now.failed:,} failed")
    if not values["quiet"]:
        for line in said:
            _streams.say(f"fetch: {line}")
    return watched.code


def _again(out: str, where: Where) -> Iterator[tuple[str, Item]]:
    """What is to be asked of the file, in its order; of the rest, why not."""
    from fetcher.records import read

    for record in read(out):
        row, url = record["row"], record["url"]
        if record.get("depth") is not None:
            raise UsageError(f"{out} is of a crawl, whose URLs follow from each other: crawl again")
        if not where(record):
            yield "", Skip(OTHERS)
        elif logins.userinfo(url).rstrip(":") == "***":
            yield "", Skip("masked")
        elif record["error"] == "invalid_url":  # what stands there may be cut short: another URL
            yield "", Skip("invalid_url")
        else:
            yield record.get("input") or "", Numbered(row, url)


def _passing(record: Record) -> bool:
    """Whether asking again may do better."""
    from fetcher.feeds.retry import PASSING

    error = record["error"]
    return error in AGAIN if error else record["status"] in PASSING


def _settle(out: str, beside: str, watched: Watched, masked: int) -> list[str]:
    """Replace the old records, if all new ones have come; what is to be said."""
    from fetcher.ledger.replaced import replace

    facts = watched.facts
    said = []
    if masked:
        what = "record stays as it is" if masked == 1 else "records stay as they are"
        said.append(f"{masked:,} {what}: a masked password can only be asked from the list")
    answered = watched.tally.done + facts.before
    if watched.heard or facts.left or facts.more:
        if answered:
            said.append(f"{out} is as it was; the same command goes on from {beside}")
            return said
    elif answered:
        count = replace(out, beside)
        said.append(f"{count:,} record{'s' * (count != 1)} of {out} replaced")
    with suppress(OSError):
        Path(beside).unlink()
    return said
