"""Asks again what may pass by itself: transient failures and 429, 500, 502, 503, 504.

Only idempotent methods are repeated. tenacity holds the policy (how often, how long, what) and is asked after
a failure, never round a success. Nothing sleeps here: what is to be asked again is parked until it is due.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from fetcher.errors import TRANSIENT
from fetcher.feeds import Feed, Wait
from fetcher.feeds._deadlines import Deadlines, late
from fetcher.feeds._pauses import PATIENCE, pause_asked
from fetcher.model import IDEMPOTENT, Options, Request, Result

if TYPE_CHECKING:
    from random import Random

    from tenacity import RetryCallState

PASSING: Final = frozenset({429, 500, 502, 503, 504})
STALE: Final = frozenset({"no_response", "reset", "connect_reset"})
TIMEOUTS: Final = frozenset({"dns_temporary", "connect_timeout", "read_timeout", "total_timeout"})
FIRST: Final = 0.5  # seconds: the most that the first pause takes; each further one twice as much
MOST: Final = 30.0


class Retry:
    """Parks what is to be asked again, and gives it before anything new once it is due."""

    def __init__(
        self,
        inner: Feed,
        options: Options,
        rng: Random | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.inner = inner
        self.options = options
        self._rng = rng
        self._wall = wall
        self._policy: _Policy | None = None
        self._parked: list[tuple[float, int, Request]] = []  # a heap by the time when each is due
        self._dated = Deadlines()  # of what is parked
        self._count = 0

    def take(self, now: float) -> Request | Result | Wait | None:
        """What is due, else what the inner feed has; never None while something is parked."""
        parked = self._parked
        while parked and parked[0][0] <= now:
            request = heapq.heappop(parked)[2]
            if self._dated.strike(request):
                return request
        if not parked:
            return self.inner.take(now)
        answer = self.inner.take(now)
        if answer is None:
            return Wait(parked[0][0] - now, "retry")
        if isinstance(answer, Wait):
            return Wait(min(answer.seconds, parked[0][0] - now), answer.why)
        return answer

    def late(self, now: float) -> Result | None:
        """What is due but was not taken in time, for want of a slot."""
        while (request := self._dated.due(now)) is not None:
            answer = late(request, now, self.options.deadline, "its next attempt had not begun")
            if (heard := self.inner.done(answer, now)) is not None:
                return heard
        return self.inner.late(now)

    def done(self, result: Result, now: float) -> Result | None:
        """None where the request will be asked again."""
        if result.error is None:
            if result.status not in PASSING:
                return self.inner.done(result, now)
        elif result.error not in TRANSIENT:
            return self.inner.done(result, now)
        request = result.request
        assert request is not None
        if result.error in TIMEOUTS and request.deadline and now >= request.deadline:
            result.error = "deadline_exceeded"
            result.message = f"not done within {self.options.deadline:g} s (--deadline)"
        elif request.method in IDEMPOTENT:
            due = self._due(request, result, now)
            if due is not None and not (request.deadline and due >= request.deadline):
                self._count += 1
                heapq.heappush(self._parked, (due, self._count, request))
                self._dated.add(request)
                return None
        return self.inner.done(result, now)

    def _due(self, request: Request, result: Result, now: float) -> float | None:
        """When to ask again; None: not at all."""
        if _is_stale(request, result):
            request.fresh = True
            request.attempts -= 1  # nobody saw it: the connection had been closed before
            request.tries -= 1
            return now
        if self._policy is None:
            try:
                self._policy = _Policy(self.options.retries)
            except OSError:  # the failure may be that no descriptor is left, not even for this import
                return now + FIRST if request.tries <= self.options.retries else None
        pause = self._policy.ask(request.tries, result)
        if pause is None:
            return None
        asked = pause_asked(result, self._wall)
        if asked is None:
            if self._rng is None:
                from random import Random

                self._rng = Random()  # noqa: S311  (spreads load, hides nothing)
            return now + self._rng.uniform(0.0, pause)  # full jitter
        return now + asked if asked <= PATIENCE else None


class _Policy:
    """tenacity's objects, made at the first failure: its import takes longer than most fetches."""

    def __init__(self, retries: int) -> None:
        import tenacity

        self.retry = tenacity.retry_if_result(_may_pass)
        self.stop = tenacity.stop_after_attempt(retries + 1)
        self.wait = tenacity.wait_exponential(multiplier=FIRST, max=MOST)

    def ask(self, tries: int, result: Result) -> float | None:
        """The longest pause before the next attempt, or None where there shall be none."""
        state = _state(tries, result)
        if not self.retry(state) or self.stop(state):
            return None
        return self.wait(state)


def _state(tries: int, result: Result) -> RetryCallState:
    from tenacity import RetryCallState

    nothing: Any = None  # these objects look at the number and the outcome only
    state = RetryCallState(nothing, None, (), {})
    state.attempt_number = max(tries, 1)
    state.set_result(result)
    return state


def _may_pass(result: Result) -> bool:
    return result.error in TRANSIENT if result.error else result.status in PASSING


def _is_stale(request: Request, result: Result) -> bool:
    """Whether a kept connection had silently been closed before this request used it.

    Then nobody saw the request, and asking again is no second attempt. One byte of an answer, though it be
    less than a status line, shows that somebody did. Engines that cannot know `ttfb` still know the status.
    """
    silent = result.ttfb is None and result.status is None
    return result.reused and silent and not request.fresh and result.error in STALE
