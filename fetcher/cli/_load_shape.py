"""Both latencies of a load test for a terminal: a ladder of percentiles, and their shape in bars."""

from __future__ import annotations

from itertools import zip_longest
from typing import Final

from fetcher.cli._summary import KEPT
from fetcher.report.latency import NAMES, Record, bins, histogram, legend, said
from fetcher.report.units import seconds
from fetcher.report.words import count

BESIDE: Final = 70  # columns from which on the bars stand beside the percentiles
WIDEST: Final = 100  # columns that they may take all in all
USUAL: Final = 80  # columns where nobody says how many there are
LEAST: Final = 4  # columns of a bar
EIGHTHS: Final = " \u258f\u258e\u258d\u258c\u258b\u258a\u2589\u2588"


def latency(record: Record, width: int | None, *, blocks: bool) -> list[str]:
    """Both latencies as a ladder, and the response times as a histogram, beside it if there is room."""
    rows = [(name, said(record["service"], name), said(record["response"], name)) for name in NAMES]
    table = [("", "service", "response"), *rows]
    wide = [max(len(row[at]) for row in table) for at in range(3)]
    ladder = [f"  {row[0]:<{wide[0]}}  {row[1]:>{wide[1]}}  {row[2]:>{wide[2]}}" for row in table]
    ladder[0] = f"latency{ladder[0][7:]}" if wide[0] >= 5 else ladder[0]
    columns = min(width or USUAL, WIDEST)
    if width is None or width < BESIDE:
        shape = _histogram(record, columns - 2, blocks=blocks)
        lines = [*ladder, *(["", shape[0], *(f"  {line}" for line in shape[1:])] if shape else [])]
    else:
        left = sum(wide) + 6
        shape = _histogram(record, columns - left - 4, blocks=blocks)
        pairs = zip_longest(ladder, shape, fillvalue="")
        lines = [f"{one:<{left}}    {other}".rstrip() for one, other in pairs]
    meaning = [f"  {line}" for line in legend(record)]
    opened = record.get("asked") is not None
    if opened:
        meaning.insert(0, "  service: from sent to the last byte; response: from when it was due")
    return [line.replace(" ", KEPT) if len(line) <= columns else line for line in lines] + meaning


def _histogram(record: Record, width: int, *, blocks: bool) -> list[str]:
    """Response times in steps of one ratio; however few there are, they show."""
    found = bins(histogram(record, "response"))
    if not found:
        return []
    names = [_edge(low) for low, _, _ in found]
    wide, most = max(map(len, names)), max(many for _, _, many in found)
    digits = max(len(count(most)), 1)
    room = max(width - wide - digits - 4, LEAST)
    lines = ["response times, from"]
    for name, (_, _, many) in zip(names, found, strict=True):
        lines.append(
            f"{name:>{wide}}  {count(many):>{digits}}  {_bar(many / most, room, blocks=blocks)}".rstrip()
        )
    return lines


def _bar(share: float, room: int, *, blocks: bool) -> str:
    if not share:
        return ""
    if not blocks:
        return "=" * max(round(share * room), 1)
    full, rest = divmod(max(round(share * room * 8), 1), 8)
    return EIGHTHS[8] * full + (EIGHTHS[rest] if rest else "")


def _edge(value: float) -> str:
    """A round duration: 1.5 ms, 200 us."""
    amount, unit = seconds(value).split(" ")
    return f"{float(amount.replace(',', '')):g} {unit}"
