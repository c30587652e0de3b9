"""The one loop: feed -> engine -> outbox, for every engine and every command.

It runs in a thread that never executes the caller's code. Its laws: one record for every request that the
feed wants heard; at most `width` in flight; nothing new while the outbox has no room; nothing a URL or a
server does is raised here. A stopped outbox lets it drain, then cancel, then end.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from fetcher.engines import Engine
from fetcher.feeds import Feed, Wait
from fetcher.model import Options, Request, Result
from fetcher.outbox import Outbox

TICK = 0.1  # seconds: signals, progress and deadlines are never further away than this
BURST = 1000  # starts and refusals in one turn: a million bad lines must not hold up what is in flight


# Seconds the loop waited, by what kept it from starting one more request: "slots" (all were busy), "reader"
# (the outbox was full), "stop", "tail" (nothing was left to start), or the `why` of a feed's Wait.
Spent = dict[str, float]


def drive(
    feed: Feed,
    engine: Engine,
    options: Options,
    outbox: Outbox,
    clock: Callable[[], float] = time.monotonic,
    spent: Spent | None = None,
) -> None:
    """Run the feed dry, or until the outbox is stopped and nothing is in flight."""
    spent = {} if spent is None else spent
    running = 0
    cancelled = False
    width = min(options.concurrency or engine.width, engine.width)
    while True:
        pause, why = TICK, "slots"
        for _ in range(BURST):
            if running >= width:
                break
            if not outbox.has_room(running):
                why = "reader" if outbox.stop_at is None else "stop"
                break
            match feed.take(now := clock()):
                case Request() as request:
                    request.begin(now, options)
                    engine.submit(request)
                    running += 1
                case Result() as result:
                    outbox.put([result])
                case Wait(seconds, why):
                    pause = min(seconds, TICK)
                    break
                case None:
                    why = "tail"
                    break
        else:
            pause = 0.0
        if not running and (why == "tail" or outbox.stop_at is not None):
            return
        if outbox.stop_at is not None and not cancelled and clock() >= outbox.stop_at:
            engine.cancel()
            cancelled = True
        before = clock()
        results = engine.wait(pause)
        running -= len(results)
        now = clock()
        spent[why] = spent.get(why, 0.0) + now - before
        while options.deadline and (late := feed.late(now)) is not None:
            outbox.put([late])
        outbox.put([heard for result in results if (heard := feed.done(result, now)) is not None])
