"""The main thread while a run goes on: writes what may block, draws progress, hears signals, sums up."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from fetcher.cli import _streams
from fetcher.cli._progress import Progress
from fetcher.cli._signals import Signals
from fetcher.cli._summary import Facts, text, totals
from fetcher.decode import accept_encoding
from fetcher.errors import UsageError
from fetcher.feeds import Root
from fetcher.ledger import SUFFIXES, Ledger
from fetcher.model import Options, Result
from fetcher.outbox import Outbox
from fetcher.outputs import Output, open_outputs
from fetcher.run import Run, cpu_seconds
from fetcher.tally import Tally

GLANCE: Final = 0.1  # seconds between two looks at signals and progress
BATCH: Final = 500  # records of an earlier run that are told again at once

Words = Callable[[Tally, Facts, int | None], str]


@dataclass(slots=True)
class Job:
    """What is to be run, and how it is told."""

    root: Root
    options: Options
    values: dict[str, Any]  # of the command line
    shown: tuple[str, ...]  # the columns of its records
    files: Sequence[str]  # that records go to
    inputs: Sequence[str] = ()  # which no output may be
    replaces: bool = False  # existing outputs may be replaced
    listed: bool = True  # records go to standard output, too
    earlier: Iterable[Result] = ()  # records of an earlier run, told first
    ledger: Ledger | None = None  # what was done before, and the one file that is written on
    unit: str = "line"  # what its root reads
    crawled: bool = False  # its URLs are found by following links
    words: Words | None = text  # the summary on standard error


@dataclass(slots=True)
class Watched:
    """What became of it."""

    tally: Tally
    facts: Facts
    heard: Sequence[int] = ()  # signals
    broken: bool = False  # nobody reads any of its outputs any more

    @property
    def code(self) -> int:
        """The exit code of a run without verdicts of its own."""
        if self.heard:
            return 128 + self.heard[0]
        return 141 if self.broken else int(self.tally.failed + self.facts.failed_before > 0)


def watch(job: Job) -> Watched:
    """Run it to its end. UsageError comes before the first request, LocalFault after it."""
    began = time.monotonic()
    values, tally = job.values, Tally()
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
            fast = [output for output in outputs if not output.file.waits]
            outbox = Outbox([tally.add, *fast], queued=len(fast) < len(outputs) or not outputs)
            run = Run(job.root, values["engine"], job.options, outbox)
            _warn(run, values)
            _warn_torn(job.ledger)
            for file in (*(output.file for output in outputs), *([files.totals] if files.totals else [])):
                file.gives_up = signals.gives_up
            signals.arm(outbox)
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
    run: Run,
    outputs: Sequence[Output],
    tally: Tally,
    signals: Signals,
    bar: Progress | None,
    ledger: Ledger | None,
) -> Facts:
    """Write what the loop must not wait for, until the run has ended; what it came to, but for its time."""
    slow = [output for output in outputs if output.file.waits]
    root = run.root
    try:
        while (batch := run.results(GLANCE)) is not None:
            if bar and (batch or signals.heard):
                bar.clear()
            for output in slow if batch else ():
                output(batch)
            if outputs and all(output.broken for output in outputs):
                run.outbox.stop()
            if bar:
                note = "stopping" if run.outbox.stop_at is not None else ""
                bar.draw(tally, root.total, note, ledger.done if ledger is not None else 0)
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
        full=run.limits.full,
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


def _warn(run: Run, values: dict[str, Any]) -> None:
    if run.warning:
        _streams.say(f"fetch: {run.warning}")
    if values["engine"] == "sequential" and values["concurrency"] > 1:
        asked = values["concurrency"]
        _streams.say(f"fetch: sequential runs one request at a time: -c {asked} is not used")


def _warn_torn(ledger: Ledger | None) -> None:
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
    wanted = not (values["quiet"] or values["no_progress"])
    return Progress(sys.stderr.buffer) if wanted and _streams.live() else None


def _totals(path: str) -> str:
    if path == "-":
        raise UsageError("--summary -: name a file; a summary for people goes to standard error anyway")
    return path
