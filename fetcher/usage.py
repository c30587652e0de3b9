"""What a process and all its children have used so far: CPU seconds, and the memory they hold now."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

PROC: Final = Path("/proc")


class Usage(NamedTuple):
    """User + system seconds, to a clock tick (10 ms); resident bytes, shared pages in each process."""

    cpu: float
    rss: int


def usage(pid: int) -> Usage:
    """Of this process, those below it, and those that they have waited for. Zero of what has gone."""
    table = list(_proc(pid) if PROC.is_dir() else _ps(pid))
    return Usage(sum(one.cpu for one in table), sum(one.rss for one in table))


def own() -> float:
    """CPU seconds of this process and all below it; its own exactly, its children's to a clock tick."""
    below = sum(one.cpu for one in _proc(os.getpid(), itself=False)) if PROC.is_dir() else 0.0
    times = os.times()
    try:
        import resource
    except ImportError:  # Windows
        return times.user + times.system
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime + times.children_user + times.children_system + below


def peak() -> int:
    """The most memory that this process and each one below it has held, in bytes; added up."""
    total = 0
    for pid in _below(os.getpid()) if PROC.is_dir() else ():
        with suppress(OSError, IndexError, ValueError):
            # Not ru_maxrss: it begins with what the parent held, whose copy a child is before it execs.
            status = (PROC / str(pid) / "status").read_text()
            total += int(status.split("VmHWM:")[1].split()[0]) << 10
    if total:
        return total
    with suppress(ImportError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 0


def tree(parents: dict[int, int], root: int) -> list[int]:
    """The process and all below it, from a table of everybody's parent."""
    below: dict[int, list[int]] = {}
    for one, parent in parents.items():
        below.setdefault(parent, []).append(one)
    found = [root]
    for one in found:
        found += below.get(one, ())
    return found


def _proc(root: int, *, itself: bool = True) -> Iterable[Usage]:
    page = os.sysconf("SC_PAGE_SIZE")
    for pid in list(_below(root))[not itself :]:
        with suppress(OSError, IndexError, ValueError):
            words = _stat(pid)
            # utime stime cutime cstime, and rss (proc(5): fields 14 to 17 and 24)
            yield Usage(sum(map(int, words[11:15])) / _ticks(), int(words[21]) * page)


def _below(root: int) -> Iterable[int]:
    """The process and all below it: by the kernel's lists of children, where it was built with them."""
    if not (PROC / "thread-self/children").exists():
        return tree(_parents(), root)
    found = [root]
    for pid in found:
        with suppress(OSError):  # it has gone
            for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - a Path for each is slow
                with open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123
                    found += map(int, file.read().split())
    return found


def _parents() -> dict[int, int]:
    found = {}
    for name in os.listdir(PROC):  # noqa: PTH208
        if name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                found[int(name)] = int(_stat(int(name))[1])
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: the second may contain anything."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        return file.read().rpartition(b")")[2].decode("ascii").split()


@cache
def _ticks() -> int:
    return os.sysconf("SC_CLK_TCK")


def _ps(root: int) -> Iterable[Usage]:
    """By ps(1), for macOS and the BSDs."""
    words = ["ps", "-A", "-o", "pid=,ppid=,rss=,time="]
    with suppress(OSError):
        rows = subprocess.run(words, capture_output=True, text=True, check=False).stdout.splitlines()  # noqa: S603
        found = {int(row.split()[0]): row.split()[1:] for row in rows}
        for pid in tree({pid: int(words[0]) for pid, words in found.items()}, root):
            if pid in found:
                yield Usage(_clock(found[pid][2]), int(found[pid][1]) * 1024)


def _clock(text: str) -> float:
    """Seconds of `[[days-]hours:]minutes:seconds`."""
    days, _, rest = text.rpartition("-")
    seconds = 0.0
    for part in rest.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds + int(days or 0) * 86400
