"""The table of hosts behind `limits`: what is parked for each, and which of them may start when.

A host is in at most one of two places: `ready` (it may start now; the order is the fairness) or `timed` (a
heap by the time when it may). A host at its limit is in neither, until an answer puts it back. So a decision
costs O(log n), and idle hosts are forgotten.
"""

from __future__ import annotations

import heapq
import sys
from collections import OrderedDict, deque
from typing import Final

from fetcher.feeds._deadlines import Deadlines
from fetcher.model import Options, Request
from fetcher.urls import is_loopback

SLACK: Final = 0.1  # seconds a fast schedule may catch up with: the loop never sleeps longer
SWEPT: Final = 1024  # hosts that the table may hold before idle ones are looked for
EXTERNAL: Final = 2  # at once at a host that a crawl's links lead out to: nobody asked it for a crawl
DELAYED: Final = 100_000  # hosts whose crawl-delay is remembered


class Host:
    """One name:port. `tat` is the time from which its next start conforms (GCRA); a pause only moves it."""

    __slots__ = ("begun", "closed", "gap", "limit", "listed", "name", "queue", "running", "tat", "why")

    def __init__(self, name: str, limit: int, gap: float) -> None:
        self.name = name
        self.limit = limit
        self.gap = gap  # seconds between two starts
        self.why = ""  # what moved `tat`: "host-rate", "crawl-delay" or "retry-after"
        self.tat = 0.0
        self.closed = 0.0  # until then its requests end as host_backoff
        self.running = 0
        self.listed = False  # in `ready` or in `timed`
        self.queue: deque[Request] | None = None  # made when something is parked
        self.begun = 0  # so many at the front of the queue have begun


class Hosts:
    """All hosts that have something running, parked or to be waited for."""

    def __init__(self, options: Options, default_limit: int) -> None:
        self.entries: dict[str, Host] = {}
        self.parked = 0
        self.waiting: OrderedDict[str, Host] = OrderedDict()  # hosts with something parked, the oldest first
        self.ready: deque[Host] = deque()
        self.timed: list[tuple[float, int, Host]] = []
        self.dated = Deadlines()  # what is parked and has a deadline
        self.delays: dict[str, float] = {}  # crawl-delays, which outlive a host's entry
        self.gap = 1.0 / options.host_rate if options.host_rate else 0.0
        self._limit = options.per_host
        self._default = default_limit
        self._count = 0
        self._sweep_at = SWEPT

    def get(self, name: str, now: float) -> Host:
        """The entry of this host, made if there is none."""
        host = self.entries.get(name)
        if host is None:
            if len(self.entries) >= self._sweep_at:
                for idle in [entry for entry in self.entries.values() if is_idle(entry, now)]:
                    del self.entries[idle.name]
                self._sweep_at = max(SWEPT, 2 * len(self.entries))
            limit = self._limit
            if limit is None:
                limit = 0 if is_loopback(name) else self._default
            gap = max(self.gap, self.delays.get(name, 0.0)) if self.delays else self.gap
            host = self.entries[name] = Host(name, limit or sys.maxsize, gap)
        return host

    def delay(self, name: str, seconds: float) -> None:
        """From now on, so many seconds between two starts at this host."""
        if len(self.delays) >= DELAYED:
            del self.delays[next(iter(self.delays))]
        self.delays[name] = seconds
        host = self.entries.get(name)
        if host is not None:
            host.gap = max(self.gap, seconds)

    def start(self, host: Host, now: float) -> None:
        """One more request of this host is on its way."""
        host.running += 1
        if host.gap:
            host.tat = following(host.tat, host.gap, now)
            host.why = "crawl-delay" if host.gap > self.gap else "host-rate"

    def park(self, host: Host, request: Request, now: float) -> None:
        """Keep a request until its host may start it; what has begun goes first."""
        if host.queue is None:
            host.queue = deque()
        if not host.queue:
            self.waiting[host.name] = host
        if request.began >= 0:  # attempts do not tell: a stale connection costs none
            host.queue.insert(host.begun, request)
            host.begun += 1
            self.dated.add(request)
        else:
            host.queue.append(request)
        self.parked += 1
        self.enlist(host, now)

    def pop(self, now: float) -> tuple[Host, Request] | None:
        """The next request that may start; its host must be enlisted again afterwards."""
        while self.ready:
            host = self.ready.popleft()
            host.listed = False
            if host.tat > now:
                self.enlist(host, now)
            elif host.queue:
                request = host.queue[0]
                self.dated.strike(request)
                self._remove(host, request)
                return host, request
        return None

    def enlist(self, host: Host, now: float) -> None:
        """Put a host with something parked and a free slot where it belongs."""
        if host.listed or not host.queue or host.running >= host.limit:
            return
        host.listed = True
        if host.tat > now:
            self._count += 1
            heapq.heappush(self.timed, (host.tat, self._count, host))
        else:
            self.ready.append(host)

    def wake(self, now: float) -> None:
        """Hosts whose time has come are ready; those that were paused since go back into the heap."""
        while self.timed and self.timed[0][0] <= now:
            host = heapq.heappop(self.timed)[2]
            host.listed = False
            self.enlist(host, now)

    def clear(self, host: Host) -> deque[Request]:
        """Take away all that is parked for this host."""
        queue, host.queue, host.begun = host.queue or deque(), None, 0
        for request in queue:
            self.dated.strike(request)
        self.parked -= len(queue)
        self.waiting.pop(host.name, None)
        return queue

    def late(self, now: float) -> Request | None:
        """Take away one that is parked beyond its deadline."""
        request = self.dated.due(now)
        if request is not None:
            self._remove(self.entries[request.host], request)
        return request

    def _remove(self, host: Host, request: Request) -> None:
        assert host.queue is not None
        host.queue.remove(request)  # it is the first, or near: deadlines come in the order of the queue
        host.begun -= request.began >= 0
        self.parked -= 1
        if not host.queue:
            del self.waiting[host.name]


def is_idle(host: Host, now: float) -> bool:
    """Whether nothing would be lost if this host were forgotten."""
    return not (host.running or host.queue or host.listed or host.tat > now or host.closed > now)


def following(tat: float, gap: float, now: float) -> float:
    """When the next start conforms. What is a little late is caught up with, but only in a fast schedule."""
    if gap < SLACK and tat > now - SLACK:
        return tat + gap
    return now + gap
