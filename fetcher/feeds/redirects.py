"""Follows redirects: each hop is a request of its own, asked before anything new."""

from __future__ import annotations

from collections import deque

from fetcher.feeds import Feed, Wait
from fetcher.feeds._deadlines import Deadlines, late
from fetcher.feeds._hops import next_hop
from fetcher.headers import Plan
from fetcher.model import FOLLOWED, Options, Request, Result


class Redirects:
    """Swallows the 3xx that lead on; the inner feed hears of the last hop only."""

    def __init__(self, inner: Feed, options: Options) -> None:
        self.inner = inner
        self.options = options
        self._plan = Plan(options)
        self._hops: deque[Request] = deque()
        self._dated = Deadlines()

    def take(self, now: float) -> Request | Result | Wait | None:
        """The next hop, or what the inner feed has."""
        while self._hops:
            hop = self._hops.popleft()
            if not self._dated.strike(hop):
                continue
            if not hop.deadline or now < hop.deadline:
                return hop
            if (heard := self._expire(hop, now)) is not None:
                return heard
        return self.inner.take(now)

    def late(self, now: float) -> Result | None:
        """A hop that was not taken in time."""
        while (hop := self._dated.due(now)) is not None:
            if (heard := self._expire(hop, now)) is not None:
                return heard
        return self.inner.late(now)

    def done(self, result: Result, now: float) -> Result | None:
        """None where a hop follows; a redirect that cannot be followed is the result's error."""
        if result.status in FOLLOWED and result.error is None:
            assert result.request is not None
            step = next_hop(result.request, result, self._plan)
            if isinstance(step, Request):
                self._hops.append(step)
                self._dated.add(step)
                return None
            if step is not None:
                result.error = step.kind
                result.message = step.message
        return self.inner.done(result, now)

    def _expire(self, hop: Request, now: float) -> Result | None:
        return self.inner.done(late(hop, now, self.options.deadline, "its next hop had not begun"), now)
