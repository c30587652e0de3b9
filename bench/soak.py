"""`python -m bench.soak --minutes 10`: a mixed load for so long; do memory, descriptors or threads grow?

The list never ends before its time: bodies, codings, redirects, delays, error statuses, answers cut short,
ports where nothing listens, lines that are no URL. Every record is held against what its line must give. One
engine after the other; `--write` keeps the figures in bench/SOAK.md, in place of those of the same engines.
"""

from __future__ import annotations

import argparse
import random
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from bench.watched import MB, Ran, blocks, ran
from fetcher.comparison.machine import environment
from fetcher.server import site

WRITTEN = Path(__file__).with_name("SOAK.md")
WARM = 60.0  # seconds, at most a quarter of the run: pools and caches fill
# What is asked, how often in 1,000, and the first field of its record.
MIX = (
    ("/bytes/{n}", 520, "200"),
    ("/delay/0.0{n}", 90, "200"),
    ("/gzip/{n}", 50, "200"),
    ("/br/{n}", 30, "200"),
    ("/zstd/{n}", 30, "200"),
    ("/deflate/{n}", 30, "200"),
    ("/chunked/{n}", 60, "200"),
    ("/redirect/3?{n}", 40, "200"),
    ("/html/5000?{n}", 20, "200"),
    ("/status/404?{n}", 40, "404"),
    ("/status/204?{n}", 20, "204"),
    ("/truncated/{n}00", 10, "truncated"),
    ("/redirect-loop?{n}", 10, "redirect_loop"),
    ("/bytes/300000?{n}", 10, "200"),
    ("/hang?{n}", 1, "read_timeout"),
    ("closed", 20, "connect_refused"),
    ("invalid", 19, "invalid_url"),
)
WORDS = ("--timeout", "5", "--retries", "0", "--per-host", "64")


def lines(base: str, closed: int, minutes: float, seed: int) -> Iterator[str]:
    """The list: its lines, until their time is over. What a line must give stands in its fragment."""
    until, chance = time.monotonic() + minutes * 60, random.Random(seed)
    paths, weights, wanted = zip(*MIX, strict=True)
    numbers = range(len(paths))
    while time.monotonic() < until:
        for number in chance.choices(numbers, weights, k=100):
            n = chance.randrange(1, 100)
            path = paths[number].format(n=n)
            place = {"closed": f"http://127.0.0.1:{closed}/", "invalid": "http://a..b/"}.get(
                path, base + path
            )
            yield f"{place}#{wanted[number]}"


def heard(stream: BinaryIO, kinds: Counter[str]) -> None:
    """Hold each record against what it must be; `wrong` ones are counted by both."""
    for line in stream:
        first, wanted = line.partition(b"\t")[0].decode(), line.partition(b"#")[2].split()[0].decode()
        kinds["right" if first == wanted else f"wrong: {first} for {wanted}"] += 1


def soak(engine: str, minutes: float, seed: int) -> Ran:
    """One run of one engine."""
    with site() as base, socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        listed = lines(base, held.getsockname()[1], minutes, seed)
        return ran(blocks(listed, 100), ["-e", engine, *WORDS], heard=heard, every=1.0)


def row(engine: str, done: Ran, minutes: float) -> str:
    """The figures as a row of the table."""
    since = min(WARM, minutes * 15)
    warm = [one for one in done.samples if one.seconds > since]
    first, last = warm[0], warm[-1]
    wrong = done.kinds.total() - done.kinds["right"]
    cells = [
        engine,
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"{done.seconds / 60:.1f}",
        f"{done.lines:,}",
        f"{done.lines / done.seconds:,.0f}",
        f"{wrong}",
        f"{first.rss / MB:.1f}",
        f"{last.rss / MB:.1f}",
        f"{done.peak('rss') / MB:.1f}",
        f"{done.slope(since=since, by='seconds') * 3600 / MB:+.2f}",
        f"{done.slope(since=since) * 1e6 / MB:+.2f}",
        f"{min(one.descriptors for one in warm)}-{max(one.descriptors for one in warm)}",
        f"{min(one.threads for one in warm)}-{max(one.threads for one in warm)}",
        f"{last.cpu / done.lines * 1e6:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


COLUMNS = (
    *("engine", "date", "minutes", "lines", "lines/s", "wrong"),
    *("RSS after warm-up, MB", "at the end", "peak", "growth, MB an hour", "MB a million lines"),
    *("descriptors", "threads", "CPU, us a line"),
)
HEAD = (f"| {' | '.join(COLUMNS)} |", f"|{'---|' * 2}{'--:|' * (len(COLUMNS) - 2)}")
ABOUT = """# Soak

Written by `python -m bench.soak --minutes 10 --write`; what is asked: `MIX` in `bench/soak.py`. A sample a
second, of the process that runs `fetch`; growth is the slope of the least squares through all samples after
the first minute. `wrong`: records that are not what their line must give.
"""


def written(rows: dict[str, str]) -> str:
    """bench/SOAK.md, with the rows of earlier runs of other engines."""
    if WRITTEN.exists():
        old = [line for line in WRITTEN.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
        rows = {line.split(" | ")[0][2:]: line for line in old[1:]} | rows
    facts = environment([])
    machine = (
        f"{facts['processor']}, {facts['cpus']} CPUs for client and server together, {facts['system']}, "
        f"Python {facts['python']}, fetch {facts['fetch']}; options {' '.join(WORDS)}."
    )
    return "\n".join([ABOUT, machine, "", *HEAD, *rows.values(), ""])


def main() -> int:
    """The exit code: 0, or 1 where a record was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--engine", action="append", help="one or more; default: asyncio and curl")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="keep the figures in bench/SOAK.md")
    given = parser.parse_args()
    rows: dict[str, str] = {}
    failed = False
    print("\n".join(HEAD), flush=True)
    for engine in given.engine or ["asyncio", "curl"]:
        done = soak(engine, given.minutes, given.seed)
        rows[engine] = row(engine, done, given.minutes)
        print(rows[engine], flush=True)
        if wrong := {kind: count for kind, count in done.kinds.items() if kind != "right"}:
            print(wrong, file=sys.stderr)
        if done.kinds.total() != done.lines:
            print(f"{done.lines:,} lines, but {done.kinds.total():,} records", file=sys.stderr)
        failed = failed or bool(wrong) or done.kinds.total() != done.lines
    if given.write:
        WRITTEN.write_text(written(rows), encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
