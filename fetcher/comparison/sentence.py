"""The one sentence that a person can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fetcher.comparison.arms import PLAIN

if TYPE_CHECKING:
    from fetcher.comparison.verdict import Comparison, Entry

USUAL: Final = "asyncio"  # what a person has who chooses nothing
LESS, MORE = 0.9, 1.1  # shares of CPU time that are worth a word


def sentence(found: Comparison) -> str:
    """What to do, and why, or why nothing can be said."""
    if found.verdict == "disagree":
        return f"not ranked: the engines disagree on {found.why}; whoever is wrong is no faster for it"
    if found.verdict == "invalid":
        return f"not ranked: {found.why}{_itself(found)}"
    if len(found.entries) == 1:
        return f"{found.entries[0].arm.name} alone was measured: name others with --engines"
    if found.verdict == "server-bound":
        return _bound(found)
    best, *others = found.entries
    same = [best, *(entry for entry in others if entry.time and entry.time.same)]
    if len(same) == 1:
        other = next((entry for entry in others if entry.arm.engine == USUAL), others[0])
        return f"for this list use {_use(best)}: {_times(other)}{_share(best, other)}"
    return _same(found, same)


def _itself(found: Comparison) -> str:
    if "itself" not in found.why:
        return ""
    off = abs(found.control.ratio.median - 1)
    return (
        f" by {off:.0%} (p {found.control.p:.3f}): something else was at work on this machine; run it again"
    )


def _same(found: Comparison, same: list[Entry]) -> str:
    """No difference in time among the fastest: the CPU decides, if it does."""
    thrifty = min(same, key=lambda entry: entry.cpu_per_url.median)
    dearest = max(same, key=lambda entry: entry.cpu_per_url.median)
    if thrifty.cpu_per_url.median > LESS * dearest.cpu_per_url.median:
        names = _and([entry.arm.name for entry in same])
        told = f"as far as can be told here: take {_any(same)}"
        return f"{names} take the same time and about the same CPU, {told}"
    others = _and([entry.arm.name for entry in same if entry is not thrifty])
    rest = [entry for entry in found.entries if entry not in same]
    usual = next((entry for entry in rest if entry.arm.engine == USUAL), rest[0] if rest else None)
    more = f"; {_times(usual)}" if usual else ""
    return (
        f"for this list use {_use(thrifty)}: as fast as {others}, as far as can be told here"
        f"{_share(thrifty, dearest)} of {dearest.arm.name}{more}"
    )


def _bound(found: Comparison) -> str:
    best, *others = found.entries
    rate = max(entry.urls_per_s.median for entry in found.entries)
    said = f"the server was the limit, at about {rate:,.0f} URLs/s, so no engine can be called faster; "
    rest = [entry for entry in others if entry.cpu and not entry.cpu.same]
    if not rest:
        names = _and([entry.arm.name for entry in found.entries])
        return f"{said}{names} take the same CPU, as far as can be told here: take {_any(found.entries)}"
    other = next((entry for entry in rest if entry.arm.engine == USUAL), rest[-1])
    used, theirs = (f"{entry.cpu_per_url.median * 1e6:,.0f} us" for entry in (best, other))
    share = _share(best, other).replace(", at", ",")
    than = f"{share} of {other.arm.name}" if "same" not in share else f", {other.arm.name} {theirs}"
    return f"{said}{_use(best)} needs least CPU: {used} per URL{than}"


def _times(other: Entry) -> str:
    """How much faster than this one the fastest is."""
    assert other.time is not None
    ratio = other.time.ratio
    digits = 1 if ratio.median >= 3 else 2
    middle, low, high = (f"{value:.{digits}f}" for value in ratio)
    return f"{middle} x ({low}-{high}) {other.arm.name}"


def _share(one: Entry, other: Entry) -> str:
    """`, at 1/5 of the CPU`."""
    share = one.cpu_per_url.median / other.cpu_per_url.median
    if share <= 0.67:
        return f", at 1/{1 / share:.0f} of the CPU" if 1 / share >= 1.75 else f", at {share:.0%} of the CPU"
    if share < LESS:
        return f", at {share:.0%} of the CPU"
    return f", at {share:.1f} times the CPU" if share > MORE else ", at the same CPU"


def _use(entry: Entry) -> str:
    """How to choose it."""
    return "requests as it comes" if entry.arm.engine == PLAIN else f"-e {entry.arm.engine}"


def _any(entries: list[Entry]) -> str:
    return "either" if len(entries) == 2 else "any"


def _and(names: list[str]) -> str:
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]
