"""The rows that come through standard input, as an Inlet; and what else is said there."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from typing import IO

from fetcher.child import orphaned
from fetcher.partition.carried import piece
from fetcher.pump import Piece

END = {"end": True}  # no more rows come; without it the end of the input is that of who sends them


class Posted:
    """An Inlet. Whoever sends keeps count of what is not answered yet, and so bounds what waits here."""

    error: BaseException | None = None

    def __init__(self, stream: IO[bytes], stop: Callable[[float], None]) -> None:
        self.ended = False
        self._stop = stop
        self._stream = stream
        self._lines: deque[bytes] = deque()
        self._thread = threading.Thread(target=self._read, name="fetch-posted", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def next(self) -> Piece | None:
        """The next row; None while none is there."""
        return piece(self._lines.popleft()) if self._lines else None

    def __len__(self) -> int:
        return len(self._lines)

    def close(self) -> None:
        """Forget what is left; the thread ends with the process."""
        self._lines.clear()

    def _read(self) -> None:
        for line in self._stream:
            if line[:1] == b"[":
                self._lines.append(line)
                continue
            said = json.loads(line)
            if said == END:
                self.ended = True
            else:
                self._stop(said["stop"])
        orphaned()
