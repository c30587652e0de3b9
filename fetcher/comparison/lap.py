"""One engine over the list, once, in a process of its own: started, watched, and what came of it read."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Container, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

from fetcher import menu
from fetcher.child import Child
from fetcher.comparison.plan import Arm, Plan
from fetcher.handover import options_record
from fetcher.histogram import Histogram
from fetcher.model import Options
from fetcher.sources import Bad
from fetcher.usage import usage

WORDS: Final = menu.command("fetcher.comparison")
GLANCE: Final = 0.2  # seconds between two looks at the memory of its processes


@dataclass(slots=True)
class Lap:
    """What a lap took, in seconds and bytes; from `wall` on it is of the list, after the warm-up."""

    startup: float  # from the start of the process to its first answer
    warmup: float  # from there to the last answer of the warm-up
    wall: float
    cpu: float  # user + system, the whole process tree
    server: float | None  # CPU seconds of the server, where it is ours
    rss: int  # the most that the tree was seen to hold
    connections: int
    width: int
    spent: dict[str, float]  # seconds that the loop waited, by what for
    out: Path = Path()
    warm: int = 0  # rows of the warm-up, which come before those of the list
    block: int = 0
    position: int = 0
    urls: int = 0
    ok: int = 0
    wire: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    elapsed: Histogram = field(default_factory=Histogram)
    sampled: list[float] = field(default_factory=list)  # seconds of the answers that the probe had, too

    def record(self) -> dict[str, Any]:
        """For the JSON of the comparison: every figure of every block."""
        names = ("block", "position", "startup", "warmup", "wall", "cpu", "rss", "connections", "ok", "spent")
        return {name: getattr(self, name) for name in names}


def write(plan: Plan, folder: Path) -> Path:
    """The frozen list as a file that only we may read: there may be passwords in it."""
    listed = folder / "list.jsonl"
    with listed.open("w", encoding="utf-8", errors="surrogatepass") as file:
        for name, item in plan.pieces:
            row = [name, item.text, item.why] if isinstance(item, Bad) else [name, str(item)]
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return listed


def probe(plan: Plan, listed: Path, options: Options) -> float | None:
    """Seconds that an answer takes which shares the server with no other; this warms the server up, too.

    One URL before them, then a sample of the list: connections are new here where they are in the list.
    """
    few = listed.with_name("few.jsonl")
    with listed.open(encoding="utf-8", errors="surrogatepass") as lines:
        wanted = set(plan.sample)
        chosen = "".join(line for row, line in enumerate(lines, 1) if row in wanted)
        few.write_text(chosen, "utf-8", "surrogatepass")
    one = _run(Arm("probe", "sequential", 1), few, options, 1, ())
    list(answers(one, range(len(wanted) + 2)))
    return median(one.sampled) if one.sampled else None


def lap(plan: Plan, arm: Arm, listed: Path, options: Options, server: int | None = None) -> Lap:
    """Run it. Raises what `Child.failure` gives if its process fails."""
    return _run(arm, listed, options, plan.warm, plan.readers, server)


def answers(one: Lap, sample: Container[int] = ()) -> Iterator[dict[str, Any]]:
    """Its records, in the order of the list; what they come to is noted on the lap."""
    rows = []
    first = one.warm + 1
    with one.out.open("rb") as lines:
        for line in lines:
            record = json.loads(line)
            rows.append(record)
            one.urls += 1
            one.ok += record["ok"]
            one.wire += record["wire_size"] or 0
            one.elapsed.add(record["elapsed"])
            if record["ok"] and record["row"] - first + 1 in sample:
                one.sampled.append(record["elapsed"])
            if kind := record["error"]:
                one.errors[kind] = one.errors.get(kind, 0) + 1
            if status := record["status"]:
                one.statuses[str(status)] = one.statuses.get(str(status), 0) + 1
    one.out.unlink()
    rows.sort(key=lambda record: record["row"])
    yield from rows


def _run(
    arm: Arm, listed: Path, options: Options, warm: int, readers: tuple[str, ...], server: int | None = None
) -> Lap:
    out = listed.with_name("out.jsonl")
    task = {
        "engine": arm.engine,
        "concurrency": arm.concurrency,
        "list": str(listed),
        "out": str(out),
        "warm": warm,
        "readers": readers,
        "options": options_record(replace(options, save="")),  # each arm would find the files of the others
    }
    served = 0.0 if server is None else usage(server).cpu
    began = time.monotonic()
    figures, most = _watch(arm, task)
    wall = figures["ended"] - figures["opened"]
    cpu = figures["ended_cpu"] - figures["opened_cpu"]
    return Lap(
        startup=figures["first"] - began,
        warmup=max(figures["opened"] - figures["first"], 0.0),
        wall=wall,
        cpu=cpu,
        server=None if server is None else usage(server).cpu - served,
        rss=max(most, figures.get("rss", 0)),
        connections=figures["connections"],
        width=figures["width"],
        spent=figures["spent"],
        out=out,
        warm=warm,
    )


def _watch(arm: Arm, task: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Run the process of a lap: its figures, and the most memory seen."""
    most = 0
    with closing(Child(WORDS)) as child:
        child.tell(task)
        while True:
            try:
                child.process.wait(GLANCE)
                break
            except subprocess.TimeoutExpired:
                most = max(most, usage(child.process.pid).rss)
        if failure := child.failure(f"{arm.name}: the process of a lap"):
            raise failure
        return json.loads(child.stdout.read()), most
