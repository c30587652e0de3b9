"""What kept an arm from being faster: itself, the server, pauses, or waiting for answers."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Final

from fetcher.comparison.lap import Lap
from fetcher.histogram import merged

BUSY: Final = 0.85  # of one CPU: above this share the client was the limit
IDLE: Final = 0.5  # below it the client surely was not
LOADED: Final = 0.8  # of one CPU: above this share the server was
SLOWER: Final = 2.0  # times the answer that shares the server with no other: then answers queue there
WORKING: Final = ("slots", "tail", "reader")  # what the loop waits for with requests under way
WAITED: Final = 0.5  # of the time
SHORT: Final = 0.1  # seconds: a lap below them is mostly chance


def bottleneck(laps: Sequence[Lap], alone: float | None) -> str:
    """`client`, `limits`, `server` or `answers`.

    `alone` is how long an answer takes that has the server for itself.

    The server was the limit where its CPU was busy (if it is ours to see) and the client's was not; or where
    the client had time to spare while answers took much longer than one alone does: then they queued, there
    or on the way. Of laps too short for a figure nothing is said.
    """
    if not laps:
        return "answers"
    busy = median(one.cpu / one.wall for one in laps)
    if busy >= BUSY:
        return "client"
    if median(_paused(one) / one.wall for one in laps) >= WAITED:
        return "limits"
    if median(one.wall for one in laps) < SHORT:
        return "answers"
    loads = [one.server / (one.warmup + one.wall) for one in laps if one.server is not None]
    if loads and median(loads) >= LOADED:
        return "server"
    sampled = [seconds for one in laps for seconds in one.sampled]  # of the URLs that were asked alone
    usual = median(sampled) if sampled else merged(one.elapsed for one in laps).percentile(50)
    if busy < IDLE and alone and usual and usual >= SLOWER * alone:
        return "server"
    return "answers"


def _paused(one: Lap) -> float:
    """Seconds in which a feed let nothing start: limits that were asked for, Retry-After, retries."""
    return sum(seconds for why, seconds in one.spent.items() if why not in WORKING)
