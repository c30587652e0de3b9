"""The verbs of the library: each wires the rooms in a few lines."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from fetcher import headers
from fetcher.errors import UsageError
from fetcher.feeds.rows import Rows
from fetcher.model import Options, Request, Result, check
from fetcher.options import Crawl, check_crawl
from fetcher.outbox import Outbox
from fetcher.pump import Piece, Pump, Ready
from fetcher.run import Run

if TYPE_CHECKING:
    from fetcher.comparison import Comparison


def fetch(
    urls: Iterable[str | Request], engine: str = "asyncio", options: Options | None = None, **settings: Any
) -> Iterator[Result]:
    """Ask every URL and yield one Result for each, as completed.

    `urls` may be endless: it is read in a thread of its own, a bounded number of items ahead. `settings` are
    fields of Options. Works inside a running event loop (a notebook); leaving the loop early leaves nothing
    behind. Raises UsageError before the first request where an option cannot be meant, and whatever `urls`
    itself raises, after the results of what came before.

    >>> [result.error for result in fetch(["no url at all"], engine="sequential")]
    ['invalid_url']
    """
    wanted = _options(options, settings)
    with Run(Rows(_inlet(urls), wanted), engine, wanted, Outbox()) as run:
        if run.warning:
            warnings.warn(run.warning, RuntimeWarning, stacklevel=2)
        yield from run


async def afetch(
    urls: Iterable[str | Request], engine: str = "asyncio", options: Options | None = None, **settings: Any
) -> AsyncIterator[Result]:
    """`fetch` for `async for`: the caller's event loop stays free while the run goes on beside it."""
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    outbox = Outbox(notify=lambda: _tell(loop, there))
    wanted = _options(options, settings)
    with Run(Rows(_inlet(urls), wanted), engine, wanted, outbox) as run:
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

    follow, wanted, listed = _crawl(starts, options, settings)
    site = Site(state)
    try:
        frontier = Frontier(listed, wanted, follow, site, Keeping(records=bool(state)))
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

    follow, wanted, listed = _crawl(starts, options, {"assets": "same-site", "hash": True, **settings})
    limits = read(*budgets)
    site = Site()
    try:
        frontier = Frontier(
            listed, wanted, follow, site, Keeping(records=True, links=True, external=external)
        )
        with Run(frontier, engine, replace(wanted, max_redirects=0), Outbox(queued=False)) as run:
            while run.results() is not None:
                pass
        record = inspect(site, listed)
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
    listed = [targets] if isinstance(targets, str) else _listed(targets, "load")
    pieces: list[Piece] = [("", target) for target in listed]
    plan = planned(pieces, _options(options, rest), asked, engine)
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

    wanted = _options(options, settings)
    pieces: list[Piece] = [("", url) for url in _listed(urls, "compare")]
    names = engines.split(",") if isinstance(engines, str) else engines
    plan = planned(pieces, names or installed(), wanted, blocks=blocks, seed=seed, repeat=repeat)
    return comparison.run(plan, wanted)


def _crawl(
    starts: Iterable[str] | str, options: Options | None, settings: dict[str, Any]
) -> tuple[Crawl, Options, list[str]]:
    from fetcher.feeds.frontier import check_starts

    names = {field.name for field in fields(Crawl)}
    follow = Crawl(**{name: value for name, value in settings.items() if name in names})
    check_crawl(follow)
    rest = {name: value for name, value in settings.items() if name not in names}
    listed = [starts] if isinstance(starts, str) else list(starts)
    check_starts(listed, follow.sitemap)
    return follow, _options(options, {"robots": True, **rest}), listed


def _tell(loop: asyncio.AbstractEventLoop, there: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(there.set)


def _options(options: Options | None, settings: dict[str, Any]) -> Options:
    try:
        wanted = replace(options or Options(), **settings)
    except TypeError as error:
        raise UsageError(f"{str(error).rpartition(') ')[2]}: see the fields of fetcher.Options") from error
    check(wanted)
    headers.check(wanted)
    return wanted


def _inlet(urls: Iterable[str | Request]) -> Pump | Ready:
    pieces: Iterator[Piece] = (("", url) for url in _listed(urls, "fetch"))
    return Ready(list(pieces)) if isinstance(urls, (list, tuple)) else Pump(pieces)


def _listed(urls: Iterable[Any], verb: str) -> Iterable[Any]:
    if isinstance(urls, (str, bytes)) or not hasattr(urls, "__iter__"):
        what = "one string" if isinstance(urls, (str, bytes)) else type(urls).__name__
        raise UsageError(f"{verb}() takes an iterable of URLs, not {what}: write [url]")
    return urls
