"""A worker process of the processes engine, seen from inside: one Session, one attempt at a time.

Requests and results cross as plain tuples, which pickle several times faster than the objects.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from fetcher.engines._network import Network
from fetcher.engines._requests import Attempts
from fetcher.model import Options, Request, Result

Values = tuple[Any, ...]

pack_request: Final[Callable[[Request], Values]] = attrgetter(*(field.name for field in fields(Request)))
pack_result: Final[Callable[[Result], Values]] = attrgetter(*(field.name for field in fields(Result)))

_attempts: Attempts | None = None
_cancelled: Final = threading.Event()


def begin(options: Options) -> None:
    """What a worker does first. Ctrl-C concerns the parent, which says with SIGTERM what it wants."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # see _forked.Server
    signal.signal(signal.SIGTERM, lambda *_: _cancelled.set())
    threading.Thread(target=_end_with_parent, name="fetch-parent", daemon=True).start()
    global _attempts  # noqa: PLW0603 - a worker process is one worker
    _attempts = Attempts(options, "processes", Network(options))


def attempt(values: Values) -> tuple[float, Values]:
    """One attempt: when its request began, and the result without it.

    A request begins with its first attempt, and that one here: not while this process was being started.
    """
    assert _attempts is not None
    request = Request(*values)
    if request.attempts == 1 and not request.hops and not request.fresh:
        request.began = max(request.began, time.monotonic())
    result = _attempts.run(request, _cancelled)
    result.request = None
    return request.began, pack_result(result)


def _end_with_parent() -> None:
    """A worker waits for work for ever, even if its parent was killed: its own pipe keeps it from an end."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
