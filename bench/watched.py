"""One run of `fetch`: its list written as it reads, its records read as they come, its memory watched."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

MB = 1 << 20
SUMS = re.compile(r"lines read = ([\d,]+) ok \+ ([\d,]+) failed(?: \+ ([\d,]+) skipped)?")

Heard = Callable[[BinaryIO, Counter[str]], None]


class Sample(NamedTuple):
    """A running process at one moment, and how many lines it had been given by then."""

    seconds: float
    lines: int
    rss: int  # bytes
    descriptors: int
    threads: int
    cpu: float  # seconds of CPU that it has used


class Ran(NamedTuple):
    """A whole run."""

    code: int
    kinds: Counter[str]  # what was made of the records
    sums: tuple[int, ...]  # ok, failed, skipped: what the summary says
    samples: list[Sample]
    stderr: str

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.samples[-1].seconds

    @property
    def lines(self) -> int:
        """How many lines it was given."""
        return self.samples[-1].lines

    def slope(self, after: int = 0, since: float = 0.0, by: str = "lines") -> float:
        """Bytes by which memory grew with each line (or second), after the first so many: least squares."""
        kept = [one for one in self.samples if one.lines > after and one.seconds > since]
        if len(kept) < 6:
            raise ValueError("too few samples")
        points = [(getattr(one, by), one.rss) for one in kept]
        middle, height = (sum(column) / len(points) for column in zip(*points, strict=True))
        spread = sum((x - middle) ** 2 for x, _ in points)
        return float(sum((x - middle) * (y - height) for x, y in points) / spread) if spread else 0.0

    def peak(self, field: str) -> int:
        """The most that was seen of it."""
        return int(max(getattr(one, field) for one in self.samples))


def look(process: int, seconds: float, lines: int) -> Sample | None:
    """A sample of a process; None once it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
        times = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        descriptors = sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return None
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    if "VmRSS" not in facts:
        return None
    user, system = times.rpartition(")")[2].split()[11:13]
    cpu = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    rss = int(facts["VmRSS"].split()[0]) << 10
    return Sample(seconds, lines, rss, descriptors, int(facts["Threads"]), cpu)


def ran(
    blocks: Iterable[tuple[int, bytes]],
    words: Iterable[str],
    *,
    heard: Heard | None = None,
    given: list[int] | None = None,
    every: float = 0.1,
) -> Ran:
    """`fetch - WORDS` over these blocks of lines; `given[0]` is how many have been written so far."""
    given = [0] if given is None else given
    kinds, samples, said = Counter[str](), list[Sample](), list[bytes]()
    env = {key: value for key, value in os.environ.items() if not key.startswith("FETCH_")}
    start, piped = time.monotonic(), subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-m", "fetcher", "-", *words], stdin=piped, stdout=piped, stderr=piped, env=env
    ) as child:
        assert child.stdin
        assert child.stdout
        assert child.stderr
        threads = [
            threading.Thread(target=write, args=(child.stdin, blocks, given)),
            threading.Thread(target=heard or first_fields, args=(child.stdout, kinds)),
            threading.Thread(target=lambda stream: said.append(stream.read()), args=(child.stderr,)),
        ]
        for thread in threads:
            thread.start()
        while child.poll() is None:
            if sample := look(child.pid, time.monotonic() - start, given[0]):
                samples.append(sample)
            time.sleep(every)
        for thread in threads:
            thread.join(60)
    stderr = said[0].decode()
    found = SUMS.search(stderr)
    sums = tuple(int((one or "0").replace(",", "")) for one in found.groups()) if found else ()
    return Ran(child.returncode, kinds, sums, samples, stderr)


def write(stream: BinaryIO, blocks: Iterable[tuple[int, bytes]], given: list[int]) -> None:
    """The list, as fast as it is read."""
    with suppress(BrokenPipeError), stream:
        for count, block in blocks:
            stream.write(block)
            given[0] += count


def first_fields(stream: BinaryIO, kinds: Counter[str]) -> None:
    """Read all records, and count them by their first field: the status, or the kind of the error."""
    for line in stream:
        kinds[line.partition(b"\t")[0].decode()] += 1


def blocks(lines: Iterable[str], size: int = 1000) -> Iterator[tuple[int, bytes]]:
    """The lines as blocks of text, each with its number of lines."""
    lines = iter(lines)
    while part := list(islice(lines, size)):
        yield len(part), "".join(f"{line}\n" for line in part).encode()
