"""One picture of a load test that is going on: asked and answered, how long it takes, the last minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log10
from typing import Any, Final

from fetcher.report.latency import a_second, percent, said
from fetcher.report.page import visible
from fetcher.report.units import seconds
from fetcher.report.words import count

SPAN: Final = 60  # seconds that the curves show
NAME: Final = 11  # columns of a name
NUMBERS: Final = 22  # columns of the figures after a curve
LADDER: Final = ("p50", "p90", "p99", "p99.9", "max")
CELL: Final = 11  # columns of one of them
NARROW: Final = 6.0  # from this ratio of most to least on, a curve of times is logarithmic
LEVELS: Final = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
PLAIN: Final = "_.-=+*%#"

Record = Mapping[str, Any]


def _times(value: float | None) -> str:
    """So many in one second."""
    return f"{count(round(value))}/s" if value is not None else "-"


# A figure of every second, its name, and its words; durations may be drawn by their logarithm.
CURVES: Final[tuple[tuple[str, str, Callable[[Any], str]], ...]] = (
    ("ok", "ok", _times),
    ("failed", "failed", _times),
    ("p50", "p50", seconds),
    ("max", "max", seconds),
    ("in_flight", "in flight", count),
)


def frame(record: Record, width: int, height: int, *, blocks: bool = False) -> str:
    """What is shown of the record so far, in at most `height` lines of at most `width` columns.

    `record` has the names of the record of a load test, as far as they are known by then; `total` is how many
    seconds the test takes in all, if it is known. `blocks`: the terminal knows block characters.
    """
    rows: Sequence[Record] = record.get("per_second") or ()
    top = [_clock(record, len(rows), width), *_rates(record, rows, width)]
    parts = [top, _ladder(record, rows, width), _ends(record), _curves(rows, width, blocks=blocks)]
    lines: list[str] = []
    for part in parts:  # what does not fit is left out whole: the first ones say most
        more = ["", *part] if part and lines else part
        if len(lines) + len(more) <= height:
            lines += more
    return "\n".join(line[:width].rstrip() for line in lines[:height])


def _clock(record: Record, passed: int, width: int) -> str:
    """How long it has been going, and how long it will."""
    elapsed, total = float(record.get("seconds") or passed), record.get("total")
    if elapsed < 0:
        return f"{'load test':{NAME}}warming up, {-elapsed:.0f} s more"
    if not total:
        return f"{'load test':{NAME}}{elapsed:.0f} s so far"
    share = min(elapsed / total, 1.0)
    text = f"{'load test':{NAME}}{elapsed:.0f} s of {total:.0f} s"
    room = min(width - len(text) - 4, 40)
    return text if room < 8 else f"{text}  [{'=' * int(share * room):{room}}]"


def _rates(record: Record, rows: Sequence[Record], width: int) -> list[str]:
    """Of the last second: asked, sent, and answered how; and how many wait for an answer."""
    last: Record = rows[-1] if rows else {}
    parts = [f"{a_second(last['asked'])} asked"] if last.get("asked") is not None else []
    parts.append(f"{_times(last.get('ok'))} ok")
    if last.get("failed"):
        parts.append(f"{_times(last['failed'])} failed")
    parts.append(f"{count(record.get('flying', last.get('in_flight')))} in flight")
    lines = _joined("now", parts, width)
    whole = [f"{count(record.get('ok'))} ok", f"{count(record.get('failed'))} failed"]
    if (cpu := (record.get("client") or {}).get("cpu")) is not None:
        whole.append(f"client at {percent(cpu)} of a core")
    if (cpu := (record.get("server") or {}).get("cpu")) is not None:
        whole.append(f"server at {percent(cpu)}")
    return [*lines, *_joined("so far", whole, width)]


def _joined(name: str, parts: Sequence[str], width: int) -> list[str]:
    """The parts one after the other; those that do not fit on the next lines."""
    lines = [f"{name:{NAME}}"]
    for part in parts:
        begun = len(lines[-1]) > NAME
        if begun and len(lines[-1]) + 3 + len(part) > width:
            lines.append(" " * NAME)
            begun = False
        lines[-1] += "   " * begun + part
    return lines


def _ladder(record: Record, rows: Sequence[Record], width: int) -> list[str]:
    """Both latencies of the whole run so far, and those of the last second."""
    shown = LADDER[: max((width - NAME) // CELL, 1)]
    if len(shown) < len(LADDER):  # the middle, the tail and the worst say most
        shown = {1: ("p99",), 2: ("p50", "p99")}.get(len(shown), ("p50", "p99", "max"))
    now = {"p50": None, "p99": None, "max": None, **(rows[-1] if rows else {})}
    kinds = [(name, record.get(name) or {}) for name in ("service", "response")]
    lines = [f"{'latency':{NAME}}" + "".join(f"{name:>{CELL}}" for name in shown)]
    for title, figures in [*kinds, ("  now", now)]:
        cells = [said(figures, name) for name in shown]
        lines.append(f"{title:{NAME}}" + "".join(f"{cell:>{CELL}}" for cell in cells))
    return lines


def _ends(record: Record) -> list[str]:
    """What went wrong, the most frequent first."""
    statuses = {f"status {code}": n for code, n in (record.get("statuses") or {}).items() if _is_bad(code)}
    kinds = {**statuses, **(record.get("errors") or {})}
    found = sorted(kinds.items(), key=lambda pair: -pair[1])[:3]
    return [
        f"{'errors' if not at else '':{NAME}}{count(times)} {visible(name)}"
        for at, (name, times) in enumerate(found)
    ]


def _is_bad(code: str) -> bool:
    return code.isdecimal() and int(code) >= 400


def _curves(rows: Sequence[Record], width: int, *, blocks: bool) -> list[str]:
    """The last minute: how many were answered, how long the slowest took, how many were in flight."""
    if len(rows) < 2:
        return []
    wide = width >= 2 * NUMBERS + NAME
    room = min(width - NAME - (NUMBERS if wide else NUMBERS // 2), SPAN)
    if room < 5:
        return []
    past = rows[-room:]
    lines = [f"{'':{NAME}}the last {len(past)} s" + (", and between what they were" if wide else ": most")]
    for name, title, words in CURVES:
        values = [row.get(name) for row in past]
        known = [value for value in values if value is not None]
        if not known or (name == "failed" and not any(known)):
            continue
        drawn = sparks(values, blocks=blocks, log=words is seconds)
        least, most = words(min(known)), words(max(known))
        lines.append(
            f"{title:{NAME}}{drawn:{room}} {f'{least} - {most}' if wide and least != most else most}"
        )
    return lines


def sparks(values: Sequence[float | None], *, blocks: bool = False, log: bool = False) -> str:
    """A column for each value, the highest for the most; a space where nothing is known.

    Counts begin at 0. Times that lie far apart are drawn by their logarithm.
    """
    levels = LEVELS if blocks else PLAIN
    known = [value for value in values if value is not None]
    most, least = max(known, default=0.0), min((value for value in known if value > 0), default=0.0)
    if log and least and most / least >= NARROW:
        low, span = log10(least), log10(most) - log10(least)
        shares = [None if one is None else (log10(max(one, least)) - low) / span for one in values]
    else:
        shares = [None if one is None else one / most if most else 0.0 for one in values]
    return "".join(" " if one is None else levels[round(one * (len(levels) - 1))] for one in shares)
