"""Records of load tests as `fetch load --json` prints them: a made-up server, the real meter and judge."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from fetcher.loadtest.meter import Meter
from fetcher.loadtest.schedule import constant
from fetcher.loadtest.slo import parse
from fetcher.loadtest.sums import Sum
from fetcher.loadtest.verdict import conclude
from fetcher.model import Result

URL = "http://127.0.0.1:8000/"
EVIL = (
    f"{URL}a b\r\n::error title=x::pwned ##[error]e\"><script>alert(1)</script>'|`y`*_[c](http://evil.example)"
    "\u202e\x1b[31m\x00\ud800\u2028\U0001f600"
)
BODY = 10_240
Record = dict[str, Any]


@dataclass
class Asked:
    """One request: when it was due, sent and done with, and how it ended."""

    due: float
    started: float
    finished: float
    status: int | None = 200
    error: str | None = None
    url: str = URL

    def result(self, reused: bool) -> Result:
        size = BODY if self.error is None else None
        return Result(
            url=self.url, status=self.status, error=self.error, size=size, wire_size=size, reused=reused
        )


def told(asked: list[Asked], seconds: int, cpu: float = 0.35) -> Iterator[Record]:
    """What one worker tells, second by second, and at the end what it has cut off."""
    urls = list(dict.fromkeys(one.url for one in asked))
    meter = Meter(64, 0.0, urls)
    ended = sorted((one for one in asked if one.finished < seconds), key=lambda one: one.finished)
    at = 0
    for now in range(1, seconds + 1):
        while at < len(ended) and ended[at].finished < now:
            one = ended[at]
            late = 0.00002 if one.started - one.due < 0.001 else 0.0  # what waited for a slot was not late
            meter.add(one.result(at >= 64), one.due, one.started, one.finished, late)
            at += 1
        if now == seconds:
            for one in asked:
                if one.due < seconds <= one.finished:
                    meter.cut(one.due, one.started if one.started < seconds else None, seconds)
        yield {"meter": meter.snapshot(now), "cpu_measured": cpu * now, "worker": 0}


def made(
    asked: list[Asked], seconds: int, rate: float | None = None, slo: str = "", cpu: float = 0.35, **more: Any
) -> Record:
    """The record of these requests, as it comes back from a file."""
    sums = Sum(1, constant(rate) if rate else None)
    for snapshot in told(asked, seconds, cpu):
        sums.add(0, snapshot)
    record = sums.record() | {
        "engine": "curl",
        "workers": 1,
        "concurrency": 64,
        "model": "open" if rate else "closed",
        "targets": len({one.url for one in asked}),
        "warmup": 0.0,
        "started": "2026-11-23T03:56:22.000Z",
        "seed": 7,
        "server": None,
        "max_rate": None,
        "environment": {"python": "3.11.2", "processor": "x86-64", "cpus": 2, "load": [0.5, 0.25, 0.125]},
    }
    conclude(record, parse(slo) if slo else ())
    return dict(json.loads(json.dumps(record | more)))


def served(rng: random.Random) -> float:
    """About 1 ms, with a tail."""
    return 0.001 * rng.lognormvariate(0.0, 0.35) * (8 if rng.random() < 0.01 else 1)


def opened(rate: int, seconds: int, stall: tuple[float, float] | None = None) -> list[Asked]:
    """On a schedule; during a stall (from, seconds) the server answers nothing, and then all at once."""
    rng, found = random.Random(7), []
    for number in range(rate * seconds):
        due = number / rate
        done = due + served(rng)
        if stall and stall[0] <= due < sum(stall):
            done = sum(stall) + served(rng)
        found.append(Asked(due, due + 0.00002, done + 0.00002))
    return found


def slots(width: int, seconds: int, take: Callable[[random.Random], float]) -> list[Asked]:
    """Closed: each of so many slots asks again as soon as it was answered."""
    rng, found = random.Random(7), []
    for _ in range(width):
        now = rng.random() * 0.001
        while now < seconds:
            done = now + take(rng)
            found.append(Asked(now, now, done))
            now = done
    return found


def closed() -> Record:
    asked = slots(16, 20, lambda rng: 0.010 * rng.lognormvariate(0, 0.2))
    rng = random.Random(1)
    for one in rng.sample(asked, 40):
        one.status = 503
    for one in rng.sample(asked, 7):
        one.status, one.error = None, "reset"
    server = {"cpu": 1.42, "rss": 85_400_000}
    slo = "p99<50ms,errors<0.5%,rate>=1000"
    return made(asked, 20, slo=slo, concurrency=16, server=server, workers=2)


def stalled() -> Record:
    return made(opened(500, 60, (17.2, 1.0)), 60, 500.0, "p99<50ms,errors<0.1%")


def overrun() -> Record:
    """Asked for 100/s of a server that does 20/s, with four slots."""
    free, asked = [0.0] * 4, []
    for number in range(100 * 30):
        due = number / 100
        at = min(range(4), key=free.__getitem__)
        start = max(due, free[at])
        free[at] = start + 0.2
        asked.append(Asked(due, start, free[at]))
    return made(asked, 30, 100.0, "p99<1s", concurrency=4)


def invalid() -> Record:
    asked = opened(3000, 10)
    for one in asked:
        one.started += 0.08 * one.due / 10
        one.finished += 0.08 * one.due / 10
    return made(asked, 10, 3000.0, "p99<50ms", cpu=0.97, workers=2)


def searched() -> Record:
    """--find-max."""
    probes = ((500, 0.0021), (1000, 0.0023), (2000, 0.0041), (4000, 3.1), (2800, 0.62), (2300, 0.061))
    curve = [
        {"rate": rate, "goodput": min(rate, 2240.0), "p99": p99, "verdict": "FAIL" if p99 > 0.05 else "PASS"}
        | {"bounds": ["p99"] if p99 > 1 else []}
        for rate, p99 in sorted((*probes, (2100, 0.0072), (2200, 0.013)))
    ]
    most = {"rate": 2200, "at_least": False, "why": "client at 35%", "curve": curve, "notes": []}
    ended = [one for one in opened(2200, 10) if one.finished < 10]
    return made(ended, 10, 2200.0, "p99<50ms", max_rate=most)


def several() -> Record:
    asked = opened(400, 10)
    rng = random.Random(4)
    for number, one in enumerate(asked):
        path = ("", "search?q=a", "static/site.css", "api/items/1")[number % 4]
        one.url = URL + path
        if path.startswith("search"):
            one.finished += 0.08 * rng.random()
        if path.startswith("api") and rng.random() < 0.1:
            one.status = 500
    for one in asked[:2]:
        one.url = URL + "seldom"
    return made(asked, 10, 400.0)


def timeouts() -> Record:
    """A few in a hundred get no answer until the client gives up, so p99 is a lower bound."""
    rng = random.Random(5)
    asked = opened(200, 40)
    for one in asked:
        if rng.random() < 0.03:
            one.status, one.error, one.finished = None, "read_timeout", one.started + 5
    return made(asked, 40, 200.0, "p99<50ms,p99.99<1s")


def refused() -> Record:
    asked = [Asked(n / 100, n / 100, n / 100 + 0.0002, None, "connect_refused") for n in range(500)]
    return made(asked, 5, 100.0, connections=0)


def silent() -> Record:
    """Stopped before anything ended."""
    return made([Asked(n / 10, n / 10, n / 10 + 60) for n in range(10)], 1, 10.0)


def hostile() -> Record:
    record = several()
    for number, one in enumerate(record["by_target"]):
        one["url"] = EVIL + "x" * 30 * number
    record |= {"why": EVIL, "notes": [EVIL], "errors": {EVIL: 12, "reset": 3}, "engine": EVIL}
    record["slo"] = [{"rule": EVIL, "ok": False, "value": 1.0, "bound": False, "unit": "s", "note": EVIL}]
    record["client"] = {"cpu": 0.97, "saturated": True, "why": [EVIL]}
    record["environment"]["processor"] = EVIL
    record["max_rate"] = {"rate": None, "at_least": False, "why": EVIL, "curve": [], "notes": [EVIL]}
    record["statuses"][EVIL] = 1
    return record


MAKERS = (closed, stalled, overrun, invalid, searched, several, timeouts, refused, silent, hostile)
NAMES = tuple(maker.__name__ for maker in MAKERS)


@cache
def _kept(name: str) -> str:
    return json.dumps(next(maker for maker in MAKERS if maker.__name__ == name)())


def load(name: str) -> Record:
    """The record of that name, a new one each time."""
    return dict(json.loads(_kept(name)))
