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
from contextlib import suppress
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from fetcher.engines._network import Network
from fetcher.engines._requests import Attempts, failed
from fetcher.model import Options, Request, Result

Values = tuple[Any, ...]

pack_request: Final[Callable[[Request], Values]] = attrgetter(*(field.name for field in fields(Request)))
pack_result: Final[Callable[[Result], Values]] = attrgetter(*(field.name for field in fields(Result)))

# What ends the whole process group concerns the parent alone, which cancels with a signal of its own.
# Windows has neither SIGHUP nor SIGUSR1, and its SIGTERM ends a process like SIGKILL.
IGNORED: Final = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
CANCEL: Final[int] = getattr(signal, "SIGUSR1", signal.SIGTERM)

_options = Options()
_watched = False  # a thread looks whether the parent lives
_attempts: Attempts | None = None
_cancelled: Final = threading.Event()


def begin(options: Options) -> None:
    """What a worker does first. What it cannot have now it tries to get with each attempt."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(CANCEL, lambda *_: _cancelled.set())
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*IGNORED, CANCEL})  # see _forked.Server
    global _options  # noqa: PLW0603 - a worker process is one worker
    _options = options
    with suppress(Exception):
        _ready()


def _ready() -> Attempts:
    global _watched, _attempts  # noqa: PLW0603
    if not _watched:
        threading.Thread(target=_end_with_parent, name="fetch-parent", daemon=True).start()
        _watched = True
    if _attempts is None:
        _attempts = Attempts(_options, "processes", Network(_options))
    return _attempts


def attempt(values: Values) -> tuple[float, Values]:
    """One attempt: when its request began, and the result without it.

    A request begins with its first attempt, and that one here: not while this process was being started.
    """
    request = Request(*values)
    try:
        attempts = _ready()
    except Exception as error:  # noqa: BLE001 - no thread, memory or descriptor left
        result = failed(request, error, "processes")
    else:
        if request.attempts == 1 and not request.hops and not request.fresh:
            request.began = max(request.began, time.monotonic())
        result = attempts.run(request, _cancelled)
    result.request = None
    return request.began, pack_result(result)


def _end_with_parent() -> None:
    """A worker waits for work for ever, even if its parent was killed: its own pipe keeps it from an end."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
