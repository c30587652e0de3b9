"""`-o DIR/`: the list as parts of a directory, on processes of this machine or on a Dask cluster."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fetcher import engines
from fetcher.cli import _streams
from fetcher.cli._heard import Heard
from fetcher.cli._lines import Lines
from fetcher.cli._parts import view_of, watch
from fetcher.cli._summary import Facts, text, totals
from fetcher.decode import accept_encoding
from fetcher.errors import UsageError
from fetcher.feeds.rows import Rows
from fetcher.handover import anywhere
from fetcher.logins import mask
from fetcher.model import Options
from fetcher.tables import MANIFEST, is_url

if TYPE_CHECKING:
    from fetcher.partition.parted import Parted

ALONE: Final = {"json": "--json", "errors": "--errors"}  # what is said of records on standard output
TOLD: Final = 5  # failed parts that are told of; the rest is counted


class _Interrupted(Exception):
    """A signal came while the list was sorted."""


def is_parted(values: dict[str, Any]) -> bool:
    """Whether the run goes to a directory of parts, or should: a path with a / at its end, or a URL."""
    if any(map(_is_directory, values["output"])):
        return True
    if values["cluster"] is not None:
        given = next(iter(values["output"]), "")
        cure = f"write -o {given}/, with a slash" if given and "." not in Path(given).name else "give -o DIR/"
        raise UsageError(f"--cluster writes parts: {cure} (or s3://...), which all its workers see")
    return False


def _is_directory(path: str) -> bool:
    return path.endswith("/") or is_url(path) or (Path(path) / MANIFEST).is_file()


def parted(values: dict[str, Any], options: Options, shown: tuple[str, ...], rows: Rows) -> int:
    """Run it to its end: the exit code. Raises UsageError before the first request, LocalFault after it."""
    from fetcher.cli._reports import open_reports
    from fetcher.partition import parted as room
    from fetcher.partition import parts, places, store
    from fetcher.partition.begun import begin

    began = time.monotonic()
    where = _checked(values, options)
    options = options if values["cluster"] is None else anywhere(options)
    suffix = parts.suffix_of(where)
    _needed(suffix, where)
    place_of = places.pick("processes" if values["cluster"] is None else "dask").place
    there = store.at(where)
    held = {"resume": values["resume"], "overwrite": values["overwrite"]}
    parts.opened(there, **held)  # before anything is made there
    try:
        with ExitStack() as stack:
            stack.enter_context(store.taken(there))
            old = parts.opened(there, **held)
            summary = [values["summary"]] if values["summary"] else []
            files = stack.enter_context(open_reports(summary, overwrite=values["overwrite"]))
            place = stack.enter_context(place_of(values["workers"], values["cluster"] or ""))
            signals = stack.enter_context(Heard(place.stop))
            view = stack.enter_context(view_of(values))
            manifest = parts.Manifest(suffix, list(shown), "", {})
            made = begin(there, rows, manifest, old, place.workers, _sorting(view, signals, mask(where)))
            view.clear()
            _say_begun(made, mask(where), values)
            watch(room.fetch(made, place, values["engine"], options), made, view, signals, values)
            facts = _facts(made, signals())
            facts.seconds, facts.cpu = time.monotonic() - began, time.process_time() + made.cpu
            facts.limit = made.limit
            for file in files:
                file.write(f"{json.dumps(totals(made.new, facts), indent=1)}\n".encode())
    except _Interrupted as interrupted:
        _streams.say("fetch: interrupted while the list was sorted by host: nothing was asked")
        return 128 + int(interrupted.args[0])
    if not values["quiet"]:
        _streams.say(text(made.new, facts, _streams.wrapped()))
    if signals():
        return 128 + signals.numbers[0]
    return 4 if made.failed else int(made.new.failed + made.old.failed > 0)


def _checked(values: dict[str, Any], options: Options) -> str:
    """The directory. Raises UsageError for what cannot go together."""
    from fetcher.partition.split import check

    outputs = values["output"]
    where = next(filter(_is_directory, outputs))
    if len(outputs) > 1:
        cure = "it is the only output; `fetch report` makes others from it"
        raise UsageError(f"-o {mask(where)} is a directory of parts: {cure}")
    for name, flag in ALONE.items():
        if values[name]:
            raise UsageError(f"{flag} is for records on standard output; with -o DIR/ they are in its parts")
    if values["save"]:
        why = "a part that is fetched again would find its files there"
        cure = "use --workers N with -o out.jsonl, or leave it out"
        raise UsageError(f"--save does not go with -o DIR/: {why}: {cure}")
    if values["resume"] and values["overwrite"]:
        raise UsageError("--resume keeps what -o DIR/ holds, --overwrite replaces it: give one of them")
    if values["summary"] == "-":
        raise UsageError("--summary -: name a file; a summary for people goes to standard error anyway")
    check(values["workers"], options)
    if values["workers"] > 1 and values["cluster"] not in (None, "local"):
        raise UsageError("--workers: a cluster has the workers that were started for it: leave it out")
    engines.pick(values["engine"])
    engines.speaks(values["engine"], options.http)
    return str(where)


def _needed(suffix: str, where: str) -> None:
    from fetcher import sinks

    try:
        sinks.pick(suffix[1:])
    except UsageError as error:
        where = mask(where)
        raise UsageError(f"-o {where}: {error}; or name it {where.rstrip('/')}.jsonl/") from error


def _sorting(view: Lines, signals: Heard, where: str) -> Callable[[int], None]:
    def told(count: int) -> None:
        if signals():
            raise _Interrupted(signals.numbers[0])
        view.draw(lambda: [f"sorting the list by host into {where}: {count:,} rows"])

    return told


def _say_begun(made: Parted, where: str, values: dict[str, Any]) -> None:
    if values["quiet"]:
        return
    count, rows = len(made.manifest.rows), made.rows
    parts = f"{count:,} part{'s' * (count != 1)}"
    before = f", {len(made.before):,} of them finished before" if made.before else ""
    _streams.say(f"fetch: {rows:,} row{'s' * (rows != 1)} sorted by host into {parts} of {where}{before}")
    alone = Counter(host for host in made.manifest.hosts if host)
    for host, several in alone.most_common(TOLD):
        many = f"{several:,} parts, which are fetched one after the other"
        of = many if several > 1 else "a part of its own"
        _streams.say(f"fetch: {host} has {of}: a host is asked by one worker at a time")
    if len(alone) > TOLD:
        _streams.say(f"fetch: and so have {len(alone) - TOLD:,} more hosts")


def _facts(made: Parted, interrupted: bool) -> Facts:
    done, count = len(made.done), len(made.manifest.rows)
    state = "complete" if done == count else f"{count - done:,} left: the same with --resume goes on"
    notes = [f"{made.store.url}: {done:,} of {count:,} parts, {state}"]
    notes += [
        f"part {number} was begun anew: its process or its worker had died" for number in made.anew[:TOLD]
    ]
    notes += [f"part {number} failed: {why}" for number, why in list(made.failed.items())[:TOLD]]
    if len(made.failed) > TOLD:
        notes.append(f"and {len(made.failed) - TOLD:,} more parts failed")
    return Facts(
        skipped=Counter(made.manifest.skipped),
        left=made.rows - made.new.done - made.old.done,
        before=made.old.done,
        dropped=made.dropped,
        failed_before=made.old.failed,
        again="the same with --resume, without --overwrite, asks the parts that are not finished",
        interrupted=interrupted,
        codings=accept_encoding(),
        notes=notes,
    )
