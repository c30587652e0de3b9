"""What goes next, and when: decisions as values, without socket, thread or clock.

The contract. A feed answers `take` with a Request (start this), a Result (answered unasked), `Wait` (ask
again in so long) or None (nothing, unless something in flight comes back). It hears of every result through
`done` and gives back what the reader is to hear: a Result, or None where a retry or a hop follows.

- `take` and `done` never block and never raise; time comes in as a number, so feeds are tested in virtual
  time.
- Only the loop's thread touches a feed, so it holds no lock.
- Feeds wrap each other, outermost first: get is `Limits(Retry(Robots(Redirects(Rows))))`. A wrapper hands
  `take` and `done` inward and changes what concerns it; a Request carries its own history, so only `Limits`
  keeps a table of what is in flight.
- `done` must be called once for every Request that `take` gave. A Result that `take` gave is final: the
  loop hands it to the reader as it is.
- None from `take` is not the end as long as something is in flight: `done` may bring a retry or a hop.
- `late` gives, one by one, the answers for what has begun and waited beyond its deadline inside the feeds. It
  starts nothing, so it may be asked when no slot is free. `Limits.take` asks it first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from fetcher.model import Request, Result


class Wait(NamedTuple):
    """Nothing now: ask again in so many seconds, or as soon as something in flight has come back."""

    seconds: float
    why: str = "limits"  # or "input", "retry": what `drive.Spent` counts the time as


class Feed(Protocol):
    """What goes next, and when."""

    def take(self, now: float) -> Request | Result | Wait | None:
        """Start this | answered unasked | ask again in so long | nothing, unless something comes back."""

    def late(self, now: float) -> Result | None:
        """An answer for what waits in here, or further in, beyond its deadline; None if nothing does."""

    def done(self, result: Result, now: float) -> Result | None:
        """What the reader hears of this result; None: swallowed, because a retry or a hop follows."""


Sitemaps = Callable[[str, Sequence[str]], None]


class Root(Feed, Protocol):
    """The innermost feed of a run: a list (`rows`) or a crawl (`frontier`). It has a beginning and an end.

    `start` comes before the first `take`; `close` after the last one, and frees what the root holds.
    """

    readers: tuple[str, ...]  # what is made of the bodies
    sitemaps: Sitemaps | None  # hears of a robots.txt (URL) and those that it names

    @property
    def error(self) -> BaseException | None:
        """What ended it early."""

    @property
    def seen(self) -> int:
        """How many requests and refusals it has given so far: each gets a record, unless it is stopped."""

    @property
    def skipped(self) -> Counter[str]:
        """What got no record, by reason."""

    @property
    def waiting(self) -> int:
        """How many more are there now."""

    @property
    def ended(self) -> bool:
        """Whether nothing more can come that is not there now."""

    @property
    def total(self) -> int | None:
        """How many records there will be, as far as that is known."""

    def start(self) -> None:
        """Begin."""

    def close(self) -> None:
        """End, whether it was exhausted or not."""
