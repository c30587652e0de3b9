"""Follows redirects: each hop is a request of its own, asked before anything new."""

from __future__ import annotations

from collections import deque

from fetcher.feeds import Feed, Wait
from fetcher.feeds._hops import FOLLOWED, next_hop
from fetcher.model import Options, Request, Result


class Redirects:
    """Swallows the 3xx that lead on; the inner feed hears of the last hop only."""

    def __init__(self, inner: Feed, options: Options) -> None:
        self.inner = inner
        self.options = options
        self._hops: deque[Request] = deque()

    def take(self, now: float) -> Request | Result | Wait | None:
        """The next hop, or what the inner feed has."""
        while self._hops:
            hop = self._hops.popleft()
            if not hop.deadline or now < hop.deadline:
                return hop
            late = hop.answer(now, "deadline_exceeded", "the time for this URL ran out before its next hop")
            heard = self.inner.done(late, now)
            if heard is not None:
                return heard
        return self.inner.take(now)

    def done(self, result: Result, now: float) -> Result | None:
        """None where a hop follows; a redirect that cannot be followed is the result's error."""
        if result.status in FOLLOWED and result.error is None:
            assert result.request is not None
            step = next_hop(result.request, result, self.options)
            if isinstance(step, Request):
                self._hops.append(step)
                return None
            if step is not None:
                result.error = step.kind
                result.message = step.message
        return self.inner.done(result, now)
