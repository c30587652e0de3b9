"""One of the processes that share a list: what it was sent and has not answered, and who takes its place."""

from __future__ import annotations

import queue
import threading
from typing import Any, Final, NamedTuple

from fetcher.child import Child, ended
from fetcher.errors import LocalFault
from fetcher.partition import MODULE, Job
from fetcher.partition.posted import END
from fetcher.partition.told import Told, read

SAID: Final = 4  # exit code of a LocalFault
AHEAD: Final = 20_000  # rows that one has and has not answered: what `feeds.limits` looks ahead
DEATHS: Final = 3  # that are borne, until so many rows (AHEAD) were answered without another
HANGS: Final = 6.0  # seconds of silence, after a stop, from one that will not end by itself
UNSAID: Final[dict[str, Any]] = {
    "looped": 0.0,
    "limit": "",
    "full": (),
}  # what one leaves that said no last word

Words = queue.Queue["Word"]


class Worker:
    """A place that a process has. What it says comes to `heard`; `over` is its last word."""

    def __init__(self, place: str, job: Job, heard: Words) -> None:
        self.place = place  # "process 1 of 2"
        self.over: dict[str, Any] | None = None
        self.closed = False  # by `close`
        self.used = False  # it has answered something
        self._job = job
        self._heard = heard
        self._rows: dict[int, bytes] = {}  # sent, and not answered
        self._unsent: list[bytes] = []
        self._dealt = False
        self._sending = False
        self._deaths = 0
        self._answered = 0  # since the last of them
        self._begin()

    @property
    def busy(self) -> bool:
        """Whether it has enough for now."""
        return len(self._rows) >= AHEAD

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do."""
        return not self._rows

    def give(self, row: int, line: bytes) -> None:
        """A row that it is to ask, once `send` is called."""
        self._rows[row] = line
        self._unsent.append(line)

    def send(self) -> None:
        """Send what was given; waits until it has taken that."""
        if self._unsent:
            self._sending = True
            self._child.send(b"".join(self._unsent))
            self._sending = False
            self._unsent.clear()

    def expect(self, seconds: float) -> None:
        """If it has not taken by then what is being sent, it never will (it was halted, say): end it."""

        def look() -> None:
            if self._sending:
                self._child.process.kill()

        timer = threading.Timer(seconds, look)
        timer.daemon = True
        timer.start()

    def tell(self, order: dict[str, Any]) -> None:
        """Say something else to it."""
        self._dealt = self._dealt or order == END
        if self.over is None:
            self._child.tell(order)

    def took(self, told: Told) -> None:
        """It has answered these."""
        for row in told.rows:
            self._rows.pop(row, None)
        self._answered += len(told.rows)
        self.used = self.used or bool(told.rows)
        if told.note is not None and told.note["over"]:
            self.over = told.note

    def died(self, stopping: bool) -> str:
        """It says nothing more: another process takes its place; what is to be said of it.

        Not where all are `stopping`. Raises what it has said, or that it is too often.
        """
        failure = self._child.failure(self.place)
        code = self._child.process.returncode
        self._child.close()
        if failure is not None and code > 0 and not (stopping and code == 1):  # Ctrl-C, before it was deaf
            # What it has said is meant for the user as it is; of a bug it must be told where that was.
            raise LocalFault(str(failure).removeprefix(f"{self.place} failed: ")) if code == SAID else failure
        if stopping:
            self.over = UNSAID
            return ""
        self._deaths = 1 if self._answered >= AHEAD else self._deaths + 1
        self._answered = 0
        count = len(self._rows)
        left = f"the {count:,} row{'s' * (count != 1)} that it had not answered"
        if self._deaths > DEATHS:
            raise LocalFault(f"{self.place} died {self._deaths} times ({ended(code)}); {left} got no record")
        self._begin()
        self._child.send(b"".join(self._rows.values()))
        self._unsent.clear()
        if self._dealt:
            self._child.tell(END)
        return f"{self.place} died ({ended(code)}); another asked {left}"

    def fail(self) -> None:
        """Nothing more comes of it."""
        self.over = self.over or UNSAID

    def close(self) -> None:
        """End it."""
        self._child.close()
        self._listener.join()
        self.closed = True

    def _begin(self) -> None:
        self._child = Child(MODULE)
        listener = threading.Thread(target=self._listen, args=(self._child,), daemon=True)
        try:
            listener.start()
        except RuntimeError as error:  # what Python raises where the system gives it no more threads
            self._child.close()
            raise LocalFault(f"{error}: end other programs, or raise the limit (ulimit -u)") from error
        self._listener = listener
        self._child.tell(dict(self._job))

    def _listen(self, child: Child) -> None:
        """In a thread for each: reading and parsing frees the main thread for what blocks."""
        told: Told | None = None
        try:
            while (told := read(child.stdout)) is not None:
                self._heard.put(Word(self, told))
        except ValueError:  # closed while it was read
            pass
        finally:
            self._heard.put(Word(self, None))


class Word(NamedTuple):
    """What a process has said; None: it will say nothing more."""

    worker: Worker
    told: Told | None
