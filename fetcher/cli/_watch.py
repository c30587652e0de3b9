"""The main thread while a run goes on: prints results, draws progress, hears signals, sums up."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from fetcher.decode import accept_encoding
from fetcher.errors import LocalFault, UsageError
from fetcher.model import Options, Result, columns
from fetcher.outbox import Outbox
from fetcher.outputs import Whole, open_outputs
from fetcher.pump import Pump
from fetcher.run import DRAIN, Run
from fetcher.sinks import Write, jsonl, lines
from fetcher.sinks.progress import Progress
from fetcher.sinks.summary import Facts, text, totals
from fetcher.sources import Reading, read_all, resolve
from fetcher.tally import Tally

GLANCE: Final = 0.1  # seconds between two looks at signals and progress


def watch(inputs: list[str], values: dict[str, Any], options: Options) -> int:
    """Run get to its end: its exit code. UsageError comes before the first request, LocalFault after it."""
    from fetcher.cli import COMMANDS

    began = time.monotonic()
    reading = Reading(values["column"], values["field"])
    given = resolve(_given(inputs), sys.stdin.buffer if sys.stdin else None, reading, COMMANDS)
    shown = columns(options)
    tally = Tally()
    with ExitStack() as stack:
        out = Stdout(values, shown, stack)
        files = stack.enter_context(
            open_outputs(values["output"], shown, overwrite=values["overwrite"], inputs=inputs)
        )
        outbox = Outbox([tally.add, *files, *out.fast], queued=out.queued)
        signals = stack.enter_context(_signals(outbox))
        run = Run(Pump(read_all(given)), values["engine"], options, outbox)
        progress = None
        if not (values["quiet"] or values["no_progress"]) and sys.stderr and sys.stderr.isatty():
            progress = Progress(sys.stderr.buffer)
        if run.warning:
            print(f"fetch: {run.warning}", file=sys.stderr)
        with run:
            while (batch := run.results(GLANCE)) is not None:
                if progress and (batch or signals):
                    progress.clear()
                out.write(batch, run, others=bool(files))
                if progress:
                    progress.draw(tally, run.rows.total, "stopping" if outbox.stop_at is not None else "")
        if progress:
            progress.clear()
    seconds, cpu = time.monotonic() - began, _cpu()
    left = run.rows.rows - tally.done
    limit = run.limited_by(seconds, cpu)
    facts = Facts(seconds, cpu, run.rows.skipped, left, limit, accept_encoding(), run.limits.full)
    if values["summary"]:
        _write_summary(values["summary"], totals(tally, facts))
    if not values["quiet"] and not out.broken:
        print(text(tally, facts), file=sys.stderr)
    if out.broken:
        return 0 if files else 141
    if signals:
        return 128 + signals[0]
    return 1 if tally.failed else 0


class Stdout:
    """Standard output: written by the loop where it cannot block (a file), else from the main thread."""

    def __init__(self, values: dict[str, Any], shown: tuple[str, ...], stack: ExitStack) -> None:
        if sys.stdout is None or sys.stdout.closed:
            raise UsageError("standard output is closed: open it, or send it to /dev/null")
        self.broken = False
        raw = Whole(sys.stdout.fileno(), "standard output")
        if values["json"]:
            write = stack.enter_context(jsonl.sink(raw, shown))
        else:
            tty = sys.stdout.isatty()
            color = tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
            coding = sys.stdout.encoding or "utf-8"
            write = stack.enter_context(lines.sink(raw, shown, terminal=tty, color=color, encoding=coding))
        self._write: Write = _failures(write) if values["errors"] else write
        self.queued = _may_block(sys.stdout.fileno())
        self.fast: list[Write] = [] if self.queued else [self._write]

    def write(self, batch: Sequence[Result], run: Run, *, others: bool) -> None:
        """Print a batch; when nobody reads any more, end the run, unless other outputs want the rest."""
        if not batch or not self.queued or self.broken:
            return
        try:
            self._write(batch)
        except BrokenPipeError:
            self.broken = True
            if not others:
                run.outbox.stop()


def _write_summary(path: str, data: dict[str, Any]) -> None:
    try:
        Path(path).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise LocalFault(f"--summary {path}: {error.strerror}") from error


def _may_block(descriptor: int) -> bool:
    """Whether a write there may have to wait for a reader: all but files and /dev/null."""
    facts = os.fstat(descriptor)
    return not stat.S_ISREG(facts.st_mode) and not os.path.samestat(facts, Path(os.devnull).stat())


def _failures(write: Write) -> Write:
    return lambda results: write([result for result in results if not result.ok])


def _given(inputs: list[str]) -> list[str]:
    if inputs:
        return inputs
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        raise UsageError("nothing to fetch: give a URL or a file of URLs, or see fetch --help")
    return ["-"]


@contextmanager
def _signals(outbox: Outbox) -> Iterator[list[int]]:
    """SIGINT and SIGTERM stop the run: the first lets what is in flight end, the second does not wait."""
    heard: list[int] = []

    def hear(number: int, _: object) -> None:
        outbox.stop(0.0 if heard else DRAIN)
        heard.append(number)

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield heard
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _cpu() -> float:
    """User and system seconds of this process and of the children that have ended."""
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)
