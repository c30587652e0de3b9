"""What a whole run came to: counts, bytes, speed, and what limited it."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fetcher.tally import Tally

STATUSES: Final = 8  # the most frequent ones are shown
KEPT: Final = "\u00a0"  # a space at which no line is broken, until it is printed


@dataclass(slots=True)
class Facts:
    """What a summary tells beside the tally."""

    seconds: float = 0.0  # wall time of the run
    cpu: float = 0.0  # user + system seconds of the whole process tree, its start included
    skipped: Counter[str] = field(default_factory=Counter)
    left: int = 0  # lines read that got no record
    dropped: int = 0  # of these so many that were answered, in parts that were given up
    crawled: bool = False  # the URLs were found by following links
    earlier: int = 0  # records of an earlier run of this crawl, told again
    before: int = 0  # rows that an earlier run has answered (--resume)
    failed_before: int = 0  # records of it that are not ok
    again: str = "the same list again asks all"  # what to do about a run that was interrupted
    unit: str = "line"  # what is read
    more: bool = False  # the input was not read to its end
    interrupted: bool = False  # by a signal
    limit: str = ""  # one sentence on what limited the run
    codings: str = ""  # what was offered in Accept-Encoding
    notes: Sequence[str] = ()  # what else went on
    full: tuple[tuple[str, int], ...] = ()  # hosts whose waiting rows filled the look-ahead: (host, rows)


def text(tally: Tally, facts: Facts, width: int | None = None) -> str:
    """The summary as a few plain lines, wrapped where there is a width."""
    found = lines(tally, facts)
    if width is not None:
        found = [part for line in found for part in wrapped(line, width)]
    return "\n".join(found).replace(KEPT, " ")


def wrapped(line: str, width: int) -> list[str]:
    """The line in parts that fit, what follows the first indented."""
    indent = " " * (len(line) - len(line.lstrip(" ")))
    parts = textwrap.wrap(
        line, width, subsequent_indent=indent + "  ", break_long_words=False, break_on_hyphens=False
    )
    return parts or [""]


def lines(tally: Tally, facts: Facts) -> list[str]:
    """The same, not yet wrapped; what must stay together is."""
    urls, ended = _count(tally.done, "URL"), f"{tally.ok:,} ok, {tally.failed:,} failed"
    if facts.interrupted:
        found = [f"interrupted after {facts.seconds:.2f} s; {urls}: {ended}", f"  {_unasked(tally, facts)}"]
    else:
        found = [f"{urls} in {facts.seconds:.2f} s: {ended}"]
    if facts.dropped:
        were = f"{_count(facts.dropped, 'answer')} {'was' if facts.dropped == 1 else 'were'} dropped"
        found.append(f"  {were} with parts that were cut off: their rows are asked again")
    statuses = [(str(status), count) for status, count in tally.statuses.most_common(STATUSES)]
    for title, pairs in (("by status", statuses), ("by error", tally.errors.most_common())):
        if pairs:
            found.append(f"  {title}: " + "   ".join(f"{name}{KEPT}{count:,}" for name, count in pairs))
    offered = f" ({facts.codings})" if facts.codings else ""
    found.append(f"  {tally.wire:,} B received, {tally.decoded:,} B decoded{offered}")
    if tally.done:
        rate = tally.done / facts.seconds if facts.seconds else 0.0
        each = f"{_short(facts.cpu / tally.done)} CPU per URL".replace(" ", KEPT)
        found[-1] += f"   {rate:,.1f}{KEPT}URLs/s   {each}"
    if slow := tally.slowest():
        hosts = "   ".join(f"{host} {seconds:.2f}{KEPT}s" for host, seconds in slow)
        found.append(f"  slowest hosts (mean per URL): {hosts}")
    if facts.full:
        waiting = ", ".join(f"{host} ({count:,} rows)" for host, count in facts.full)
        found.append(
            f"  reading ahead stopped for a while: waiting rows of {waiting}; a shuffled list mixes hosts"
        )
    if facts.limit:
        found.append(f"  {facts.limit}")
    found += [f"  {note}" for note in facts.notes]
    return [*found, account(tally, facts)]


def totals(tally: Tally, facts: Facts) -> dict[str, Any]:
    """The summary as JSON-able data: seconds, bytes, counts; `cpu` is that of the whole process tree."""
    return {
        "lines": tally.done + facts.skipped.total() + facts.left + facts.before,
        "ok": tally.ok,
        "failed": tally.failed,
        "skipped": dict(facts.skipped),
        "left": facts.left,
        "dropped": facts.dropped,
        "done_before": facts.before,
        "failed_before": facts.failed_before,
        "interrupted": facts.interrupted,
        "statuses": {str(status): n for status, n in sorted(tally.statuses.items())},
        "errors": dict(sorted(tally.errors.items())),
        "bytes": {"wire": tally.wire, "decoded": tally.decoded},
        "seconds": round(facts.seconds, 6),
        "cpu": round(facts.cpu, 6),
        "attempts": tally.attempts,
        "limit": facts.limit,
    }


def account(tally: Tally, facts: Facts) -> str:
    """The line that always adds up: lines read = ok + failed + skipped + left + done before."""
    skipped = facts.skipped.total() + tally.denied
    reasons = facts.skipped + Counter(robots=tally.denied)
    why = f" ({', '.join(f'{n:,} {name}' for name, n in reasons.most_common())})" if skipped else ""
    read = tally.ok + tally.failed + skipped + facts.left + facts.before
    parts = [
        f"{tally.ok:,} ok",
        f"{tally.failed:,} failed",
        f"{skipped:,} skipped{why}",
        f"{facts.left:,} left",
    ]
    if facts.before:
        bad = f" ({facts.failed_before:,} failed)" if facts.failed_before else ""
        parts.append(f"{facts.before:,} done before{bad}")
    what = f"{_count(read, 'URL')} found" if facts.crawled else f"{_count(read, facts.unit)} read"
    return f"  {what} = {' + '.join(parts)}"


def _unasked(tally: Tally, facts: Facts) -> str:
    if facts.crawled:
        return f"{_count(facts.left, 'URL')} left; with --state FILE the same command goes on from there"
    if not facts.left and not facts.more:
        return "every URL of the list had its answer by then"
    seen = _count(tally.done + facts.skipped.total() + facts.left + facts.before, facts.unit)
    rest = ", and the rest of the input was not read" if facts.more else ""
    return f"{seen} seen, {facts.left:,} not asked or given up{rest}; {facts.again}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _short(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} us" if seconds < 1e-3 else f"{seconds * 1e3:,.1f} ms"
