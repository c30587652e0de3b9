"""`make bench`: run the workloads, print the tables; `--check` ends with 1 where a budget is broken."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench import tables
from bench.arms import ROOT
from bench.budgets import verdicts
from bench.measure import prepare
from bench.rounds import Group, Plan, Sample, tell
from bench.workloads import WORKLOADS, Sizes, foretold, measured

RESULTS = ROOT / "bench/RESULTS.md"
ENOUGH = 5  # rounds
QUICK = Sizes(count=300, few=100, hosts=30, late=(20, 100), turns=3, long=(100, 200, 400), repeat=1, made=12)


def main() -> int:
    """The exit code: 0, or 1 if a budget is broken, or 2 for a wrong word."""
    given = arguments()
    about, groups = kept(given.source) if given.source else run(given)
    if given.save:
        record = {"about": about, "groups": [asdict(group) for group in groups]}
        Path(given.save).write_text(json.dumps(record, indent=1), encoding="utf-8")
    judged = verdicts(groups)
    measures = [line for group in groups for line in tables.table(group)]
    lines = [*about, *measures, *tables.budgets(judged)]
    print("\n".join(lines if given.source else tables.budgets(judged)))  # the others were, as they came
    if given.write:
        opening = [
            "# Speed, measured",
            "",
            "Written by `make bench ARGS=--write`; how to read it: `bench/__init__.py`.",
            "",
        ]
        text = "\n".join([*opening, *lines, *tables.commands(groups)])
        Path(given.write).write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    broken = [one for one in judged if one.broken]
    for one in broken:
        tell(f"{one.budget}: {one.limit}, {one.word} {one.why}".rstrip())
    fewest = min((len(runs) for group in groups for runs in group.runs.values()), default=0)
    if given.check and fewest < ENOUGH:
        tell(f"{fewest} rounds: by chance alone, a budget met exactly is called broken once in {2**fewest}")
    return 1 if given.check and broken else 0


def kept(files: list[str]) -> tuple[list[str], list[Group]]:
    """What earlier runs have saved, one after the other."""
    about: list[str] = []
    groups: list[Group] = []
    for file in files:
        found = json.loads(Path(file).read_text(encoding="utf-8"))
        about += ["Then, in a run of its own:", ""] if about else []
        about += found["about"]
        groups += [_group(one) for one in found["groups"]]
    return about, groups


def run(given: argparse.Namespace) -> tuple[list[str], list[Group]]:
    """Measure what was asked for."""
    prepare()
    sizes = QUICK if given.quick else Sizes()
    sizes.embedded = given.embedded
    if given.count:
        sizes.count, sizes.few = given.count, min(given.count, max(given.count // 20, 1000))
    rounds = given.rounds or (1 if given.quick else ENOUGH)
    about = tables.machine(rounds, given.seed)
    if given.quick:
        about += ["**A smoke run: these figures are start-up and noise.**", ""]
    print("\n".join(about), flush=True)
    groups: list[Group] = []
    with tempfile.TemporaryDirectory(prefix="fetch-bench-") as folder:
        only = tuple(name.strip() for name in given.arms.split(";") if name.strip())
        plan = Plan(rounds, random.Random(given.seed), Path(folder), only, warm=not given.quick)
        tell(f"about {max(foretold(given.only, plan, sizes) / 60, 0.1):.1f} minutes, by a rough guess")
        for group in measured(given.only, plan, sizes):
            groups.append(group)
            print("\n".join(tables.table(group)), flush=True)
    return about, groups


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("--only", type=_names, default=list(WORKLOADS), metavar="W,W", help=f"of {','.join(WORKLOADS)}; all")
    add("--arms", default="", metavar="A;A", help='such as "fetch -e curl;curl -Z"; all')
    add("--rounds", type=int, default=0, metavar="N", help=f"{ENOUGH}, or 1 with --quick")
    add("--count", type=int, default=0, metavar="N", help="URLs of W1; 100,000")
    add("--seed", type=int, default=1, metavar="N", help="of the order in each round; 1")
    add("--quick", action="store_true", help="a few URLs each: does everything run?")
    add("--embedded", action="store_true", help="the embedded site, though there may be an nginx")
    add("--save", metavar="FILE", help="keep the figures as JSON")
    add("--from", dest="source", action="append", metavar="FILE", help="run nothing, judge this; repeatable")
    add("--write", nargs="?", const=RESULTS, metavar="FILE", help="write bench/RESULTS.md, or FILE, as well")
    add("--check", action="store_true", help="exit 1 where a budget is broken")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.lower().split(",")]
    if wrong := [name for name in names if name not in WORKLOADS]:
        raise argparse.ArgumentTypeError(f"no workload {wrong[0]!r}: {', '.join(WORKLOADS)}")
    return names


def _group(kept: dict[str, object]) -> Group:
    group = Group(**kept)  # type: ignore[arg-type]
    group.runs = {name: [Sample(*one) for one in runs] for name, runs in group.runs.items()}
    return group


if __name__ == "__main__":
    sys.exit(main())
