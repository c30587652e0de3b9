"""What the process of a partition says of a batch: a line of JSON, then the bytes that it announces."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO, Any, BinaryIO, Final, NamedTuple, cast

from fetcher.model import Result
from fetcher.outbox import Outbox
from fetcher.sinks import Form, Write
from fetcher.tally import Tally

ROOM: Final = 4096  # results that may wait to be told
WHOLE: Final = Form("jsonl")  # in which results cross, where they are wanted


class Told(NamedTuple):
    """So many results, counted, and as the lines of each form."""

    tally: dict[str, Any]  # `Tally.record`
    rows: list[int]
    lines: list[bytes]
    note: dict[str, Any] | None = None  # `over`: this was the last, and how the run ended


def write(out: BinaryIO, told: Told) -> None:
    """Write it in one piece."""
    sizes = [len(data) for data in told.lines]
    head = {"tally": told.tally, "rows": told.rows, "sizes": sizes, "note": told.note}
    out.write(b"".join([json.dumps(head).encode(), b"\n", *told.lines]))
    out.flush()


def read(stream: IO[bytes]) -> Told | None:
    """The next one, waiting for it; None at the end, also of what was cut off there."""
    head = stream.readline()
    if not head.endswith(b"\n"):
        return None
    found = json.loads(head)
    lines = [stream.read(size) for size in found["sizes"]]
    if any(len(data) < size for data, size in zip(lines, found["sizes"], strict=True)):
        return None
    return Told(found["tally"], found["rows"], lines, found["note"])


class Batch(Outbox):
    """An Outbox that gathers what has come until it is told, as lines of each form, in the loop's thread.

    It has no room while too much waits: then whoever reads the other end of our pipe is slow.
    """

    def __init__(
        self,
        forms: Sequence[Form],
        columns: tuple[str, ...],
        stack: ExitStack,
        sinks: Sequence[Write] = (),
    ) -> None:
        super().__init__([*sinks, self._gather], queued=False)
        self._lock = threading.Lock()
        self._pages = [_Page() for _ in forms]
        self._writes: list[Write] = [
            stack.enter_context(form.open(cast(BinaryIO, page), columns))
            for form, page in zip(forms, self._pages, strict=True)
        ]
        self._rows: list[int] = []
        self._tally = Tally()

    def has_room(self, running: int) -> bool:
        """Whether one more may start."""
        return super().has_room(running) and len(self._rows) + running < max(ROOM, 2 * self.capacity)

    def told(self, note: dict[str, Any] | None = None) -> Told:
        """What has come since."""
        with self._lock:
            rows, self._rows = self._rows, []
            tally, self._tally = self._tally, Tally()
            lines = [page.taken() for page in self._pages]
        return Told(tally.record(), rows, lines, note)

    def _gather(self, results: Sequence[Result]) -> None:
        with self._lock:
            self._tally.add(results)
            for take in self._writes:
                take(results)
            if self._writes:  # else nobody waits for lines, and all there is to tell are sums
                self._rows += [result.row for result in results]


class _Page:
    """The stream of a sink that is not to begin its format: it is written on."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def tell(self) -> int:
        return 1

    def write(self, data: bytes) -> int:
        self._pieces.append(data)
        return len(data)

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def results(lines: bytes) -> list[Result]:
    """The results that crossed as WHOLE."""
    return [_result(json.loads(line)) for line in lines.splitlines()]


def _result(record: dict[str, Any]) -> Result:
    del record["ok"]  # follows from the rest
    return Result(**record)
