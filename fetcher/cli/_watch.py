"""The main thread while a run goes on: writes what may block, draws progress, hears signals, sums up."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any, Final

from fetcher.cli import _streams
from fetcher.cli._progress import Progress
from fetcher.cli._signals import Signals
from fetcher.cli._summary import Facts, text, totals
from fetcher.decode import accept_encoding
from fetcher.errors import UsageError
from fetcher.model import Options, columns
from fetcher.outbox import Outbox
from fetcher.outputs import Output, open_outputs
from fetcher.pump import Pump
from fetcher.run import Run, cpu_seconds
from fetcher.sources import Reading, read_all, resolve
from fetcher.tally import Tally

GLANCE: Final = 0.1  # seconds between two looks at signals and progress


def watch(inputs: list[str], values: dict[str, Any], options: Options) -> int:
    """Run get to its end: its exit code. UsageError comes before the first request, LocalFault after it."""
    from fetcher.cli import COMMANDS

    began = time.monotonic()
    reading = Reading(values["column"], values["field"])
    given = resolve(_given(inputs), sys.stdin.buffer if sys.stdin else None, reading, COMMANDS)
    shown, tally = columns(options), Tally()
    with Signals() as signals:
        with ExitStack() as stack:
            out = _streams.stdout(values, shown)
            files = stack.enter_context(
                open_outputs(
                    values["output"],
                    shown,
                    overwrite=values["overwrite"],
                    inputs=inputs,
                    totals=_totals(values["summary"]),
                )
            )
            outputs = [stack.enter_context(out), *files]
            fast = [output for output in outputs if not output.file.waits]
            outbox = Outbox([tally.add, *fast], queued=len(fast) < len(outputs))
            run = Run(Pump(read_all(given)), values["engine"], options, outbox)
            _warn(run, values)
            for file in (*(output.file for output in outputs), *([files.totals] if files.totals else [])):
                file.gives_up = signals.gives_up
            signals.arm(outbox)
            with run:
                facts = _pass_on(run, outputs, tally, signals, _bar(values))
            facts.seconds, facts.cpu = time.monotonic() - began, cpu_seconds()
            facts.limit = run.limited_by(facts.seconds)
            if files.totals is not None:
                with suppress(BrokenPipeError):
                    files.totals.write(f"{json.dumps(totals(tally, facts), indent=1)}\n".encode())
        # The formats have their ends now; words come last.
        if not (values["quiet"] or (out.broken and not signals.heard)):
            _streams.say(_words(tally, facts, outputs), signals.gives_up)
    if signals.heard:
        return 128 + signals.heard[0]
    if all(output.broken for output in outputs):
        return 141
    return 1 if tally.failed else 0


def _pass_on(
    run: Run, outputs: Sequence[Output], tally: Tally, signals: Signals, bar: Progress | None
) -> Facts:
    """Write what the loop must not wait for, until the run has ended; what it came to, but for its time."""
    slow = [output for output in outputs if output.file.waits]
    try:
        while (batch := run.results(GLANCE)) is not None:
            if bar and (batch or signals.heard):
                bar.clear()
            for output in slow if batch else ():
                output(batch)
            if all(output.broken for output in outputs):
                run.outbox.stop()
            if bar:
                bar.draw(tally, run.rows.total, "stopping" if run.outbox.stop_at is not None else "")
    finally:
        if bar:
            bar.clear()
    rows = run.rows
    return Facts(
        skipped=rows.skipped,
        left=rows.rows - tally.done + len(rows.inlet),
        more=not rows.inlet.ended,
        interrupted=bool(signals.heard),
        codings=accept_encoding(),
        full=run.limits.full,
    )


def _words(tally: Tally, facts: Facts, outputs: Sequence[Output]) -> str:
    width = _streams.wrapped()
    lost = [
        f"\n  {output.file.name}: nobody read on, so the last {output.lost:,} results are not in it"
        for output in outputs
        if output.lost
    ]
    space = "\n" if width and sys.stdout.isatty() and tally.done else ""
    return space + text(tally, facts, width) + "".join(lost)


def _warn(run: Run, values: dict[str, Any]) -> None:
    if run.warning:
        _streams.say(f"fetch: {run.warning}")
    if values["engine"] == "sequential" and values["concurrency"] > 1:
        asked = values["concurrency"]
        _streams.say(f"fetch: sequential runs one request at a time: -c {asked} is not used")


def _bar(values: dict[str, Any]) -> Progress | None:
    """The progress line, where it is wanted and cannot meet anybody else's words."""
    wanted = not (values["quiet"] or values["no_progress"])
    return Progress(sys.stderr.buffer) if wanted and _streams.live() else None


def _totals(path: str) -> str:
    if path == "-":
        raise UsageError("--summary -: name a file; a summary for people goes to standard error anyway")
    return path


def _given(inputs: list[str]) -> list[str]:
    if inputs:
        return inputs
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        raise UsageError("nothing to fetch: give a URL or a file of URLs, or see fetch --help")
    return ["-"]
