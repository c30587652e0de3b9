"""Ends a server of ours with all that it started; and, run as a process, does so once its parent has gone.

A server may put what it starts into another process group, or go into the background. So it is known by its
group, and on Linux by a mark in its environment as well, which all below it inherit.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

MARK: Final = "SERVED_BY_FETCH"  # not FETCH_...: those are options
DONE: Final = b"done\n"  # from the parent: there is nothing left to end
LEAVE: Final = 5.0  # seconds between TERM and KILL
DIE: Final = 1.0  # seconds after KILL: what starts others meanwhile is sent more than one
TICK: Final = 0.02
KILL: Final = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has one way only


def end(mark: str, group: int, reap: Callable[[], object] = int) -> None:
    """TERM, then KILL after 5 s; `reap` is asked in between, and frees what has ended of its id."""
    try:
        _send(mark, group, signal.SIGTERM)
        _gone(mark, group, reap, LEAVE, 0)
    finally:  # also where a second Ctrl-C cuts the waiting short
        _gone(mark, group, reap, DIE, KILL)


def _gone(mark: str, group: int, reap: Callable[[], object], seconds: float, number: int) -> None:
    """Wait until nothing is left, at most so long; what is there is sent that signal each time."""
    until = time.monotonic() + seconds
    while _send(mark, group, number) and time.monotonic() < until:
        time.sleep(TICK)
        reap()


def _send(mark: str, group: int, number: int) -> bool:
    """A signal to all that is left; whether there was any. 0 only asks."""
    if Path("/proc/self/environ").exists():
        left = _left(f"{MARK}={mark}".encode(), group)
        for pid in left if number else ():
            with suppress(OSError):  # it has just ended, or is somebody else by now (sudo)
                os.kill(pid, number)
        return bool(left)
    if not group:
        return False
    send = getattr(os, "killpg", os.kill)
    with suppress(OSError):
        send(group, number)
        return True
    return False


def _left(mark: bytes, group: int) -> list[int]:
    """Those of the group or with the mark that run; not zombies, whom only their parent can bury."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - a Path for each is slow
        if name.isdigit():
            with suppress(OSError, ValueError):  # it has gone, or is not ours to look into
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    state, _, its_group = file.read().rpartition(b")")[2].split()[:3]
                if state in b"ZX":
                    continue
                if group and int(its_group) == group:
                    found.append(int(name))
                    continue
                with open(f"/proc/{name}/environ", "rb") as file:  # noqa: PTH123
                    if mark in file.read().split(b"\0"):
                        found.append(int(name))
    return found


def main() -> None:
    """Our words: the mark. On stdin the group's number, then DONE; without that, its end is an order."""
    mark, group = sys.argv[1], 0
    for line in sys.stdin.buffer:
        if line == DONE:
            return
        group = int(line)
    end(mark, group)


if __name__ == "__main__":
    main()
