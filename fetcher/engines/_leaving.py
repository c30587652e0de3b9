"""Ends what an engine has in flight when the interpreter exits while its run is still held.

A generator of `fetch()` that nobody closes is closed after concurrent.futures has joined its threads and
workers, which would wait for their timeouts. What is to happen before that join has to be registered where
concurrent.futures registers it; the place has no public name, and without it an exit is slow, not wrong.
"""

from __future__ import annotations

import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from typing import Final, Protocol
from weakref import WeakSet


class Abandoned(Protocol):
    """An engine that can be ended from another thread than its own."""

    def abandon(self) -> None:
        """Cancel everything, now and from now on."""


EXECUTORS: Final = (ThreadPoolExecutor, ProcessPoolExecutor)  # both imported, so they come after us
alive: Final[WeakSet[Abandoned]] = WeakSet()  # engines put themselves in, and take themselves out


def _abandon() -> None:
    for engine in list(alive):
        engine.abandon()


with suppress(AttributeError, RuntimeError):  # RuntimeError: the exit has begun
    threading._register_atexit(_abandon)  # type: ignore[attr-defined]
