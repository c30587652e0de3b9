"""How many sockets may be open at once: the limit is raised where it can be, else fewer requests run."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fetcher.errors import UsageError

RESERVE: Final = 48  # files, pipes, lookups and imports need some too
SPARE: Final = 7  # for imports in both threads, a lookup, authorities, if only one request runs
LEAST: Final = 10  # with its own, and the three of a loop
KEPT: Final = 1024  # idle connections worth keeping, even for few requests at once


def fit(concurrency: int, each: int = 1) -> tuple[int, str]:
    """As many requests at once as the limit of open files bears, `each` needing so many descriptors.

    The soft limit of this process is raised first, as far as that is needed and allowed. The second value is
    one line for the user where it was not enough; else it is empty. UsageError where not one request can run.
    """
    held = open_now()
    used = held + RESERVE
    limit = _raised(used + concurrency * each + max(KEPT, 4 * concurrency))
    if limit is None:
        return concurrency, ""
    least = held + max(each + SPARE, LEAST)
    if limit < least:
        raise UsageError(
            f"at most {limit:,} files may be open here, too few for even one request: "
            f"raise the limit to {least} or more with ulimit -n"
        )
    room = max((limit - used) * 3 // 4 // each, 1)  # the rest is for idle connections
    if room >= concurrency:
        return concurrency, ""
    run = "1 request runs" if room == 1 else f"{room:,} requests run"
    return room, (
        f"at most {limit:,} files may be open here, so {run} at once, not {concurrency:,}: "
        "raise the limit with ulimit -n"
    )


def idle(width: int) -> int:
    """How many idle connections an engine of that width may keep."""
    wanted = max(KEPT, 4 * width)
    limit = _limit()
    return wanted if limit is None else max(min(wanted, limit - open_now() - RESERVE - width), 1)


def _limit() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def _raised(wanted: int) -> int | None:
    """The soft limit, after raising it to what is wanted or as far as it goes."""
    soft = _limit()
    if soft is None or soft >= wanted:
        return soft
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    target = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    except (OSError, ValueError):  # macOS has a lower limit of its own
        return soft
    return target


def open_now() -> int:
    """How many descriptors this process has open."""
    for listing in ("/proc/self/fd", "/dev/fd"):
        try:
            return sum(1 for _ in Path(listing).iterdir())
        except OSError:
            continue
    return 16
