"""Parts on processes of this machine, so many at once."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from fetcher.errors import FetchError
from fetcher.partition.places import Heard, tried
from fetcher.partition.turns import Turns
from fetcher.tally import Tally

GLANCE: Final = 0.1  # seconds between two looks whether somebody wants something else


@contextmanager
def place(workers: int, address: str = "") -> Iterator[Processes]:  # noqa: ARG001 - there is none
    """Processes of this machine."""
    made = Processes(workers)
    try:
        yield made
    finally:
        made.stop()
        for thread in made.threads:
            thread.join()


class Processes:
    """A thread for each of them, which begins one process after the other."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.threads: list[threading.Thread] = []
        self._stopped = False
        self._heard: queue.SimpleQueue[Heard | None] = queue.SimpleQueue()

    def fetch(self, turns: Turns, most: int = 0) -> Iterator[Heard | None]:
        """What is heard of them."""
        running = min(self.workers, most or self.workers)
        for number in range(running):
            name = f"worker {number + 1}"
            thread = threading.Thread(target=self._work, args=(turns, name), daemon=True)
            self.threads.append(thread)
            thread.start()
        while running:
            try:
                heard = self._heard.get(timeout=GLANCE)
            except queue.Empty:
                yield None
                continue
            if heard is None:
                running -= 1
            else:
                yield heard

    def stop(self) -> None:
        """Begin nothing new, and give up what is under way."""
        self._stopped = True

    def _told(self, part: int, name: str, tally: dict[str, Any]) -> None:
        self._heard.put(Heard(part, name, tally))

    def _work(self, turns: Turns, name: str) -> None:
        while not (self._stopped or turns.ended):
            if (job := turns.next()) is None:
                time.sleep(GLANCE)
                continue
            part = job["part"]
            self._told(part, name, Tally().record())  # it has begun
            try:
                over = tried(job, partial(self._told, part, name), lambda: self._stopped)
                self._heard.put(Heard(part, name, None, over))
            except FetchError as error:
                self._heard.put(Heard(part, name, None, "failed", str(error)))
            except BaseException as error:  # noqa: BLE001 - told, so that nobody waits for ever
                self._heard.put(Heard(part, name, None, "failed", f"{type(error).__name__}: {error}"))
        self._heard.put(None)
