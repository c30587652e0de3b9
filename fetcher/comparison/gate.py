"""Two feeds of a lap: one holds the list back until the warm-up is answered, one counts connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fetcher.feeds import Feed, Wait
from fetcher.model import Request, Result

PAUSE: Final = 0.05  # seconds; the last answer of the warm-up ends it sooner
UNCONNECTED: Final = ("dns_", "connect_")


class Gate:
    """Lets `warm` rows through; when all of them are done it calls `opened`, and lets the others follow."""

    def __init__(self, inner: Feed, warm: int, opened: Callable[[], None]) -> None:
        self.inner = inner
        self._left = warm  # to let through
        self._open = warm  # to be answered
        self._opened = opened

    def take(self, now: float) -> Request | Result | Wait | None:
        """The next row; Wait while the warm-up is under way."""
        if not self._left and self._open:
            return Wait(PAUSE, "warm-up")
        answer = self.inner.take(now)
        if self._left and isinstance(answer, (Request, Result)):
            self._left -= 1
            if isinstance(answer, Result):  # no URL: answered at once
                self._answered()
        return answer

    def late(self, now: float) -> Result | None:
        """Whose deadline has passed; nobody's here."""
        return self.inner.late(now)

    def done(self, result: Result, now: float) -> Result | None:
        """One of the warm-up, or of the list."""
        heard = self.inner.done(result, now)
        if self._open and heard is not None:
            self._answered()
        return heard

    def _answered(self) -> None:
        self._open -= 1
        if not self._open:
            self._opened()


class Connections:
    """Counts the connections that were opened, those of the warm-up too."""

    def __init__(self, inner: Feed) -> None:
        self.inner = inner
        self.opened = 0

    def take(self, now: float) -> Request | Result | Wait | None:
        """As it comes."""
        return self.inner.take(now)

    def late(self, now: float) -> Result | None:
        """As it comes."""
        return self.inner.late(now)

    def done(self, result: Result, now: float) -> Result | None:
        """Every attempt, hops and retries too."""
        if not result.reused:
            self.opened += not (result.error or "").startswith(UNCONNECTED)
        return self.inner.done(result, now)
