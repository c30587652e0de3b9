"""What a whole run came to: counts, bytes, speed, and what limited it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from fetcher.sinks import Write
from fetcher.tally import Tally

SUFFIXES: tuple[str, ...] = ()


@dataclass(slots=True)
class Facts:
    """What a summary tells beside the tally."""

    seconds: float  # wall time of the run
    cpu: float  # user + system seconds of the whole process tree, its start included
    skipped: Counter[str] = field(default_factory=Counter)
    left: int = 0  # rows read that got no record
    limit: str = ""  # one sentence on what limited the run
    codings: str = ""  # what was offered in Accept-Encoding
    full: tuple[tuple[str, int], ...] = ()  # hosts whose waiting rows filled the look-ahead: (host, rows)


@contextmanager
def sink(out: BinaryIO, columns: tuple[str, ...]) -> Iterator[Write]:  # noqa: ARG001
    """Count all results and write the totals when the run ends."""
    tally = Tally()
    yield tally.add
    out.write((text(tally, None) + "\n").encode())


def text(tally: Tally, facts: Facts | None) -> str:
    """The summary as a few plain lines."""
    seconds = facts.seconds if facts else 0.0
    head = f"{tally.done:,} URL{'s' * (tally.done != 1)}"
    lines = [f"{head} in {seconds:.2f} s: {tally.ok:,} ok, {tally.failed:,} failed"]
    kinds = [
        f"{name} {count:,}" for name, count in (*tally.statuses.most_common(8), *tally.errors.most_common())
    ]
    if kinds:
        lines.append("  " + "   ".join(kinds))
    offered = f" ({facts.codings})" if facts and facts.codings else ""
    lines.append(f"  {tally.wire:,} B received, {tally.decoded:,} B decoded{offered}")
    if facts and tally.done:
        rate = tally.done / seconds if seconds else 0.0
        lines[-1] += f"   {rate:,.1f} URLs/s   {_short(facts.cpu / tally.done)} CPU per URL"
    slow = tally.slowest()
    if slow:
        lines.append("  slowest: " + "   ".join(f"{host} {seconds:.2f} s" for host, seconds in slow))
    if facts and facts.full:
        hosts = ", ".join(f"{host} ({count:,} rows)" for host, count in facts.full)
        lines.append(
            f"  reading ahead stopped for a while: waiting rows of {hosts}; a shuffled list mixes hosts"
        )
    if facts and facts.limit:
        lines.append(f"  {facts.limit}")
    if facts:
        lines.append(account(tally, facts))
    return "\n".join(lines)


def totals(tally: Tally, facts: Facts) -> dict[str, Any]:
    """The summary as JSON-able data: seconds, bytes, counts; `cpu` is that of the whole process tree."""
    return {
        "lines": tally.done + facts.skipped.total() + facts.left,
        "ok": tally.ok,
        "failed": tally.failed,
        "skipped": dict(facts.skipped),
        "left": facts.left,
        "statuses": {str(status): n for status, n in sorted(tally.statuses.items())},
        "errors": dict(sorted(tally.errors.items())),
        "bytes": {"wire": tally.wire, "decoded": tally.decoded},
        "seconds": round(facts.seconds, 6),
        "cpu": round(facts.cpu, 6),
        "attempts": tally.attempts,
        "limit": facts.limit,
    }


def account(tally: Tally, facts: Facts) -> str:
    """The line that always adds up: lines read = ok + failed + skipped + left."""
    skipped = facts.skipped.total()
    why = f" ({', '.join(f'{n:,} {name}' for name, n in facts.skipped.most_common())})" if skipped else ""
    lines = tally.done + skipped + facts.left
    return (
        f"  {lines:,} lines read = {tally.ok:,} ok + {tally.failed:,} failed"
        f" + {skipped:,} skipped{why} + {facts.left:,} left"
    )


def _short(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} us" if seconds < 1e-3 else f"{seconds * 1e3:,.1f} ms"
