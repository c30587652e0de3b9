"""A list as parts of a directory, fetched where there is place: what is done, under way and left."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from fetcher.errors import LocalFault
from fetcher.model import Options
from fetcher.partition import SCRATCH, Job, parts
from fetcher.partition.parts import Manifest
from fetcher.partition.places import Heard, Place
from fetcher.partition.shares import job, shared
from fetcher.partition.store import Local, Store
from fetcher.partition.turns import Turns, lengths
from fetcher.tally import Tally, done_of

FAILURES: Final = 3  # one part may fail by itself
EVERY: Final = {True: 1.0, False: 10.0}  # seconds between two words in `_progress`; of a store far away


@dataclass(slots=True)
class Parted:
    """Where a run over parts is. Tallies are `Tally.record`s."""

    store: Store
    manifest: Manifest
    before: frozenset[int] = frozenset()  # parts that an earlier run has finished
    done: dict[int, dict[str, Any]] = field(default_factory=dict)
    suspect: frozenset[int] = frozenset()  # parts that failed in an earlier run
    running: dict[int, tuple[str, dict[str, Any]]] = field(default_factory=dict)  # worker, tally
    failed: dict[int, str] = field(default_factory=dict)
    dropped: int = 0  # answers of parts that were stopped, failed, or were begun anew
    anew: list[int] = field(default_factory=list)  # these, where a process or its worker died
    old: Tally = field(default_factory=Tally)  # what is in the parts of earlier runs
    new: Tally = field(default_factory=Tally)  # and in those that this one has finished
    heard: float = field(default_factory=time.monotonic)  # when a worker said something last

    def __post_init__(self) -> None:
        for number in self.before:
            self.old.merge(self.done[number])

    def tally(self) -> Tally:
        """All that was fetched, by this run and those before, and what is under way."""
        found = Tally()
        for record in (self.old.record(), self.new.record(), *(one for _, one in self.running.values())):
            found.merge(record | {"hosts": {}})
        return found

    @property
    def cpu(self) -> float:
        """CPU seconds of the processes of the parts that this run has finished, wherever they were."""
        return sum(float(self.done[number]["cpu"]) for number in self.done.keys() - self.before)

    @property
    def limit(self) -> str:
        """One sentence on what limited it: that of the part that took longest."""
        mine = [(self.done[number]["seconds"], number) for number in self.done.keys() - self.before]
        return f"{self.done[max(mine)[1]]['limit']} (part {max(mine)[1]}, which took longest)" if mine else ""

    @property
    def silent(self) -> float:
        """Seconds since any worker said something."""
        return time.monotonic() - self.heard

    @property
    def rows(self) -> int:
        """Of the whole list."""
        return sum(self.manifest.rows)

    @property
    def left(self) -> list[int]:
        """Parts that are not finished, what takes longest first: so none is begun when all others have ended.

        Those that failed in the last run come last: they must not keep the others from being fetched.
        """
        left = [number for number in range(len(self.manifest.rows)) if number not in self.done]
        long = lengths(self.manifest.rows, self.manifest.hosts)
        return sorted(left, key=lambda number: (number in self.suspect, -long[number]))

    def hear(self, heard: Heard) -> None:
        """Take in what was heard of a part."""
        number, self.heard = heard.part, time.monotonic()
        if heard.tally is not None and number not in self.done:
            _, before = self.running.get(number, ("", None))
            if before and done_of(before) > done_of(heard.tally):  # its process died; another begins it anew
                self.dropped += done_of(before)
                self.anew.append(number)
            self.running[number] = heard.worker, heard.tally
        if heard.over:
            _, tally = self.running.pop(number, ("", None))
            self.dropped += done_of(tally) if tally and heard.over != "finished" else 0
        if heard.over == "finished":
            self.done[number] = parts.told(self.store, number)
            self.new.merge(self.done[number])
        elif heard.over == "failed":
            self.failed[number] = heard.why

    def record(self, began: float) -> dict[str, Any]:
        """As JSON-able data, for who looks from elsewhere (`fetch status`)."""
        records = self.tally().done
        return {
            "at": time.time(),
            "began": began,
            "silent": self.silent,
            "done": len(self.done),
            "records": records,
            "new": records - self.old.done,
            "running": [
                {"part": number, "worker": worker, "records": done_of(tally)}
                for number, (worker, tally) in sorted(self.running.items())
            ],
            "failed": {str(number): why for number, why in self.failed.items()},
        }


def fetch(parted: Parted, place: Place, engine: str, options: Options) -> Iterator[Heard | None]:
    """Fetch what is left, saying what is heard. At the end of all of it the directory says so.

    Where as many parts fail in a row as are fetched at once, but FAILURES (a full disk), no more are begun.
    """
    began, last, failures = time.time(), 0.0, 0
    pause = EVERY[isinstance(parted.store, Local)]
    left, parted.heard = parted.left, time.monotonic()
    most = min(place.workers, len(left), options.concurrency or len(left))
    jobs = _jobs(parted, left, engine, _share(options, most))
    shares = options.rate or options.concurrency  # of so many; more must not be at work
    turns = Turns(jobs, parted.manifest.hosts)
    for heard in place.fetch(turns, most if shares else 0) if left else ():
        if heard is not None:
            parted.hear(heard)
            if heard.over:
                turns.over(heard.part)
            failures = {"finished": 0, "failed": failures + 1}.get(heard.over, failures)
            if failures >= max(place.workers, FAILURES):
                place.stop()
        if time.monotonic() - last > pause:
            last = time.monotonic()
            _say(parted, parted.record(began))
        yield heard
    parted.dropped += sum(done_of(tally) for _, tally in parted.running.values())
    parted.running.clear()
    _say(parted, parted.record(began) | {"over": True})
    if not parted.left:
        parted.store.write(parts.SUCCESS, b"")
        for name in (parts.SPOOL, SCRATCH):
            parted.store.remove(name)


def _say(parted: Parted, record: dict[str, Any]) -> None:
    with suppress(LocalFault):  # a full disk: what is to be said of it, the parts say
        parted.store.write(parts.PROGRESS, json.dumps(record).encode())


def _share(options: Options, parts: int) -> Options:
    """What one of so many parts may do, which are fetched at once."""
    return shared(options, max(parts, 1), max(parts - 1, 0))


def _jobs(parted: Parted, left: list[int], engine: str, options: Options) -> Iterator[Job]:
    """Each as it is asked for: of a long list there are many."""
    manifest = parted.manifest
    plain = job(engine, options, manifest.columns)
    for number in left:
        yield {
            **plain,
            "directory": parted.store.where,
            "suffix": manifest.suffix,
            "run": manifest.run,
            "part": number,
            "rows": manifest.rows[number],
        }
