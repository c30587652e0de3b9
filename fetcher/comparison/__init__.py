"""Which engine for this list: it goes through several, in blocks, by a protocol that a reader can check.

The protocol (sources: `docs/which-engine.md`).

- The list is frozen, and every lap gets it in the same order. A *lap* is one engine over the list, in a fresh
  process. A *block* is one lap of every *arm*, in an order that is random, and balanced over the blocks.
- The sample is the block, never the request: requests of one lap share their process, so they are not
  independent.
- Every lap begins with the same few URLs as a warm-up. What it takes to get there is told as start-up; what
  is compared begins after it.
- One arm is there twice. What the second differs from the first is the noise; if it differs by more than
  chance, nothing here can be believed (`invalid`).
- Engines that do not give the same answers are not ranked (`disagree`). Where the server was the limit, time
  says nothing about engines, and they are ranked by CPU time (`server-bound`).

The rooms: `plan` (who runs when, and what each host will get), `lap` (one engine in a process of its own;
`__main__` is that process), `parity` (the same answers?), `inference` (what is chance?), `bottleneck` (what
kept an arm from being faster?), `verdict` (all of it in one value), `sentence` (what to do), `workloads` (the
lists of those who give none).
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fetcher.comparison import lap as laps
from fetcher.comparison.lap import Lap
from fetcher.comparison.machine import environment
from fetcher.comparison.parity import Parity
from fetcher.comparison.plan import BLOCKS, Arm, Plan, planned
from fetcher.comparison.verdict import Comparison as Comparison
from fetcher.comparison.verdict import judged
from fetcher.errors import LocalFault
from fetcher.model import Options

Tell = Callable[[str], None]


def run(
    plan: Plan, options: Options, tell: Tell = lambda _text: None, server: int | None = None
) -> Comparison:
    """Run the whole plan and judge it. `tell` hears where it is; `server` is the server's process, if known.

    Raises LocalFault where a lap's process fails.
    """
    rng = random.Random(plan.seed)  # noqa: S311 - chance, not secrecy
    machine = environment([arm.engine for arm in plan.arms if not arm.control])
    done: dict[Arm, list[Lap]] = {arm: [] for arm in plan.arms}
    parity = Parity()
    with tempfile.TemporaryDirectory(prefix="fetch-compare-") as folder:
        listed = laps.write(plan, Path(folder))
        sample = frozenset(plan.sample)
        tell("the server is warmed up, one URL after the other")
        alone = laps.probe(plan, listed, options)
        for number, block in enumerate(plan.order(rng)):
            for position, arm in enumerate(block):
                tell(f"block {number + 1} of {plan.blocks}: {arm.name}")
                one = laps.lap(plan, arm, listed, options, server)
                one.block, one.position = number, position
                parity.add(arm, laps.answers(one, sample))
                if one.urls != len(plan.pieces):
                    lost = f"{one.urls:,} records for {len(plan.pieces):,} URLs"
                    raise LocalFault(f"{arm.name} gave {lost}: a bug in that engine; report it")
                done[arm].append(one)
    found = judged(plan, done, parity, alone)
    found.environment = machine
    found.warnings[:0] = plan.limits(options)
    return found


def experiment(
    names: Sequence[str],
    options: Options,
    *,
    blocks: int = BLOCKS,
    seed: int | None = None,
    named: bool = True,
    tell: Tell = lambda _text: None,
) -> dict[str, Any]:
    """The three workloads of `workloads` on the embedded site, and what became of the article's advice.

    `named`: somebody asked for just these engines; otherwise the sequential one is left out, which would take
    minutes for a lap of the slow one.
    """
    from fetcher import server
    from fetcher.comparison.workloads import HIDDEN, MOST, WORKLOADS, advice, sentence

    names = [name for name in names if named or name != HIDDEN]
    found: dict[str, Any] = {}
    advised = []
    with server.site() as base:
        for one in WORKLOADS:
            at_once = replace(options, concurrency=options.concurrency or one.concurrency)
            pieces = [(one.name, url) for url in one.urls(base)]
            plan = planned(pieces, names, at_once, blocks=blocks, seed=seed, readers=one.readers, most=MOST)
            seed = plan.seed
            came = run(plan, at_once, lambda text, name=one.name: tell(f"{name}: {text}"), base.pid)  # type: ignore[misc]
            found[one.name] = {"title": one.title, **came.record()}
            advised.append(advice(one, came))
    verdicts = [record["verdict"] for record in found.values()]
    return {
        "verdict": next((one for one in ("disagree", "invalid", "server-bound") if one in verdicts), "ok"),
        "seed": seed,
        "blocks": blocks,
        "fastest": None,  # for each: see `workloads`
        "engines": {},
        "sentence": sentence(found),
        "advice": [one.record() for one in advised],
        "workloads": found,
        "environment": next(iter(found.values()))["environment"],
    }
