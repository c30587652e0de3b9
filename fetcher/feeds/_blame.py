"""What kept free slots empty while requests were parked: seconds, by reason and host."""

from __future__ import annotations

from typing import Final

BLAMED: Final = 1000  # hosts whose waiting is told apart
GLANCE: Final = 1.0  # seconds: a longer gap between two questions was not spent waiting for a host


class Spent:
    """`blame` when nothing may start; `account` at the next question."""

    __slots__ = ("_seconds", "_since", "_what")

    def __init__(self) -> None:
        self._since: float | None = None  # when a free slot last found nothing that may start
        self._what = ("", "")
        self._seconds: dict[tuple[str, str], float] = {}

    def blame(self, reason: str, host: str, now: float) -> None:
        """From now on, this is what is waited for."""
        self._since = now
        self._what = (reason, host)

    def account(self, now: float) -> None:
        """Until now it was."""
        if self._since is None:
            return
        what = self._what
        if what not in self._seconds and len(self._seconds) >= BLAMED:
            what = (what[0], "other hosts")
        self._seconds[what] = self._seconds.get(what, 0.0) + min(now - self._since, GLANCE)
        self._since = None

    def most(self) -> tuple[str, str, float] | None:
        """(reason, host, seconds) of what cost most."""
        if not self._seconds:
            return None
        (reason, host), seconds = max(self._seconds.items(), key=lambda pair: pair[1])
        return reason, host, seconds
