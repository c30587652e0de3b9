"""Reads a source in a thread of its own, a bounded number of items ahead: the loop never waits for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from fetcher.model import Request
from fetcher.sources import Item

AHEAD: Final = 2000  # items read before they are taken

Piece = tuple[str, Item | Request]  # the input's name, and what stood there


class Inlet(Protocol):
    """Where `feeds.rows` takes its items from. `next` never blocks."""

    @property
    def error(self) -> BaseException | None:
        """What ended it early."""

    @property
    def ended(self) -> bool:
        """Nothing will come any more (what has come may still be there)."""

    def start(self) -> None:
        """Begin to read."""

    def close(self) -> None:
        """Read no further, and forget what is left."""

    def next(self) -> Piece | None:
        """The next item; None while none is there."""

    def __len__(self) -> int:
        """How many items are there now."""


class Ready:
    """Items that are all there already, as an Inlet: for lists and for tests."""

    ended = True
    error: BaseException | None = None

    def __init__(self, items: Iterable[Piece]) -> None:
        self._items = deque(items)

    def start(self) -> None:
        """Nothing is to be started."""

    def next(self) -> Piece | None:
        """The next item; None at the end."""
        return self._items.popleft() if self._items else None

    def __len__(self) -> int:
        return len(self._items)

    def close(self) -> None:
        """Forget what is left."""
        self._items.clear()


class Pump:
    """An Inlet over an iterator that may block for as long as it likes (a FIFO, a caller's generator)."""

    def __init__(self, items: Iterator[Piece], ahead: int = AHEAD) -> None:
        self.ended = False
        self.error: BaseException | None = None  # what the iterator raised, once it has ended
        self._items: deque[Piece] = deque()
        self._source = items
        self._ahead = ahead
        self._room = threading.Event()
        self._room.set()
        self._closed = False
        # A thread inside a read of a FIFO cannot be called back: it is a daemon, and ends with its next line.
        self._thread = threading.Thread(target=self._run, name="fetch-pump", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def next(self) -> Piece | None:
        """The next item; None while none is there."""
        items = self._items
        if not items:
            return None
        item = items.popleft()
        if not self._room.is_set() and len(items) < self._ahead // 2:
            self._room.set()
        return item

    def __len__(self) -> int:
        return len(self._items)

    def close(self) -> None:
        """Read no further; waits shortly for a thread that is not inside a read."""
        self._closed = True
        self._room.set()
        if self._thread.is_alive():
            self._thread.join(0.2)
        self._items.clear()

    def _run(self) -> None:
        try:
            for item in self._source:
                self._items.append(item)
                if len(self._items) >= self._ahead:
                    self._room.clear()
                    if len(self._items) >= self._ahead:  # it may have been emptied just before the clear
                        self._room.wait()
                if self._closed:
                    break
        except BaseException as error:  # noqa: BLE001  (told to the caller when the run ends)
            self.error = error
        finally:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()
            self.ended = True
