"""Every arm once a round, in a new random order, and each run held to the requests that it caused."""

from __future__ import annotations

import os
import random
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bench.arms import OUT, ROOT, Arm, Missing
from bench.doorbell import Doorbell
from bench.measure import Taken, run
from bench.servers import Server


class Sample(NamedTuple):
    """One run, or the middle of some: seconds and MB; `server` is the server's CPU time meanwhile."""

    wall: float
    cpu: float
    rss: float
    first: float
    server: float
    connections: float  # -1: not counted


@dataclass
class Group:
    """Arms that are compared with each other, and then what came of them: one table."""

    key: str
    title: str
    server: str
    against: str  # the arm that ratios are to; may be missing
    counts: dict[str, int] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    runs: dict[str, list[Sample]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # arm -> why it has no figure
    ideal: float = 0.0  # the wall time with no cost but the server's delay
    shows: str = "cpu"  # what the table is about: cpu, memory or start
    together: bool = False  # what one must find all must: where one is refused, no other has a figure


@dataclass
class Plan:
    """How to run: rounds, their order, where to put files, and which arms (all of that name)."""

    rounds: int
    rng: random.Random
    folder: Path
    only: tuple[str, ...] = ()
    warm: bool = True

    def wants(self, name: str) -> bool:
        """Whether this arm was asked for."""
        return not self.only or name in self.only or name.partition(",")[0] in self.only


Source = Server | Doorbell | None


def race(plan: Plan, group: Group, arms: list[Arm | Missing], source: Source, repeat: int = 1) -> Group:
    """Fill the group: a warm-up that is thrown away, then the rounds; each is the middle of `repeat` runs."""
    running = _present(plan, group, arms)
    if plan.warm and group.shows != "memory":  # a million lines are long enough
        running = [one for one in running if once(plan, group, one, source, "warm-up") is not None]
    for number in range(plan.rounds):
        if _spoiled(group):
            break
        got: dict[str, list[Sample]] = {one.name: [] for one in running}
        for _ in range(repeat):
            for one in plan.rng.sample(running, len(running)):
                sample = once(plan, group, one, source, f"round {number + 1}/{plan.rounds}")
                if sample is not None:
                    got[one.name].append(sample)
        running = [one for one in running if one.name not in group.refused]
        for one in running:
            group.runs.setdefault(one.name, []).append(_middle(got[one.name]))
    if _spoiled(group):
        for name in group.counts:
            group.refused.setdefault(name, "refused: another arm was, and all must find the same")
    for name in group.refused:
        group.runs.pop(name, None)
    return group


def _spoiled(group: Group) -> bool:
    return group.together and any(why.startswith("refused") for why in group.refused.values())


def _present(plan: Plan, group: Group, arms: list[Arm | Missing]) -> list[Arm]:
    """Those that were asked for and are installed; the others are noted."""
    running: list[Arm] = []
    for one in arms:
        if group.shows != "start" and not plan.wants(one.name):
            continue
        if isinstance(one, Missing):
            group.refused[one.name] = f"missing: {one.why}"
            tell(f"{group.key}  {one.name}: {one.why}")
        else:
            running.append(one)
            group.counts[one.name] = one.urls
            group.commands[one.name] = shown(one, plan.folder)
    return running


def once(plan: Plan, group: Group, arm: Arm, source: Source, when: str) -> Sample | None:
    """One run; None, and the reason in `group.refused`, if it did not do what it should, now or before."""
    if arm.name in group.refused:
        return None
    counting = source if isinstance(source, Server) else None
    ring: Callable[[], float] | None = None
    if arm.bell and isinstance(source, Doorbell):
        source.first()
        ring = source.first
    before, used = (counting.counts(), counting.cpu()) if counting else (None, 0.0)
    out = None if arm.piped else Path(os.devnull) if arm.mute else plan.folder / OUT
    if arm.crawled:
        arm.crawled.kept.unlink(missing_ok=True)  # another's lines are not its own
    taken = run(arm.words, out=out, cwd=ROOT, env=dict(arm.env), first=ring)
    used = counting.cpu() - used if counting else 0.0
    after = counting.counts() if counting else None
    tell(f"{group.key}  {when}  {arm.name}: {taken.wall:.2f} s, {taken.cpu:.2f} s of CPU")
    connections, requests = -1, None
    if before and after:
        requests = after.requests - before.requests - 1  # reading them is one
        connections = after.connections - before.connections - 1
    if why := _amiss(arm, taken, requests):
        group.refused[arm.name] = f"refused: {hidden(why, plan.folder)}"
        tell(f"{group.key}  {arm.name} REFUSED: {why}")
        return None
    return Sample(taken.wall, taken.cpu, taken.rss, taken.first, used, connections)


def _amiss(arm: Arm, taken: Taken, requests: int | None) -> str:
    """What it did not do as it should; empty if it did."""
    why = f"ended with {taken.code}: {taken.said}" if taken.code != arm.code else ""
    due = arm.urls
    if arm.crawled:
        due = len(arm.crawled.lines()) + 1  # robots.txt has no line
        why = " ".join(part for part in (arm.crawled.amiss(), why) if part)
    if requests is not None and requests != due:
        why = f"caused {requests:,} requests for {due:,} URLs. {why}"
    return why


def _middle(samples: list[Sample]) -> Sample:
    return Sample(*(statistics.median(values) for values in zip(*samples, strict=True)))


def shown(arm: Arm, folder: Path) -> str:
    """The command line as it may be shown."""
    env = "".join(f"{name}={value} " for name, value in arm.env)
    words = [f"'{word}'" if " " in word else word for word in arm.words]
    return env + hidden(" ".join(words), folder)


def hidden(text: str, folder: Path) -> str:
    """Without the paths of this machine."""
    bins = Path(sys.executable).parent
    for path, word in (
        (str(folder), "TMP"),
        (os.environ.get("BENCH_PYTHON") or "\0", "$BENCH_PYTHON"),
        (sys.executable, "python"),
        (f"{bins}/", ""),
        (str(ROOT), "."),
        (str(Path.home()), "~"),
    ):
        text = text.replace(path, word)
    return text


def tell(text: str) -> None:
    """Progress, not results."""
    print(text, file=sys.stderr, flush=True)
