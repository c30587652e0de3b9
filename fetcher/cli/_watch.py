"""The main thread while a run goes on: writes what may block, draws progress, hears signals, sums up."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Union

from fetcher import engines
from fetcher.cli import _streams
from fetcher.cli._job import Job as Job
from fetcher.cli._job import Watched as Watched
from fetcher.cli._job import Words
from fetcher.cli._progress import Progress
from fetcher.cli._signals import Signals
from fetcher.cli._summary import Facts, totals
from fetcher.decode import accept_encoding
from fetcher.errors import UsageError
from fetcher.feeds.rows import Rows
from fetcher.ledger import SUFFIXES, Ledger
from fetcher.model import Result
from fetcher.outbox import Outbox
from fetcher.outputs import Output, open_outputs
from fetcher.run import Run, cpu_seconds
from fetcher.tally import Tally

if TYPE_CHECKING:
    from fetcher.partition.split import Split

GLANCE: Final = 0.1  # seconds between two looks at signals and progress
BATCH: Final = 500  # records of an earlier run that are told again at once

Running = Union[Run, "Split"]


def watch(job: Job) -> Watched:
    """Run it to its end. UsageError comes before the first request, LocalFault after it."""
    began = time.monotonic()
    values, tally = job.values, Tally()
    _check(job)
    with Signals() as signals:
        with ExitStack() as stack:
            lines = [_streams.stdout(values, job.shown)] if job.listed else []
            files = stack.enter_context(
                open_outputs(
                    job.files,
                    job.shown,
                    overwrite=values["overwrite"] or job.replaces,
                    inputs=job.inputs,
                    totals=_totals(values["summary"]),
                    kept=job.ledger.file if job.ledger is not None else None,
                )
            )
            outputs = [*(stack.enter_context(line) for line in lines), *files]
            run = _begun(job, tally, outputs)
            _warn(run, values, job.ledger)
            for file in filter(None, (*(output.file for output in outputs), files.totals)):
                file.gives_up = signals.gives_up
            signals.arm(run.stop)
            earlier = _tell_again(job.earlier, [tally.add, *outputs])
            with run:
                facts = _pass_on(run, outputs, tally, signals, _bar(values), job.ledger)
            facts.crawled, facts.earlier, facts.unit = job.crawled, earlier, job.unit
            facts.again = _again(job, facts)
            facts.seconds, facts.cpu = time.monotonic() - began, cpu_seconds()
            facts.limit = run.limited_by(facts.seconds)
            if files.totals is not None:
                with suppress(BrokenPipeError):
                    files.totals.write(f"{json.dumps(totals(tally, facts), indent=1)}\n".encode())
        # The formats have their ends now; words come last.
        broken = bool(outputs) and all(output.broken for output in outputs)
        unread = bool(lines) and lines[0].broken and not signals.heard
        if job.words is not None and not (values["quiet"] or unread):
            _streams.say(_words(job.words, tally, facts, outputs), signals.gives_up)
    return Watched(tally, facts, signals.heard, broken)


def _check(job: Job) -> None:
    """Raise UsageError for what no run could be begun with, before an output is opened, and so emptied."""
    engines.speaks(job.values["engine"], job.options.http)
    if isinstance(job.root, Rows) and job.values["workers"] != 1:
        from fetcher.partition.shares import check

        check(job.values["workers"], job.options)


def _begun(job: Job, tally: Tally, outputs: Sequence[Output]) -> Running:
    """The run, in this process or in several."""
    values = job.values
    if isinstance(job.root, Rows) and values["workers"] != 1:
        from fetcher.partition.split import Split

        return Split(job.root, values["engine"], job.options, values["workers"], tally, outputs)
    fast = [output for output in outputs if not output.file.waits]
    outbox = Outbox([tally.add, *fast], queued=len(fast) < len(outputs) or not outputs)
    return Run(job.root, values["engine"], job.options, outbox)


def _tell_again(earlier: Iterable[Result], writes: Sequence[Callable[[Sequence[Result]], None]]) -> int:
    """Hand on the records of an earlier run; how many there were."""
    results = iter(earlier)
    told = 0
    while batch := list(islice(results, BATCH)):
        for write in writes:
            write(batch)
        told += len(batch)
    return told


def _pass_on(
    run: Running,
    outputs: Sequence[Output],
    tally: Tally,
    signals: Signals,
    bar: Progress | None,
    ledger: Ledger | None,
) -> Facts:
    """Write what the loop must not wait for, until the run has ended; what it came to, but for its time."""
    slow = [output for output in outputs if output.file.waits] if isinstance(run, Run) else []
    if bar and not isinstance(run, Run):  # it writes its outputs itself
        run.clear = bar.clear
    root = run.root
    try:
        while (batch := run.results(GLANCE)) is not None:
            if bar and (batch or signals.heard):
                bar.clear()
            for output in slow if batch else ():
                output(batch)
            if outputs and all(output.broken for output in outputs):
                run.stop()
            if bar:
                bar.draw(
                    tally, root.total, "stopping" * run.stopping, ledger.done if ledger is not None else 0
                )
    finally:
        if bar:
            bar.clear()
    ahead = root.waiting  # of a list that is gone on with, most of that may be done already
    return Facts(
        skipped=root.skipped,
        left=root.seen - tally.done + (ahead if ledger is None else 0),
        before=ledger.rows.count if ledger is not None else 0,
        failed_before=ledger.failed if ledger is not None else 0,
        more=not root.ended or (ledger is not None and ahead > 0),
        interrupted=bool(signals.heard),
        codings=accept_encoding(),
        full=run.full,
        notes=run.notes,
    )


def _words(words: Words, tally: Tally, facts: Facts, outputs: Sequence[Output]) -> str:
    width = _streams.wrapped()
    lost = [
        f"\n  {output.file.name}: nobody read on, so the last {output.lost:,} results are not in it"
        for output in outputs
        if output.lost
    ]
    space = "\n" if width and sys.stdout.isatty() and tally.done else ""
    return space + words(tally, facts, width) + "".join(lost)


def _warn(run: Running, values: dict[str, Any], ledger: Ledger | None) -> None:
    if run.warning:
        _streams.say(f"fetch: {run.warning}")
    if values["engine"] == "sequential" and values["concurrency"] > 1:
        asked = values["concurrency"]
        _streams.say(f"fetch: sequential runs one request at a time: -c {asked} is not used")
    if ledger is not None and ledger.torn:
        what = f"its last record was cut off ({ledger.torn:,} bytes): taken out, to be asked again"
        _streams.say(f"fetch: {ledger.file.name}: {what}")


def _again(job: Job, facts: Facts) -> str:
    """What to do about a run that was interrupted."""
    if job.ledger is not None:
        return "the same command goes on from there"
    if len(job.files) == 1 and Path(job.files[0]).suffix.lower() in SUFFIXES and not job.crawled:
        return f"the same with --resume, without --overwrite, goes on with {job.files[0]}"
    return facts.again


def _bar(values: dict[str, Any]) -> Progress | None:
    """The progress line, where it is wanted and cannot meet anybody else's words."""
    unwanted = values["quiet"] or values["no_progress"] or not _streams.live()
    return None if unwanted else Progress(sys.stderr.buffer)


def _totals(path: str) -> str:
    if path == "-":
        raise UsageError("--summary -: name a file; a summary for people goes to standard error anyway")
    return path
