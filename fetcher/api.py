"""The verbs of the library: each wires the rooms in a few lines."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from fetcher.feeds.rows import Rows
from fetcher.given import crawled, inlet, listed, options_of
from fetcher.model import Options, Request, Result
from fetcher.outbox import Outbox
from fetcher.pump import Piece
from fetcher.run import Run

if TYPE_CHECKING:
    from fetcher.comparison import Comparison
    from fetcher.partition.split import Split


def fetch(
    urls: Iterable[str | Request],
    engine: str = "asyncio",
    options: Options | None = None,
    *,
    workers: int = 1,
    **settings: Any,
) -> Iterator[Result]:
    """Ask every URL and yield one Result for each, as completed.

    `urls` may be endless: it is read in a thread of its own, a bounded number of items ahead. `settings` are
    fields of Options. `workers`: so many processes share the list by host; what crosses between them is the
    record, without `Result.request` and `fields`. Works inside a running event loop (a notebook); leaving the
    loop early leaves nothing behind. Raises UsageError before the first request where an option cannot be
    meant, and whatever `urls` itself raises, after the results of what came before.

    >>> [result.error for result in fetch(["no url at all"], engine="sequential")]
    ['invalid_url']
    """
    wanted = options_of(options, settings)
    rows = Rows(inlet(urls), wanted)
    run: Run | Split
    run = Run(rows, engine, wanted, Outbox()) if workers == 1 else _shared(rows, engine, wanted, workers)
    with run:
        if run.warning:
            warnings.warn(run.warning, RuntimeWarning, stacklevel=2)
        yield from run


def _shared(rows: Rows, engine: str, options: Options, workers: int) -> Split:
    from fetcher.partition.split import Split
    from fetcher.tally import Tally

    return Split(rows, engine, options, workers, Tally())


async def afetch(
    urls: Iterable[str | Request], engine: str = "asyncio", options: Options | None = None, **settings: Any
) -> AsyncIterator[Result]:
    """`fetch` for `async for`: the caller's event loop stays free while the run goes on beside it."""
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    outbox = Outbox(notify=lambda: _tell(loop, there))
    wanted = options_of(options, settings)
    with Run(Rows(inlet(urls), wanted), engine, wanted, outbox) as run:
        if run.warning:
            warnings.warn(run.warning, RuntimeWarning, stacklevel=2)
        while (batch := run.results(0)) is not None:
            for result in batch:
                yield result
            if not outbox.finished and not outbox.waiting:
                await there.wait()
            there.clear()


def crawl(
    starts: Iterable[str] | str,
    engine: str = "asyncio",
    options: Options | None = None,
    *,
    state: str = "",
    **settings: Any,
) -> Iterator[Result]:
    """Follow the links of a site from each start and yield one Result for every page, as completed.

    `settings` are fields of Options (robots.txt is obeyed unless `robots=False`) and of `options.Crawl`.
    `state` names a file that keeps the crawl: the same call again yields what it holds, and goes on. Raises
    as `fetch` does.
    """
    from fetcher.feeds.frontier import Frontier, Keeping
    from fetcher.site import Site

    follow, wanted, begun = crawled(starts, options, settings)
    site = Site(state)
    try:
        frontier = Frontier(begun, wanted, follow, site, Keeping(records=bool(state)))
        yield from site.results()
        with Run(frontier, engine, replace(wanted, max_redirects=0), Outbox()) as run:
            if run.warning:
                warnings.warn(run.warning, RuntimeWarning, stacklevel=2)
            yield from run
    finally:
        site.close()


def audit(
    starts: Iterable[str] | str,
    engine: str = "asyncio",
    options: Options | None = None,
    *,
    external: bool = True,
    budgets: Sequence[str] = (),
    **settings: Any,
) -> dict[str, Any]:
    """Crawl a site to its end, and give the record of what it weighs and what is broken: see `inspection`.

    `settings` as for `crawl`, but that assets are asked too; `external`: ask links that leave the site once;
    `budgets`: files of limits. Raises as `fetch` does.
    """
    from fetcher.budgets import judge, read
    from fetcher.feeds.frontier import Frontier, Keeping
    from fetcher.inspection import inspect, shortened
    from fetcher.site import Site

    follow, wanted, begun = crawled(starts, options, {"assets": "same-site", "hash": True, **settings})
    limits = read(*budgets)
    site = Site()
    try:
        frontier = Frontier(begun, wanted, follow, site, Keeping(records=True, links=True, external=external))
        with Run(frontier, engine, replace(wanted, max_redirects=0), Outbox(queued=False)) as run:
            while run.results() is not None:
                pass
        record = inspect(site, begun)
        record["budgets"] = judge(limits, record)
    finally:
        site.close()
    return shortened(record)


def load(
    targets: Iterable[str] | str,
    engine: str = "",
    options: Options | None = None,
    *,
    slo: str = "",
    find_max: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Load-test a server, and give the record that `--json` prints: see `loadtest`.

    `settings` are fields of Options and of `loadtest.plan.Load` (`rate` is that of the schedule). Only
    private addresses are sent to, but for hosts in `allow`. Raises UsageError, LocalFault if a worker fails.
    """
    from fetcher import loadtest
    from fetcher.loadtest.plan import Load, planned
    from fetcher.loadtest.slo import parse

    names = {field.name for field in fields(Load)}
    asked = Load(**{name: value for name, value in settings.items() if name in names})
    rest = {name: value for name, value in settings.items() if name not in names}
    given = [targets] if isinstance(targets, str) else listed(targets, "load")
    pieces: list[Piece] = [("", target) for target in given]
    plan = planned(pieces, options_of(options, rest), asked, engine)
    return (loadtest.search if find_max else loadtest.run)(plan, parse(slo) if slo else ())


def compare(
    urls: Iterable[str],
    engines: Sequence[str] = (),
    blocks: int = 10,
    *,
    seed: int | None = None,
    repeat: int = 1,
    options: Options | None = None,
    **settings: Any,
) -> Comparison:
    """The same URLs through several engines, in turns: who is faster, and is it chance? See `comparison`.

    `engines`: all that are installed, if none is named. The list is sent to each and once more, `blocks`
    times; nobody is asked whether that is too much for a host. Raises UsageError for what could show nothing.
    """
    from fetcher import comparison
    from fetcher.comparison.arms import installed
    from fetcher.comparison.plan import planned

    wanted = options_of(options, settings)
    pieces: list[Piece] = [("", url) for url in listed(urls, "compare")]
    names = engines.split(",") if isinstance(engines, str) else engines
    plan = planned(pieces, names or installed(), wanted, blocks=blocks, seed=seed, repeat=repeat)
    return comparison.run(plan, wanted)


def _tell(loop: asyncio.AbstractEventLoop, there: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(there.set)
