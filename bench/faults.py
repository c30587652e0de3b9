"""`python -m bench.faults crowd` or `drips`: what faults cost their neighbours, and when a drip is stopped.

These figures of docs/reliability.md (R2, R6) need a quiet machine, so no test asserts them; each line tells
the load it met. `crowd` measures the whole command with all its processes, its servers apart. `drips` runs in
namespaces of its own where it can (unshare), so that it can be the name server, too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import fetcher
from bench.arms import fetch
from bench.measure import Figure, Taken, prepare, run
from fetcher import engines, menu
from fetcher.server import site
from fetcher.server.faults import Fault, every
from fetcher.usage import usage

GOOD: Final = 9_000
BAD: Final = 1_000
GROUPS: Final = ("status", "heads", "lengths", "chunks", "codings", "closing", "interim")


@dataclass
class Crowd:
    """One run over a crowd of URLs."""

    taken: Taken
    seconds: float  # from the first request to the last record
    until_good: float  # ... to the last good record
    servers: tuple[float, float]  # CPU seconds: of the site, of the fault server
    attempts: int
    urls: int
    bodies: dict[str, str]  # good URL -> SHA-256


def fast(fault: Fault) -> bool:
    """Whether it is over at once: no pause in its script, no end that never comes, no limit to be set."""
    waits = isinstance(fault.sends, tuple) and any(isinstance(step, float) for step in fault.sends)
    apart = fault.place != "path" or fault.certificate or fault.host
    slow = waits or fault.at_least or fault.settings or "endless" in fault.name
    return fault.group in GROUPS and not apart and not slow and fault.error != "body_too_large"


def crowd(names: list[str], rounds: int) -> None:
    """R2: 9,000 good URLs alone, and with 1,000 fast faults among them, with and without retries."""
    with site() as base, site(faults=True) as bad, tempfile.TemporaryDirectory(prefix="fetch-bench-") as home:
        where = {one["path"]: one["url"] for one in json.loads(urlopen(f"{bad}/faults").read())}
        listed = [where[one.path] for one in every() if fast(one) and one.path in where]
        good = [f"{base}/bytes/{n % 1000}?{n}" for n in range(GOOD)]
        mixed = good + [f"{listed[n % len(listed)]}?{n}" for n in range(BAD)]
        new = good + [f"{bad}/closing/announced?{n}" for n in range(BAD)]  # good answers, but the last ones
        random.Random(1).shuffle(mixed)
        random.Random(1).shuffle(new)
        print(f"{len(listed)} fast faults, {GOOD} + {BAD} URLs, {rounds} rounds")
        for name in names:
            arms = {"good": (good, "2"), "mixed": (mixed, "2"), "no retries": (mixed, "0")}
            arms["new connections"] = (new, "0")
            seen: dict[str, list[Crowd]] = {arm: [] for arm in arms}
            for number in range(rounds + 1):  # the first warms up
                order = list(arms)
                random.Random(number).shuffle(order)
                for arm in order:
                    urls, retries = arms[arm]
                    one = _crowd(Path(home), name, urls, retries, (base.pid, bad.pid), base)
                    seen[arm] += [one] if number else []
            _tell(name, seen)


def _crowd(
    home: Path, name: str, urls: list[str], retries: str, servers: tuple[int, int], base: str
) -> Crowd:
    listed, totals = home / "urls.txt", home / "totals.json"
    listed.write_text("\n".join(urls))
    words = [*fetch(), str(listed), "-e", name, "--retries", retries, "--json", "--hash", "-q"]
    words += ["--summary", str(totals), "--overwrite", "--timeout", "5"]
    before = [usage(pid).cpu for pid in servers]
    taken = run(words, out=home / "out", cwd=home, env={})
    after = [usage(pid).cpu for pid in servers]
    records = [json.loads(line) for line in (home / "out").read_text().splitlines()]
    assert len(records) == len(urls), taken.said
    begun = min(map(_began, records))
    fine = [record for record in records if record["url"].startswith(f"{base}/")]
    assert all(record["status"] == 200 for record in fine)
    total = json.loads(totals.read_text())
    return Crowd(
        taken,
        total["seconds"],
        max(_began(record) + record["elapsed"] for record in fine) - begun,
        (after[0] - before[0], after[1] - before[1]),
        total["attempts"],
        len(urls),
        {record["url"]: record["sha256"] for record in fine},
    )


def _began(record: dict[str, Any]) -> float:
    return datetime.fromisoformat(record["started"]).timestamp()


def _tell(name: str, seen: dict[str, list[Crowd]]) -> None:
    alone = seen["good"]
    for arm, runs in seen.items():
        same = all(one.bodies == first.bodies for one, first in zip(runs, alone, strict=True))
        cpu = Figure.of([one.taken.cpu for one in runs])
        words = [f"{name:10} {arm:15} load {os.getloadavg()[0]:.1f}"]
        words += [
            f"{len(runs[0].bodies)} bodies {'equal' if same else 'DIFFER'}, {runs[0].attempts} attempts"
        ]
        words += [f"run {Figure.of([one.seconds for one in runs]).median:.2f} s"]
        words += [
            f"CPU client {cpu.median:.2f} site {Figure.of([one.servers[0] for one in runs]).median:.2f}"
        ]
        words += [f"faults {Figure.of([one.servers[1] for one in runs]).median:.2f}"]
        ratios = {
            "good/s": [a.seconds / b.seconds for a, b in zip(alone, runs, strict=True)],
            "URLs/s": [a.seconds / a.urls / b.seconds * b.urls for a, b in zip(alone, runs, strict=True)],
            "to the last good": [a.until_good / b.until_good for a, b in zip(alone, runs, strict=True)],
            "good/CPU s": [a.taken.cpu / b.taken.cpu for a, b in zip(alone, runs, strict=True)],
        }
        for what, values in ratios.items():
            figure = Figure.of(values)
            words += [f"{what} {figure.median:.0%} ({figure.low:.0%}-{figure.high:.0%})"]
        print(", ".join(words), flush=True)


# Drips.

TIMEOUT: Final = 2.0
HEAD: Final = b"HTTP/1.1 200 OK\r\n"
# What comes at once, and what comes byte by byte, again and again.
DRIPS: Final = {
    "line": (b"", b"HTTP/1.1 200 " + b"x" * 99),
    "head": (HEAD, b"X: aaaaaaaa\r\n"),
    "body": (HEAD + b"Content-Length: 4000\r\n\r\n", b"x"),
    "close": (HEAD + b"\r\n", b"x"),
    "chunks": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "trailers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
}
SHAKE: Final = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc" + b"\x03" * 99  # a TLS handshake that begins well
STEPS: Final = (0.1, TIMEOUT - 0.1)  # seconds between two bytes


def drips(names: list[str], rounds: int) -> None:
    """R6: how long after its start each record of a drip comes, with a timeout of two seconds."""
    plain, shaking = _listen(_drip), _listen(lambda conn: _drops(conn, SHAKE, STEPS[1]))
    urls = [f"http://127.0.0.1:{plain}/{what}/{step}" for what in DRIPS for step in STEPS]
    urls.append(f"https://127.0.0.1:{shaking}/")
    if "BENCH_NAMES" in os.environ:
        _answer_names()
        urls += [f"http://silent.test:{plain}/", f"http://late.test:{plain}/body/{STEPS[1]}"]
    for name in names:
        took, came = [], []  # by the clock of the attempt; by ours, with the start of workers in it
        for _ in range(rounds):
            for result in fetcher.fetch(urls, engine=name, timeout=TIMEOUT, retries=0, concurrency=32):
                assert (result.error or "").endswith(("timeout", "dns_temporary")), result
                took.append(result.elapsed)
                came.append(time.time() - _began(result.record()))
        first, second = Figure.of(took), Figure.of(came)
        words = f"{name:10} load {os.getloadavg()[0]:.1f}, {len(took)} drips of {len(urls)} kinds"
        words += f": {first.low:.3f} to {first.high:.3f} s, median {first.median:.3f}"
        print(f"{words}; here after {second.low:.3f} to {second.high:.3f}", flush=True)


def _listen(script: Callable[[socket.socket], None]) -> int:
    """A port whose every connection gets a thread that runs the script."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)

    def serve(conn: socket.socket) -> None:
        with conn, suppress(OSError):
            script(conn)

    def accept() -> None:
        while True:
            conn, _ = listener.accept()
            threading.Thread(target=serve, args=(conn,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def _drip(conn: socket.socket) -> None:
    _, what, step = conn.recv(65_536).split(b" ")[1].decode().split("/")
    start, drops = DRIPS[what]
    conn.sendall(start)
    _drops(conn, drops, float(step))


def _drops(conn: socket.socket, drops: bytes, step: float) -> None:
    while True:
        for at in range(len(drops)):
            time.sleep(step)
            conn.sendall(drops[at : at + 1])


def _answer_names() -> None:
    """Be the name server: what begins with "late" is answered after the longer step, nothing else is."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def answer(query: bytes, who: tuple[str, int]) -> None:
        end = query.index(b"\0", 12) + 5
        is_a = query[end - 3] == 1
        row = b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x7f\0\0\x01" if is_a else b""
        head = query[:2] + b"\x81\x80\0\x01\0" + bytes([is_a]) + b"\0\0\0\0"
        server.sendto(head + query[12:end] + row, who)

    def serve() -> None:
        while True:
            query, who = server.recvfrom(512)
            if query[13:17] == b"late":
                threading.Timer(STEPS[1], answer, (query, who)).start()

    threading.Thread(target=serve, daemon=True).start()


def _in_namespaces() -> int | None:
    """Run this again where names are ours to answer; None where that cannot be."""
    setup = "ip link set lo up && mount --bind resolv.conf /etc/resolv.conf"
    with tempfile.TemporaryDirectory(prefix="fetch-bench-") as home:
        Path(home, "resolv.conf").write_text("nameserver 127.0.0.1\n")
        alone = ["unshare", "-rnm", "sh", "-c"]
        with suppress(FileNotFoundError):
            if subprocess.run([*alone, setup], cwd=home, capture_output=True, check=False).returncode == 0:
                words = [*alone, f'cd {home} && {setup} && cd "$0" && exec "$@"', str(Path.cwd())]
                words += [sys.executable, "-m", "bench.faults", *sys.argv[1:]]
                return subprocess.run(words, env={**os.environ, "BENCH_NAMES": "1"}, check=False).returncode
    return None


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("what", choices=["crowd", "drips"])
    parser.add_argument("--engines", default=",".join(menu.names(engines)))
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    names = given.engines.split(",")
    if given.what == "drips":
        if "BENCH_NAMES" not in os.environ and (code := _in_namespaces()) is not None:
            return code
        drips(names, given.rounds)
    else:
        prepare()
        crowd(names, given.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
