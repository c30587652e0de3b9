"""What a reader of a load test should know beside its verdict: a growing queue, figures that contradict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any, Final

from fetcher.loadtest.figures import CENSORED
from fetcher.loadtest.slo import said

THIRDS: Final = 9  # seconds, at least, to speak of a first and a last third
TWICE: Final = 2.0
LEAST: Final = 0.001  # seconds of growth that are worth a word
APART: Final = 0.05  # share by which the mean number in flight may differ from rate x time
ERRORS: Final = 4.0  # standard errors of the samples
FULL: Final = 0.98  # share of the slots
OPENED: Final = 0.9  # connections to answers
MANY: Final = 100  # answers, to speak of that


def notes(record: Mapping[str, Any]) -> list[str]:
    """One line each."""
    found = [growing(record), contradiction(record), full(record), unsettled(record), unkept(record)]
    return [one for one in found if one]


def growing(record: Mapping[str, Any]) -> str:
    """Whether response times rise from one third of the test to the next, and fast."""
    rows = [row for row in record["per_second"] if row["p50"] is not None]
    if len(rows) < THIRDS:
        return ""
    each = len(rows) // 3
    first, second, third = (
        median(row["p50"] for row in part) for part in (rows[:each], rows[each:-each], rows[-each:])
    )
    slope = _slope([(row["second"], row["p50"]) for row in rows])
    if not first < second < third or third <= TWICE * first or third - first < LEAST or slope <= 0:
        return ""
    words = f"response times grow by {said(slope, 's')} every second"
    asked = {row["asked"] for row in rows}
    if record["asked"] is None:
        return f"{words}: the server slows down under this load"
    if max(asked) > min(asked) * 1.01:
        return f"{words}, while the rate rises"
    return f"{words}: {said(record['asked'], '/s')} are more than the server keeps up with"


def contradiction(record: Mapping[str, Any]) -> str:
    """Little's law (1961, Operations Research 9): the mean number in flight is rate x mean time in flight."""
    sampled, mean = record.get("in_flight"), record["service"]["mean"]
    if sampled is None or mean is None or record["seconds"] < 2 or record.get("broken"):
        return ""
    gone = record["requests"] - record.get("carried", 0) + record["cut"]
    failed, failed_mean = record["failed"], record["failed_service"]["mean"] or 0.0
    kept = sum(times for kind, times in record["errors"].items() if kind in CENSORED)
    apart = failed - kept  # their times are in a figure of their own
    known = (gone - apart) * mean + apart * failed_mean + record.get("carried_seconds", 0.0)
    expected = known / record["seconds"]
    off = abs(sampled["mean"] - expected)
    if off <= max(APART * expected, ERRORS * sampled["error"], 1.0):
        return ""
    return (
        f"{sampled['mean']:.3g} requests were in flight on average, but rate x service time is "
        f"{expected:.3g}: some were lost, or their times are wrong"
    )


def full(record: Mapping[str, Any]) -> str:
    """Whether the open model ran out of slots, so that requests waited here and not at the server."""
    sampled, slots = record.get("in_flight"), record["client"].get("slots", 0)
    if record["asked"] is None or sampled is None or not slots or sampled["mean"] < FULL * slots:
        return ""
    return f"all {slots:,} slots were busy: what was due waited for one; -c gives more"


def unsettled(record: Mapping[str, Any]) -> str:
    """Whether much was still under way at the end."""
    left = record["cut"] + record["unsent"]
    if left <= 0.1 * (record["requests"] + left):
        return ""
    return (
        f"{left:,} requests had not ended when the test did ({record['unsent']:,} of them never sent): "
        "latencies count them at the age they had; test for longer"
    )


def unkept(record: Mapping[str, Any]) -> str:
    """Whether the server closes each connection after one answer."""
    opened, answered = record["connections"], sum(record["statuses"].values())
    if answered < MANY or opened < OPENED * answered or not record.get("keep_alive", True):
        return ""
    return f"{opened:,} connections for {answered:,} answers: the server keeps none open after one"


def _slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line through them (least squares)."""
    middle, height = fmean(x for x, _ in points), fmean(y for _, y in points)
    spread = sum((x - middle) ** 2 for x, _ in points)
    return sum((x - middle) * (y - height) for x, y in points) / spread if spread else 0.0
