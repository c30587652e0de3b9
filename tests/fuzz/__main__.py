"""`python -m tests.fuzz TARGET`: fuzz one target, or replay a finding."""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz import _driver

HERE = Path(__file__).parent
TARGETS = sorted(path.stem for path in HERE.glob("[a-z]*.py") if not path.stem.startswith("test_"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=TARGETS)
    parser.add_argument("--list", action="store_true", help="the targets, one a line")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument("--guided", action="store_true", help="by coverage; needs atheris")
    parser.add_argument("--replay", type=Path, help="run this file once, and show what it raises")
    parser.add_argument(
        "--out", type=Path, default=Path("findings"), help="the folder that a finding goes into"
    )
    asked = parser.parse_args()
    if asked.list:
        print("\n".join(TARGETS))
        return 0
    if asked.target is None:
        parser.error(f"which? one of {', '.join(TARGETS)}")
    if asked.guided:
        from tests.fuzz import _guided

        return _guided.run(asked.target, asked.seed, asked.seconds, asked.out)
    module = importlib.import_module(f"tests.fuzz.{asked.target}")
    if asked.replay:
        print(_driver.timed(module.target, asked.replay.read_bytes()))
        return 0
    return fuzz(asked, module)


def fuzz(asked: argparse.Namespace, module: object) -> int:
    start = time.monotonic()
    done = _driver.run(module, asked.seed, seconds=asked.seconds)  # type: ignore[arg-type]
    took = time.monotonic() - start
    print(
        f"{asked.target}: {done.executions:,} executions in {took:.0f} s, seed {asked.seed}, "
        f"{done.kept} verdicts found, slowest {done.slowest:.2f} s, "
        f"findings: {'1' if done.finding else 'none'}",
        flush=True,
    )
    if done.finding is None:
        return 0
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / f"{asked.target}-{asked.seed}"
    path.write_bytes(done.finding.data)
    traceback.print_exception(done.finding.error)
    print(f"python -m tests.fuzz {asked.target} --replay {path}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
