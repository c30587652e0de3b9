"""A first look without a network: the embedded site, get on it, and the engines ranked: `fetch demo`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from fetcher.cli.get import guarded

SHOWN: Final = (
    *("/", "/bytes/246819", "/gzip/100000", "/chunked/50000", "/redirect/2", "/delay/0.3"),
    *("/status/404", "/truncated/1000", "/redirect-loop"),
)
MADE_UP: Final = "http://some-made-up-domain.invalid/"


class Lap(NamedTuple):
    """What one engine took for the list."""

    engine: str
    ok: int
    wall: float  # seconds, start of the interpreter included
    cpu: float  # user + system seconds of its whole process tree


def command(
    urls: Annotated[int, typer.Option("--urls", metavar="N", help="URLs for the ranking.", min=1)] = 500,
) -> None:
    """Fetch from the embedded site with every installed engine, and rank them by CPU per URL."""
    raise typer.Exit(guarded(lambda: _demo(urls), debug=False))


def _demo(urls: int) -> int:
    from fetcher import engines, menu, server
    from fetcher.errors import UsageError

    with server.site() as base, tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "urls.txt")
        listed.write_text("\n".join((*(base + path for path in SHOWN), MADE_UP)))
        print(f"The embedded site runs at {base}. One line per URL, as it completes:\n", flush=True)
        _fetch(listed, "asyncio", quiet=False)
        listed.write_text("".join(f"{base}/bytes/{10_000 + n}\n" for n in range(urls)))
        print(
            f"\n{urls} pages of about 10 kB from that site, by every engine that is installed:\n", flush=True
        )
        laps = []
        for name in menu.names(engines):
            try:
                engines.pick(name)
            except UsageError as error:
                print(f"  {error}")
                continue
            laps.append(_fetch(listed, name, quiet=True))
    print(ranking(laps, urls))
    return 0 if all(lap.ok == urls for lap in laps) else 1


def _fetch(listed: Path, engine: str, *, quiet: bool) -> Lap:
    """Run `fetch` on the list as a process of its own, so that its CPU time is its own."""
    summary = listed.with_suffix(".json")
    words = [
        sys.executable,
        "-m",
        "fetcher",
        "get",
        str(listed),
        "-e",
        engine,
        "--summary",
        str(summary),
        "--overwrite",
    ]
    began = time.monotonic()
    out = subprocess.DEVNULL if quiet else None
    subprocess.run([*words, *(("-q",) if quiet else ())], stdout=out, check=False)  # noqa: S603
    wall = time.monotonic() - began
    totals = json.loads(summary.read_text(encoding="utf-8"))
    return Lap(engine, totals["ok"], wall, totals["cpu"])


def ranking(laps: list[Lap], urls: int) -> str:
    """The table, least CPU first. Each figure contains the start of the interpreter, as a user feels it."""
    laps = sorted(laps, key=lambda lap: lap.cpu)
    rows = [f"  {'engine':<12}{'ok':>6}{'CPU/URL':>12}{'URLs/s':>10}   {'CPU against the best':<20}"]
    rows += [
        f"  {lap.engine:<12}{lap.ok:>6,}{lap.cpu / urls * 1e3:>9.2f} ms{urls / lap.wall:>10,.0f}"
        f"   {lap.cpu / laps[0].cpu:.1f} x"
        for lap in laps
    ]
    rows.append("\nOne run each, start-up included: a first look, no measurement. Your own list decides.")
    return "\n".join(rows)
