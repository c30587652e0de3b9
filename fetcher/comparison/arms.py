"""What may take part in a comparison, and as what: engines, and one way that is none of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from fetcher import engines, menu
from fetcher.errors import UsageError
from fetcher.model import Options

PLAIN: Final = "requests"  # as it comes: for comparisons only


@dataclass(frozen=True)
class Arm:
    """What takes part: an engine under a name. The control is the first engine once more."""

    name: str
    engine: str
    concurrency: int
    control: bool = False


def pick(name: str) -> engines.Module:
    """The engine of that name; or `requests`, which is one for comparisons only. Raises UsageError."""
    if name == PLAIN:
        from fetcher.comparison import plain

        return cast(engines.Module, plain)
    return engines.pick(name)


def installed() -> list[str]:
    """Every engine whose library is there, asyncio first: the first one is the control."""
    return [name for name in by_use() if not missing(name)]


def by_use() -> list[str]:
    """Every engine, asyncio first."""
    return sorted(menu.names(engines), key=lambda name: (name != "asyncio", name))


def missing(name: str) -> str:
    """Why this engine cannot take part, with the cure; empty if it can."""
    try:
        engines.pick(name)
    except UsageError as error:
        return str(error)
    return ""


def arms_of(names: Sequence[str], options: Options, most: int) -> list[Arm]:
    """The engines of these names, and the first once more. Raises UsageError. `most`: see `plan.planned`."""
    if not names:
        raise UsageError("no engine to compare: name some with --engines asyncio,threads")
    seen: Counter[str] = Counter()
    arms = []
    for name in names:
        usual = pick(name).CONCURRENCY
        width = options.concurrency or usual
        if usual == 1:  # one at a time is what it is
            width = 1
        seen[name] += 1
        label = name if seen[name] == 1 else f"{name}-{seen[name]}"
        arms.append(Arm(label, name, min(width, most * usual) if most else width))
    first = arms[0]
    return [*arms, Arm(f"{first.name} again", first.engine, first.concurrency, control=True)]
