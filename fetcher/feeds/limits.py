"""How much at once and how fast, per host and in all; a host that is waited for holds no slot.

Hosts take turns. Requests that cannot start are parked per host (see `_hosts`). How many in all is bounded;
then reading stops: a list sorted by host may fill the whole look-ahead with one host.
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from fetcher.feeds import Feed, Wait
from fetcher.feeds._blame import Spent
from fetcher.feeds._deadlines import late
from fetcher.feeds._hosts import EXTERNAL, Host, Hosts, following, is_idle
from fetcher.feeds._pauses import PATIENCE, PAUSING, pause_asked
from fetcher.model import Options, Request, Result

PULLED: Final = 1000  # requests read ahead in one `take`: more would hold up what is in flight
TICK: Final = 0.1  # seconds between two looks for a retry that has become due
PARKED: Final = Wait(0.0)  # by identity: read, but it may not start yet


class Limits:
    """The outermost feed: `full` names the hosts that filled the look-ahead, `blocked_by` what cost most."""

    def __init__(
        self,
        inner: Feed,
        options: Options,
        default_per_host: int = 8,
        ahead: int = 12_000,  # requests parked at the most: some 500 bytes each
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.inner = inner
        self.options = options
        self.ahead = ahead
        self.hosts = Hosts(options, default_per_host)
        self.full: tuple[tuple[str, int], ...] = ()  # (host, parked), the longest first
        self._wall = wall
        self._take, self._done = inner.take, inner.done
        self._ended: deque[Request] = deque()  # parked for hosts that were closed since
        self._gap = 1.0 / options.rate if options.rate else 0.0
        self._tat = 0.0  # of the whole run
        self._owed = 0  # requests marked `owed`: hops and retries that the inner feed still holds
        self._look = 0.0  # from when on one of these may have come forward
        self._spent = Spent()

    def take(self, now: float) -> Request | Result | Wait | None:
        """What may start now; hosts that are ready take turns, before more is read."""
        hosts = self.hosts
        self._spent.account(now)
        if self.options.deadline and (overdue := self.late(now)) is not None:
            return overdue
        if hosts.timed and hosts.timed[0][0] <= now:
            hosts.wake(now)
        early = self._tat > now  # for the rate of the whole run: only look whether anything is left
        begun = self._ended or (not early and (self._owed or hosts.ready))
        if begun and (answer := self._begun(now) or self._serve(now, early)) is not None:
            return answer
        for _ in range(PULLED):
            if hosts.parked and (early or hosts.parked >= self.ahead):
                return self._nothing(None, now)
            read = self._read(now)
            if read is None or (type(read) is Wait and read is not PARKED):
                return self._nothing(read, now)
            if read is not PARKED:
                return read
        return Wait(0.0)

    def late(self, now: float) -> Result | None:
        """What is parked beyond its deadline, here or further in."""
        while (request := self.hosts.late(now)) is not None:
            if (answer := self._expire(request, now)) is not None:
                return answer
        answer = self.inner.late(now)
        if answer is not None:
            self._pay(answer.request)
        return answer

    def done(self, result: Result, now: float) -> Result | None:
        """Frees the host's slot, and holds the host back if it asked for that."""
        request = result.request
        assert request is not None
        host = self.hosts.entries[request.host]
        request.owed = request.purpose == "page"  # a hop is a copy of it, a retry is itself
        heard = self._done(result, now)
        if heard is None and request.owed:
            self._owed += 1
        else:
            request.owed = False
        if heard is None:
            self._look = now
        host.running -= 1
        if result.status in PAUSING and (asked := pause_asked(result, self._wall)) is not None:
            self._hold(host, asked, now)
        if host.queue:
            self.hosts.enlist(host, now)
        elif not host.running and is_idle(host, now):
            del self.hosts.entries[host.name]
        return heard

    def pause(self, host: str, seconds: float, now: float) -> None:
        """Start nothing at this host (name:port) for so many seconds."""
        entry = self.hosts.get(host, now)
        if now + seconds > entry.tat:
            entry.tat = now + seconds
            entry.why = "retry-after"

    def set_delay(self, host: str, seconds: float) -> None:
        """From now on, leave so many seconds between two starts at this host (name:port)."""
        self.hosts.delay(host, seconds)

    def blocked_by(self) -> tuple[str, str, float] | None:
        """(reason, host, seconds): what kept free slots empty longest while requests were parked for it.

        The reason is "per-host", "host-rate", "retry-after", "crawl-delay", or "rate" (of the run; no host).
        """
        return self._spent.most()

    def _read(self, now: float) -> Request | Result | Wait | None:
        """One item of the inner feed, if it may start now; PARKED if not."""
        item = self._take(now)
        if type(item) is not Request:
            if type(item) is Result:
                self._pay(item.request)
            return item
        in_turn = not self._pay(item) and bool(self.hosts.ready)
        host = self.hosts.entries.get(item.host) or self.hosts.get(item.host, now)
        host.limit = min(host.limit, EXTERNAL) if item.purpose == "external" else host.limit
        if host.closed > now:
            return self._refuse(item, now) or PARKED
        if item.deadline and max(host.tat, now) >= item.deadline:
            return self._expire(item, now) or PARKED
        if host.queue or host.running >= host.limit or host.tat > now or self._tat > now or in_turn:
            self.hosts.park(host, item, now)
            return PARKED
        self._start(host, now)
        return item

    def _begun(self, now: float) -> Request | Result | None:
        """A hop or retry that the inner feed holds: what has begun shall not wait behind what has not.

        A new row may come instead, because the retry is not due yet: it takes its turn (see `_read`), and the
        next look is later, or rows of the list would flood those that are parked.
        """
        if not self._owed or now < self._look or self._tat > now or self.hosts.parked >= self.ahead:
            return None
        owed = self._owed
        read = self._read(now)
        if owed == self._owed:
            self._look = now + TICK
        return None if isinstance(read, Wait) else read

    def _serve(self, now: float, early: bool) -> Request | Result | None:
        """The next parked request, hosts in turn; before that, what was parked for hosts closed since."""
        while self._ended:
            if (answer := self._refuse(self._ended.popleft(), now)) is not None:
                return answer
        while not early and (popped := self.hosts.pop(now)) is not None:
            host, request = popped
            self._start(host, now)
            self.hosts.enlist(host, now)
            return request
        return None

    def _pay(self, request: Request | None) -> bool:
        """Whether this was owed; if so, it is no longer."""
        if request is None or not request.owed:
            return False
        request.owed = False
        self._owed -= 1
        return True

    def _start(self, host: Host, now: float) -> None:
        self.hosts.start(host, now)
        if self._gap:
            self._tat = following(self._tat, self._gap, now)

    def _hold(self, host: Host, seconds: float, now: float) -> None:
        """The host asked for a pause: a short one is waited for, a long one ends what is parked for it."""
        if seconds <= PATIENCE:
            self.pause(host.name, seconds, now)
            return
        host.closed = max(host.closed, now + seconds)
        self._ended.extend(self.hosts.clear(host))

    def _refuse(self, request: Request, now: float) -> Result | None:
        why = f"{request.host} asked for a pause of over {PATIENCE:g} s (Retry-After): ask it again later"
        return self._done(request.answer(now, "host_backoff", why), now)

    def _expire(self, request: Request, now: float) -> Result | None:
        why = f"{request.host} was waited for"
        return self._done(late(request, now, self.options.deadline, why), now)

    def _nothing(self, answer: Wait | None, now: float) -> Wait | None:
        """Nothing may start: until when?"""
        hosts = self.hosts
        if not hosts.parked:
            return answer
        waits = [answer.seconds] if answer is not None else []
        if self._tat > now:
            reason, name = "rate", ""
            waits = [self._tat - now]
        else:
            host = next(iter(hosts.waiting.values()))
            is_early = host.tat > now and host.running < host.limit
            reason, name = (host.why if is_early else "per-host"), host.name
            if hosts.timed:
                waits.append(hosts.timed[0][0] - now)
            if hosts.parked >= self.ahead and not self.full:
                longest = ((host.name, len(host.queue or ())) for host in hosts.waiting.values())
                self.full = tuple(heapq.nlargest(3, longest, key=lambda pair: pair[1]))
        if (at := hosts.dated.next()) is not None:
            waits.append(at - now)
        self._spent.blame(reason, name, now)
        return Wait(max(min(waits), 0.0)) if waits else None
