"""The process of one partition: an ordinary run, of rows that are sent to it or of a part's own."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from typing import IO, Any, Final

from fetcher import __version__
from fetcher.child import deaf, orders
from fetcher.errors import FetchError, LocalFault, UsageError
from fetcher.feeds.rows import Rows
from fetcher.handover import options_of
from fetcher.partition import Job
from fetcher.partition.posted import Posted
from fetcher.partition.told import Batch, write
from fetcher.run import Run
from fetcher.sinks import Form

EVERY: Final = 0.02  # seconds between two batches: a line is seen at once, and a batch is worth its price


def main() -> int:
    """Do what stands on the first line of standard input; its end without a word is ours."""
    deaf()
    said = orders()
    try:
        if not (line := said.readline()):
            return 0
        job: Job = json.loads(line)
        if job["version"] != __version__:
            raise UsageError(f"fetch {__version__} here, but {job['version']} there: install the same")
        if job["directory"]:
            from fetcher.partition.part import fetch_part

            fetch_part(job, said)
        else:
            _share(job, said)
    except FetchError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, UsageError) else 4
    except BrokenPipeError:  # nobody hears us any more
        return 4
    return 0


def _share(job: Job, said: IO[bytes]) -> None:
    """Answer the rows that come, and say so."""
    options = options_of(job["options"])
    forms = [Form(*form) for form in job["forms"]]
    with ExitStack() as stack:
        batch = Batch(forms, tuple(job["columns"]), stack)
        rows = Rows(Posted(said, batch.stop), options)
        with Run(rows, job["engine"], options, batch) as run:
            out = sys.stdout.buffer
            write(out, batch.told({"over": False, "warning": run.warning}))
            try:
                while run.results(EVERY) is not None:
                    told = batch.told()
                    if told.rows:
                        write(out, told)
            except LocalFault:  # what had come before it is as good as ever
                write(out, batch.told())
                raise
            write(out, batch.told(_last(run)))


def _last(run: Run) -> dict[str, Any]:
    return {
        "over": True,
        "looped": run.looped,
        "limit": run.limited_by(run.looped),
        "full": run.limits.full,
    }


if __name__ == "__main__":
    sys.exit(main())
