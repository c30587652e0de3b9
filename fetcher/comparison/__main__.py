"""The process of one lap: a warm-up, then the list, through one engine; its figures go to stdout."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fetcher.child import leash, orders
from fetcher.comparison.arms import pick
from fetcher.comparison.gate import Connections, Gate
from fetcher.descriptors import fit
from fetcher.drive import Spent, drive
from fetcher.errors import FetchError, LocalFault
from fetcher.feeds.rows import Rows
from fetcher.feeds.rows import readers as wanted
from fetcher.handover import options_of
from fetcher.model import Options, Request, Result, columns
from fetcher.outbox import Outbox
from fetcher.pump import Piece, Ready
from fetcher.run import chain
from fetcher.sinks import jsonl
from fetcher.sources import Bad
from fetcher.usage import own, peak


def main() -> int:
    """Do what stands on the first line of stdin; end when stdin does: whoever started this has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started this, and ends it
    told = orders()
    task = json.loads(told.readline())
    leash(told)
    try:
        figures = lap(task)
    except FetchError as error:
        sys.stderr.write(f"{error}\n")
        return 4 if isinstance(error, LocalFault) else 2
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


def lap(task: dict[str, Any]) -> dict[str, Any]:
    """Times are monotonic seconds, the same clock for all processes of a machine; CPU is the whole tree's."""
    options = options_of(task["options"])
    module = pick(task["engine"])
    options.concurrency, _ = fit(task["concurrency"], module.DESCRIPTORS)
    pieces = read(Path(task["list"]), tuple(task["readers"]), options)
    warm = task["warm"]
    figures: dict[str, Any] = {"width": options.concurrency}

    def note(word: str) -> None:
        figures[word] = time.monotonic()
        figures[f"{word}_cpu"] = own()

    spent: Spent = {}
    rows = Rows(Ready([*pieces[:warm], *pieces]), options)
    gate = Gate(rows, warm, lambda: note("opened"))
    limits, feed = chain(gate, options)
    connections = Connections(feed)
    with Path(task["out"]).open("wb", 1 << 16) as file, jsonl.sink(file, columns(options)) as write:

        def keep(results: Sequence[Result]) -> None:
            if "first" not in figures:
                note("first")
            if listed := [result for result in results if result.row > warm]:
                write(listed)

        with module.engine(options) as engine:
            drive(connections, engine, options, Outbox([keep], queued=False), spent=spent)
            note("ended")
            figures["rss"] = peak()
            figures["connections"] = connections.opened
            figures["spent"] = {why: seconds for why, seconds in spent.items() if why != "warm-up"}
            if (
                held := limits.blocked_by()
            ) is not None:  # the loop takes such a wait for the end of the list
                figures["spent"]["limits"] = max(figures["spent"].get("limits", 0.0), held[2])
    return figures


def read(path: Path, readers: tuple[str, ...], options: Options) -> list[Piece]:
    """The frozen list: [input, text], or [input, text, why] of a line that is no URL."""
    pieces: list[Piece] = []
    with path.open(encoding="utf-8", errors="surrogatepass") as lines:
        for line in lines:
            name, text, *why = json.loads(line)
            if why:
                pieces.append((name, Bad(text, why[0])))
            elif readers:
                pieces.append((name, Request(text, readers=(*wanted(options), *readers))))
            else:
                pieces.append((name, text))
    return pieces


if __name__ == "__main__":
    sys.exit(main())
