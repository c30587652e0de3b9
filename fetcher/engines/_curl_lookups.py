"""The lookups that attempts of the curl engine wait for: made in threads, taken up in the loop."""

from __future__ import annotations

import time
from functools import partial
from queue import Empty, SimpleQueue

from fetcher.engines._curl_slot import Slot
from fetcher.engines._exchange import Exchange
from fetcher.resolve import Answer


class Lookups:
    """Who waits for the address of a host, and until when at most."""

    def __init__(self) -> None:
        self._due: dict[Slot, float] = {}
        self._answers: SimpleQueue[tuple[Slot, Exchange, Answer]] = SimpleQueue()

    def __len__(self) -> int:
        return len(self._due)

    def add(self, slot: Slot, answer: Answer, due: float) -> None:
        """This slot's attempt waits for that answer."""
        self._due[slot] = due
        answer.add_done_callback(partial(self._answered, slot, slot.exchange))

    def take(self, timeout: float) -> list[tuple[Slot, Answer | None]]:
        """Who has an answer now, and who (with None) has waited too long; sleeps for the first of these."""
        found: list[tuple[Slot, Answer | None]] = []
        timeout = min(timeout, max(min(self._due.values(), default=0.0) - time.monotonic(), 0.001))
        try:
            while True:
                slot, exchange, answer = self._answers.get(timeout > 0, timeout if timeout > 0 else None)
                timeout = 0.0
                if slot.exchange is exchange and self._due.pop(slot, None) is not None:
                    found.append((slot, answer))
        except Empty:
            pass
        now = time.monotonic()
        late = [slot for slot, due in self._due.items() if due <= now]
        for slot in late:
            del self._due[slot]
        return [*found, *((slot, None) for slot in late)]

    def drop(self) -> list[Slot]:
        """Wait no longer: who did."""
        slots = list(self._due)
        self._due.clear()
        return slots

    def _answered(self, slot: Slot, exchange: Exchange, answer: Answer) -> None:
        """A lookup has ended. Called in the thread that did it."""
        self._answers.put((slot, exchange, answer))
