"""One command as a whole process tree: wall time, CPU time of all of it, peak memory, first output."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PR_SET_CHILD_SUBREAPER = 36
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")
SLOWEST = 0.25  # seconds between two looks at memory; the first ones come sooner
ORPHANS = 3.0  # seconds that processes left behind have to end


class Taken(NamedTuple):
    """What one run of a command took: seconds, and MB."""

    wall: float
    cpu: float
    rss: float
    first: float  # until the first byte on stdout, or what `first` of `run` says
    code: int
    said: str  # the end of stderr


class Figure(NamedTuple):
    """Several runs of one thing, as a person reads them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        """Median, least and most."""
        return cls(statistics.median(values), min(values), max(values))


def prepare() -> None:
    """Orphans of what we run come to us, so that their CPU time is counted; as many descriptors as may be."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(
    words: Sequence[str],
    *,
    out: Path | None,
    cwd: Path,
    env: Mapping[str, str],
    timeout: float = 1800,
    first: Callable[[], float] | None = None,
) -> Taken:
    """Run it to its end; stdout goes to the file `out`, or through a pipe that we empty.

    `first` gives the monotonic time of whatever is to count as the first output.
    """
    before = set(_parents())
    with tempfile.TemporaryFile() as errors, Path(out or os.devnull).open("wb") as file:
        began = time.monotonic()
        child = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=file if out else subprocess.PIPE,
            stderr=errors,
            cwd=cwd,
            env={**os.environ, **env},
        )
        heard = _Pipe(child) if out is None else None
        ended = _Wait(child.pid)
        rss = _watch(child, ended, timeout)
        child.returncode = os.waitstatus_to_exitcode(ended.status)
        if heard:
            heard.join()
        errors.seek(max(errors.seek(0, os.SEEK_END) - 400, 0))
        said = " ".join(errors.read().decode("utf-8", "replace").split())
    cpu = sum(used.ru_utime + used.ru_stime for used in [ended.used, *_orphans(before)])
    at = first() if first else heard.first if heard else 0.0
    largest = ended.used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    if largest > _own_peak():  # a child's figure begins with ours: fork comes before exec
        rss = max(rss, largest)
    return Taken(ended.at - began, cpu, rss, max(at - began, 0.0), child.returncode, said)


class _Wait(threading.Thread):
    """Waits for a child: when it ended, how, and what it and those it waited for have used."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        _, self.status, self.used = os.wait4(self.pid, 0)
        self.at = time.monotonic()
        self.over.set()


class _Pipe(threading.Thread):
    """Empties a child's stdout and notes when its first byte came."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        assert child.stdout is not None
        self.stdout = child.stdout
        self.first = 0.0
        self.start()

    def run(self) -> None:
        with self.stdout:
            while os.read(self.stdout.fileno(), 1 << 16):
                self.first = self.first or time.monotonic()


def _watch(child: subprocess.Popen[bytes], ended: _Wait, timeout: float) -> float:
    """Look at the tree's memory until it ends: the most seen, in MB. Past the timeout it is killed."""
    most, pause = 0.0, 0.01
    until = time.monotonic() + timeout
    while not ended.over.wait(pause):
        most = max(most, _memory(child.pid))
        pause = min(pause * 2, SLOWEST)
        if time.monotonic() > until:
            child.kill()
    return most


def _memory(pid: int) -> float:
    """MB: the resident memory of the tree now, or the peak of its root, whichever is more."""
    tree, parents = {pid}, _parents()
    for one in sorted(parents):  # a child's number is nearly always above its parent's
        if parents[one] in tree:
            tree.add(one)
    now, peak = 0, 0
    for one in tree:
        with contextlib.suppress(OSError, IndexError, ValueError):
            now += int((PROC / str(one) / "statm").read_text().split()[1]) * PAGE
    with contextlib.suppress(OSError, IndexError, ValueError):
        status = (PROC / str(pid) / "status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) << 10
    return max(now, peak) / (1 << 20)


def _parents() -> dict[int, int]:
    """Every process and its parent; empty where there is no /proc."""
    found: dict[int, int] = {}
    for folder in PROC.iterdir() if PROC.is_dir() else ():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                found[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def _orphans(before: set[int]) -> list[resource.struct_rusage]:
    """What processes that were left behind to us have used; those that do not end are ended."""
    used = []
    ours = [pid for pid, parent in _parents().items() if parent == os.getpid() and pid not in before]
    for pid in ours:
        until = time.monotonic() + ORPHANS
        done = os.wait4(pid, os.WNOHANG)
        while not done[0] and time.monotonic() < until:
            time.sleep(0.02)
            done = os.wait4(pid, os.WNOHANG)
        if not done[0]:
            os.kill(pid, signal.SIGKILL)
            done = os.wait4(pid, 0)
        used.append(done[2])
    return used


def _own_peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1 << 20 if sys.platform == "darwin" else 1 << 10
    )
