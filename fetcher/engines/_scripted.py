"""Answers from a script in virtual time: the engine that tests everything above the engines, exactly.

    engine = Scripted(lambda request: Answer(after=0.2, status=200, size=10))
    drive(feed, engine, options, outbox, engine.clock)

Nothing sleeps: `wait` moves the clock to the next completion, or by its timeout.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from fetcher.model import Pairs, Request, Result


@dataclass(slots=True)
class Answer:
    """What the script says of one attempt: after so many seconds, this."""

    after: float = 0.0
    status: int | None = 200
    error: str | None = None
    size: int = 0
    fields: Pairs = ()
    reused: bool = False


class Scripted:
    """An engine and the clock it lives by."""

    def __init__(self, script: Callable[[Request], Answer], width: int = 64) -> None:
        self.script = script
        self.width = width
        self.now = 0.0
        self.most = 0  # the most that was ever in flight
        self._flying: list[tuple[float, int, Request, Answer]] = []
        self._order = count()
        self._cancelled = False

    def clock(self) -> float:
        """The virtual time, in seconds."""
        return self.now

    def submit(self, request: Request) -> None:
        """Ask the script; the answer comes back `after` seconds later, or as a timeout."""
        answer = self.script(request)
        if answer.after > request.timeout:
            answer = Answer(request.timeout, None, "read_timeout")
        heapq.heappush(self._flying, (self.now + answer.after, next(self._order), request, answer))
        self.most = max(self.most, len(self._flying))

    def wait(self, timeout: float) -> list[Result]:
        """Move the clock to the next completion, or by `timeout`, and give what is complete by then."""
        if self._cancelled:
            gone = [entry[2].answer(self.now, "cancelled", engine="_scripted") for entry in self._flying]
            self._flying.clear()
            return gone
        self.now = min(self._flying[0][0], self.now + timeout) if self._flying else self.now + timeout
        results = []
        while self._flying and self._flying[0][0] <= self.now:
            results.append(self._result(*heapq.heappop(self._flying)))
        return results

    def cancel(self) -> None:
        """Everything in flight is cancelled."""
        self._cancelled = True

    def _result(self, at: float, _: int, request: Request, answer: Answer) -> Result:
        whole = None if answer.error else answer.size
        result = request.answer(
            at, answer.error, None, status=answer.status, size=whole, wire_size=whole, engine="_scripted"
        )
        result.fields = answer.fields
        result.reused = answer.reused
        return result
