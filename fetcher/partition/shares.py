"""What each of several processes is told first: the job, and its share of what is meant for the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fetcher import __version__
from fetcher.errors import UsageError
from fetcher.handover import options_record
from fetcher.model import Options
from fetcher.partition import Job
from fetcher.sinks import Form

MOST: Final = 64  # processes


def shared(options: Options, workers: int, number: int = 0) -> Options:
    """What one of them may do, counted from 0: the first ones have what cannot be shared evenly."""
    each, rest = divmod(options.concurrency, workers)
    return replace(options, concurrency=each + (number < rest), rate=options.rate / workers)


def check(workers: int, options: Options | None = None) -> None:
    """Raise UsageError for a number of processes that cannot be meant."""
    if not 1 <= workers <= MOST:
        raise UsageError(f"--workers {workers}: give a number from 1 to {MOST}")
    if options is not None and 0 < options.concurrency < workers:
        what = f"--workers {workers} with -c {options.concurrency}"
        raise UsageError(f"{what}: each process asks at least one at a time: give -c {workers} or more")


def job(engine: str, options: Options, shown: Sequence[str], forms: Sequence[Form] = ()) -> Job:
    """That of a process which is sent its rows; one of a part has more to say."""
    return {
        "version": __version__,
        "engine": engine,
        "options": options_record(options),
        "columns": list(shown),
        "forms": [list(form) for form in forms],
        "directory": "",
        "suffix": "",
        "run": "",
        "part": 0,
        "rows": 0,
    }
