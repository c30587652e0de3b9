"""`python -m bench.cluster parts` or `workers`: what a Dask cluster or a second process makes of a list.

`parts`: one process, a real scheduler with two workers, and the same where a worker and its nanny are killed:
do the parts hold what one process finds, how often was something asked, how much of a host at once, and what
does a URL cost the driver? `workers`: --workers 1 and 2 in turn, on pages whose unpacking makes the
client the limit. Both need Linux; docs/scale.md tells figures.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from bench.arms import fetch
from bench.measure import Figure, prepare, run
from bench.servers import server
from fetcher.model import PARITY
from fetcher.records import read

PER_HOST: Final = 2
DASK: Final = (sys.executable, "-m", "dask")
ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 500\r\n\r\n" + b"x" * 500


class Town:
    """Every address of 127.0.0.0/8 at one port; it counts what is asked, and how much of a host at once."""

    def __init__(self) -> None:
        self.asked = 0
        self.now: Counter[bytes] = Counter()
        self.most: Counter[bytes] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if head.startswith(b"GET /said "):
                    body = json.dumps({"asked": self.asked, "most": max(self.most.values(), default=0)})
                    self.__init__()  # type: ignore[misc]
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body.encode())
                    continue
                found = re.search(rb"\r\nhost: *(\S+)", head, re.IGNORECASE)
                host = found[1] if found else b""
                self.asked += 1
                self.now[host] += 1
                self.most[host] = max(self.most[host], self.now[host])
                await asyncio.sleep(0.002)  # so that there is an at once
                self.now[host] -= 1
                writer.write(ANSWER)
        writer.close()

    async def open(self) -> None:
        """Say the port, and serve until killed."""
        made = await asyncio.start_server(self.serve, "0.0.0.0", 0, backlog=4096)
        print(made.sockets[0].getsockname()[1], flush=True)
        await made.serve_forever()


def parts(urls: int, hosts: int) -> int:
    """The exit code: 1 where something was lost, doubled or asked too much at once."""
    with _started([sys.executable, "-m", "bench.cluster", "serve"]) as town:
        assert town.stdout is not None
        port = int(town.stdout.readline())
        with tempfile.TemporaryDirectory(prefix="fetch-bench-") as home, _scheduler() as address:
            listed, few = Path(home, "urls.txt"), Path(home, "few.txt")
            lines = [
                f"http://127.{1 + n % hosts // 250}.{n % hosts % 250 + 1}.1:{port}/{n}\n" for n in range(urls)
            ]
            random.Random(1).shuffle(lines)
            listed.write_text("".join(lines))
            few.write_text("".join(lines[:20]))
            print(f"{urls:,} URLs on {hosts:,} hosts, --per-host {PER_HOST}; load {os.getloadavg()[0]:.1f}")
            one = _run(port, "one process", listed, f"{home}/one.jsonl", "-e", "asyncio")
            with _worker(address), _worker(address) as second:
                start = _run(port, "a short list", few, f"{home}/few.jsonl/", "--cluster", address)
                whole = _run(port, "two workers", listed, f"{home}/whole.jsonl/", "--cluster", address)
                each = (whole["cpu"] - start["cpu"]) / urls * 1e6
                print(f"driver: {each:.2f} us of CPU a URL, and {start['cpu']:.2f} s for its start")
                killed = _run(
                    port, "one killed", listed, f"{home}/cut.jsonl/", "--cluster", address, victim=second.pid
                )
            same = _same(one["rows"], whole["rows"]) + _same(one["rows"], killed["rows"])
            print(f"rows that differ from those of one process: {same}")
            most = max(one["most"], whole["most"], killed["most"])
            print(f"requests of one host at once, at the most: {most}")
            return int(same > 0 or most > PER_HOST)


def _run(port: int, name: str, listed: Path, out: str, *words: str, victim: int = 0) -> dict[str, Any]:
    """One run; the CPU time is of this process alone: the workers are no children of it."""
    urlopen(f"http://127.0.0.1:{port}/said").read()
    given = [*fetch(), str(listed), "-q", "--per-host", str(PER_HOST), "-o", out, *words]
    began = time.monotonic()
    child = subprocess.Popen(given, stdout=subprocess.DEVNULL)
    if victim:
        _kill(victim, Path(out))
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    took, cpu = time.monotonic() - began, used.ru_utime + used.ru_stime
    said = json.loads(urlopen(f"http://127.0.0.1:{port}/said").read())
    rows = [tuple(str(record.get(key)) for key in ("row", *PARITY)) for record in read(out)]
    distinct = len({row[0] for row in rows})
    print(
        f"{name}: exit code {child.returncode}, {took:.1f} s, {len(rows):,} rows ({distinct:,} distinct), "
        f"{said['asked']:,} requests, {said['most']} of a host at once; driver {cpu:.2f} s of CPU; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    return {"rows": rows, "cpu": cpu, "most": said["most"]}


def _kill(nanny: int, out: Path) -> None:
    """In the middle of its second part or so: a worker and its nanny, neither of which can say a word."""
    while len(list(out.glob("part-*"))) < 2:
        time.sleep(0.05)
    time.sleep(1.5)
    for pid in (nanny, *_children(nanny)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    print(f"killed a worker and its nanny when {len(list(out.glob('part-*')))} parts were there")


def _children(parent: int) -> list[int]:
    found = [path.read_text().split() for path in Path(f"/proc/{parent}/task").glob("*/children")]
    return [int(pid) for some in found for pid in some]


def _same(one: list[Any], other: list[Any]) -> int:
    """How many rows are in one of both only, counted as often as they are there."""
    mine, theirs = Counter(one), Counter(other)
    return ((mine - theirs) + (theirs - mine)).total()


@contextmanager
def _started(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        try:
            yield child
        finally:
            child.terminate()


@contextmanager
def _scheduler() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="fetch-bench-") as home:
        file = Path(home, "scheduler.json")
        words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
        with _started([*DASK, "scheduler", *words]):
            while not (file.exists() and file.read_text()):
                time.sleep(0.1)
            yield str(json.loads(file.read_text())["address"])


@contextmanager
def _worker(address: str) -> Iterator[subprocess.Popen[str]]:
    with _started(
        [*DASK, "worker", address, "--nthreads", "1", "--host", "127.0.0.1", "--no-dashboard"]
    ) as child:
        time.sleep(4)  # it has no other way to say that it is there
        yield child


def workers(urls: int, rounds: int, engine: str) -> int:
    """--workers 1 and 2 in turn; pages of 600 kB, packed to a tenth, on so many hosts that each has half."""
    prepare()
    with tempfile.TemporaryDirectory(prefix="fetch-bench-") as home:
        words = random.Random(1).choices(["alpha", "beta", "gamma", "delta"], k=15_000)
        page = "\n".join(
            f'<tr><td class="n">{n}</td><td>{word}</td></tr>' for n, word in enumerate(words)
        ).encode()
        Path(home, "page.html").write_bytes(page)
        Path(home, "page.html.gz").write_bytes(gzip.compress(page))
        with server(embedded=False, hosts=True, root=Path(home)) as site:
            if isinstance(site, str):
                print(site)
                return 2
            listed = Path(home, "urls.txt")
            listed.write_text(site.urls(urls, "/page.html", hosts=1000))
            walls: dict[int, list[float]] = {1: [], 2: []}
            for number in range(rounds + 1):  # the first warms up
                for count in (1, 2) if number % 2 else (2, 1):
                    given = [*fetch(), str(listed), "-q", "-e", engine, "--workers", str(count)]
                    took = run(
                        [*given, "-o", f"{home}/{number}-{count}.jsonl"], out=None, cwd=Path(home), env={}
                    )
                    assert took.code == 0, took.said
                    walls[count] += [took.wall] if number else []
            ratios = Figure.of([one / two for one, two in zip(walls[1], walls[2], strict=True)])
    print(f"{engine}, {urls:,} pages of {len(page):,} bytes, {rounds} rounds, load {os.getloadavg()[0]:.1f}")
    for count, taken in walls.items():
        print(f"--workers {count}: {urls / Figure.of(taken).median:,.0f} pages/s")
    print(f"2 are {ratios.median:.2f} ({ratios.low:.2f}-{ratios.high:.2f}) times as fast as 1")
    return 0


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    parser.add_argument("what", choices=["parts", "workers", "serve"])
    parser.add_argument("--urls", type=int, default=0, help="of `parts` 200,000, of `workers` 10,000")
    parser.add_argument("--hosts", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine", default="asyncio")
    given = parser.parse_args()
    if given.what == "serve":
        asyncio.run(Town().open())
    if given.what == "parts":
        return parts(given.urls or 200_000, given.hosts)
    return workers(given.urls or 10_000, given.rounds, given.engine)


if __name__ == "__main__":
    sys.exit(main())
