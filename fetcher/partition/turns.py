"""Which part is fetched next: of a host that has several, one after the other."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence

from fetcher.partition import Job


def lengths(rows: Sequence[int], hosts: Sequence[str]) -> list[int]:
    """Of each part, how many rows must be asked in turn: its own, or all of its only host."""
    of = Counter[str]()
    for count, host in zip(rows, hosts, strict=True):
        of[host] += count
    return [of[host] if host else count for count, host in zip(rows, hosts, strict=True)]


class Turns:
    """`next()` by whoever has place, in any thread; `over(part)` once one has ended, however."""

    def __init__(self, jobs: Iterable[Job], hosts: Sequence[str] = ()) -> None:
        """`hosts`: of each part its only host, if that has others; else ""."""
        self._jobs = iter(jobs)
        self._hosts = hosts
        self._held: list[Job] = []  # their host is being asked
        self._asked: set[str] = set()
        self._lock = threading.Lock()
        self._read = False  # all jobs

    def next(self) -> Job | None:
        """The next one; None while there is none, and when all have `ended`."""
        with self._lock:
            for number, job in enumerate(self._held):
                if self._takes(job["part"]):
                    return self._held.pop(number)
            for job in self._jobs:
                if self._takes(job["part"]):
                    return job
                self._held.append(job)
            self._read = True
            return None

    def over(self, part: int) -> None:
        """Its host may be asked by another."""
        with self._lock:
            self._asked.discard(self._host(part))

    @property
    def ended(self) -> bool:
        """Whether all have been given out."""
        return self._read and not self._held

    def _takes(self, part: int) -> bool:
        host = self._host(part)
        if host in self._asked:
            return False
        self._asked |= {host} - {""}
        return True

    def _host(self, part: int) -> str:
        return self._hosts[part] if self._hosts else ""
