"""What a comparison says on standard error: what will be sent, before anything is, and then where it is."""

from __future__ import annotations

import sys
from typing import Any

from fetcher.cli._descriptors import width
from fetcher.comparison.plan import PUBLIC, Plan
from fetcher.errors import UsageError
from fetcher.options import Options


def announced(plan: Plan, made: Options, *, yes: bool) -> str:
    """What will be sent, before anything is. Raises UsageError where that is much for a public host."""
    if not yes and (beyond := plan.beyond(options=made)):
        host, count = beyond[0]
        others = f" (and {len(beyond) - 1} more hosts)" if len(beyond) > 1 else ""
        raise UsageError(
            f"{host}{others} would get up to {count:,} requests, and is neither this machine nor a private "
            f"network: add --yes if its owner does not mind more than {PUBLIC}, or take fewer "
            "--engines, --blocks or --retries"
        )
    host, most = plan.most()
    names = ", ".join(arm.name for arm in plan.arms)
    words = [
        f"{len(plan.arms)} arms ({names}) x {plan.blocks} blocks x {len(plan.pieces):,} URLs",
        f"with warm-ups {plan.requests:,} requests; {host} gets at most {most:,}, retries included",
        f"seed {plan.seed}",
    ]
    words += plan.limits(made)
    return "; ".join(words)


class Teller:
    """Says on standard error what is going on: a line that is drawn anew on a terminal, nothing in a pipe."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.quiet = values["quiet"]
        self.live = sys.stderr.isatty() and not (self.quiet or values["no_progress"])

    def announce(self, words: str) -> None:
        """A line that stays."""
        if not self.quiet:
            self.clear()
            say(words, "")

    def __call__(self, words: str) -> None:
        """Where it is."""
        if self.live:
            sys.stderr.write(f"\r\x1b[K{words}"[: 4 + max(width(2) - 1, 10)])
            sys.stderr.flush()

    def clear(self) -> None:
        """Take that line away."""
        if self.live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def say(words: str, opening: str = "fetch: ") -> None:
    """Words for the user."""
    print(f"{opening}{words}", file=sys.stderr)
