"""Where parts are fetched: on processes of this machine, or on the workers of a Dask cluster.

The contract. `places/NAME.py` offers

    def place(workers: int, address: str) -> ContextManager[Place]

`address` is the cluster's, `workers` how many parts at once where that is for us to say. `Place.fetch`
takes parts from a `Turns` as it has place for them, and yields what is heard of them: `Heard`, or None where
for a while there was nothing. It ends when each part was `finished`, `failed`, or was stopped. A process that
dies is none of the part's fault: it is begun again, whole, at most `TRIES` times. Leaving the context leaves
nothing running.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple, Protocol, cast

from fetcher import menu
from fetcher.child import Child, ended
from fetcher.errors import LocalFault
from fetcher.partition import MODULE, Job
from fetcher.partition.told import read
from fetcher.partition.turns import Turns
from fetcher.tally import Tally

TRIES: Final = 3  # that a part may take where its process dies
LOOK: Final = 0.25  # seconds between two questions whether the process of a part is still wanted
LEAVE: Final = 6.0  # seconds that it has to stop: one that hangs, or was halted, is ended


class Heard(NamedTuple):
    """What is heard of a part."""

    part: int
    worker: str
    tally: dict[str, Any] | None = None  # what it has come to so far
    over: str = ""  # "finished", "stopped" or "failed"
    why: str = ""  # it failed, without the number of the part


class Died(Exception):
    """The process of a part has died, and said nothing."""


class Place(Protocol):
    """Where parts are fetched."""

    workers: int  # parts that are fetched at once

    def fetch(self, turns: Turns, most: int = 0) -> Iterator[Heard | None]:
        """What is heard of the parts that it takes; who asks tells `turns` which are over.

        `most`: no more at once, also where place grows.
        """

    def stop(self) -> None:
        """Begin nothing new, and give up what is under way. It may be called by a signal's handler."""


class Module(Protocol):
    """What a file of this folder offers."""

    def place(self, workers: int, address: str) -> AbstractContextManager[Place]:
        """The place. Raises UsageError for an address that cannot be meant or reached."""


def pick(name: str) -> Module:
    """The place of that name. Raises UsageError where its library is missing."""
    import fetcher.partition.places as folder

    return cast(Module, menu.pick(folder, name))


def fetched(job: Job, told: Callable[[dict[str, Any]], None], stopped: Callable[[], bool]) -> str:
    """Run the process of a part to its end: "finished" or "stopped". Raises Died, LocalFault and UsageError.

    `told` hears every second or so what the part has come to; `stopped` is asked meanwhile, by a thread.
    """
    with tempfile.TemporaryDirectory(prefix="fetch-") as home:  # its process may be ended by force
        return _fetched(job, Child(MODULE, {"TMPDIR": home}), told, stopped)


def _fetched(
    job: Job, child: Child, told: Callable[[dict[str, Any]], None], stopped: Callable[[], bool]
) -> str:
    tally, over, left = Tally(), "", threading.Event()
    watch = threading.Thread(target=_watch, args=(child, stopped, left), daemon=True)
    try:
        child.tell(dict(job))
        watch.start()
        while (one := read(child.stdout)) is not None:
            tally.merge(one.tally | {"hosts": {}})
            told(tally.record())
            if one.note is not None and one.note["over"]:
                over = "finished" if one.note["finished"] else "stopped"
        failure = child.failure()
        if failure is not None and child.process.returncode > 0:
            raise failure
        if not over and stopped():
            over = "stopped"
        if not over:
            raise Died(ended(child.process.returncode))
    finally:
        left.set()
        child.close()
    return over


def _watch(child: Child, stopped: Callable[[], bool], left: threading.Event) -> None:
    """Tell the process that it is not wanted any more; if it does not hear that, end it."""
    while not left.wait(LOOK):
        if stopped():
            child.tell({"stop": 0.0})
            if not left.wait(LEAVE):
                child.process.kill()
            return


def tried(job: Job, told: Callable[[dict[str, Any]], None], stopped: Callable[[], bool]) -> str:
    """`fetched`, again where its process has died. Raises LocalFault and UsageError."""
    why = ""
    for _ in range(TRIES):
        if stopped():
            return "stopped"
        try:
            return fetched(job, told, stopped)
        except Died as died:
            why = str(died)
            told(Tally().record())  # what it had is gone
    raise LocalFault(f"its process died {TRIES} times ({why})")
