"""Fetch one part of a directory, whole: its rows, its records, and then its name."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO

from fetcher.errors import LocalFault
from fetcher.feeds.rows import Rows
from fetcher.handover import options_of
from fetcher.outputs import Output, Whole
from fetcher.partition import Job
from fetcher.partition.carried import piece
from fetcher.partition.parts import TOLD, bound, part, spooled
from fetcher.partition.posted import Posted
from fetcher.partition.store import Store, at
from fetcher.partition.told import Batch, Told, write
from fetcher.pump import Piece, Pump
from fetcher.run import Run
from fetcher.sinks import Form
from fetcher.tally import Tally
from fetcher.usage import own

EVERY = 1.0  # seconds between two words, also where there is nothing new: so a stop is heard


def fetch_part(job: Job, said: IO[bytes]) -> None:
    """Do it, and tell of it through standard output. Raises LocalFault."""
    store, number = at(job["directory"]), job["part"]
    bound(store, job["run"])
    name = part(number, job["suffix"])
    if store.has(name):  # somebody else was faster
        write(sys.stdout.buffer, Told(Tally().record(), [], [], {"over": True, "finished": True}))
        return
    scratch = store.scratch()
    try:
        if (record := _fetched(job, said, store, scratch / name)) is not None:
            still = partial(bound, store, job["run"])
            still()
            store.write(f"{TOLD}/{number:05}", json.dumps(record).encode())
            store.put(scratch / name, name, still)
            still()
            store.remove(spooled(number))
        note = {"over": True, "finished": record is not None}
        write(sys.stdout.buffer, Told(Tally().record(), [], [], note))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fetched(job: Job, said: IO[bytes], store: Store, path: Path) -> dict[str, object] | None:
    """The part's records in a local file; what they came to, or None if it was stopped before its end."""
    options, began = options_of(job["options"]), time.monotonic()
    with ExitStack() as stack:
        rows = Rows(Pump(_pieces(stack.enter_context(store.local(spooled(job["part"]))))), options)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        file = stack.enter_context(Whole(fd, path.name, owned=True))
        output = stack.enter_context(Output(Form(job["suffix"][1:]), file, tuple(job["columns"])))
        tally = Tally()
        batch = Batch([], (), stack, [tally.add, output])
        Posted(said, batch.stop).start()
        with Run(rows, job["engine"], options, batch) as run:
            while run.results(EVERY) is not None:
                write(sys.stdout.buffer, batch.told())
            stopped, limit = run.stopping, run.limited_by(run.looped)
        write(sys.stdout.buffer, batch.told())
    if stopped:
        return None
    if tally.done != job["rows"]:
        raise LocalFault(f"{tally.done:,} records for {job['rows']:,} rows: run again with --resume")
    facts = {"seconds": time.monotonic() - began, "cpu": own(), "limit": limit, "node": platform.node()}
    return tally.record() | {"hosts": {}} | facts


def _pieces(path: Path) -> Iterator[Piece]:
    try:
        with path.open("rb") as lines:
            for line in lines:
                yield piece(line)
    except OSError as error:
        raise LocalFault(f"{path}: {error.strerror}: the rows of this part have gone") from error
