"""Follow links: one record per page, as completed: `fetch crawl URL...`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fetcher.cli import options as table
from fetcher.cli.get import guarded, options, versions
from fetcher.model import columns
from fetcher.options import Crawl, Options, check_crawl

if TYPE_CHECKING:
    from fetcher.feeds.frontier import Frontier, Keeping
    from fetcher.site import Site


def crawl(starts: list[str] | None, **values: Any) -> None:
    """Follow the links of a site from each URL on and print one line for every page, as it completes.

    URL is a page with ://. Pages of the same host are followed, each once, breadth first; robots.txt and
    sitemaps are read. What was found and not asked is counted by reason at the end.
    """
    given = settled(values)
    raise typer.Exit(guarded(lambda: _crawl(starts or [], given), debug=given["debug"]))


argument: Final = inspect.Parameter(
    "starts",
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    default=None,
    annotation=Annotated[list[str] | None, typer.Argument(metavar="URL...", show_default=False)],
)
command = table.command(crawl, table.CRAWL, [argument], robots=True)


def settled(values: dict[str, Any]) -> dict[str, Any]:
    """All options, those that this command does not have at their defaults."""
    values["engine"] = values["engine"].lower()
    if values["debug"]:
        versions()
    return {**table.DEFAULTS, **values}


def _crawl(starts: list[str], values: dict[str, Any]) -> int:
    from fetcher.cli._crawl_words import words
    from fetcher.cli._watch import Job, watch
    from fetcher.feeds.frontier import Keeping

    made = options(values)
    with opened(starts, values, made, Keeping(records=bool(values["state"]))) as (frontier, replaces):
        job = Job(
            frontier,
            followed(made),
            values,
            columns(made, crawl=True),
            values["output"],
            [values["state"]] if values["state"] else [],
            replaces=replaces,
            crawled=True,
            earlier=frontier.site.results(),
            words=lambda tally, facts, width: words(tally, facts, frontier.site, width),
        )
        return watch(job).code


def _own(site: Site, values: dict[str, Any]) -> bool:
    """Whether all outputs are this crawl's, to be written anew from what its file holds.

    New ones are noted before they are made: a run that is killed in between must know them again.
    """
    before = set(site.value("outputs", ()))
    given = [*values["output"], *([values["summary"]] if values["summary"] else [])]
    paths = {str(Path(path).resolve()) for path in given}
    there = {path for path in paths if Path(path).exists()}
    if values["overwrite"] or there <= before:
        site.keep("outputs", sorted(before | paths))
    site.commit()
    return bool(there) and there <= before


def followed(made: Options) -> Options:
    """The options of the run: in a crawl a redirect is the answer, and the frontier follows it."""
    return replace(made, max_redirects=0)


@contextmanager
def opened(
    starts: Sequence[str], values: dict[str, Any], made: Options, keeping: Keeping
) -> Iterator[tuple[Frontier, bool]]:
    """The frontier of this crawl; and whether its outputs may be replaced, for it goes on with them."""
    from fetcher.feeds.frontier import Frontier, check_starts
    from fetcher.site import Site

    told = Crawl(**{field.name: values[field.name] for field in fields(Crawl)})
    check_crawl(told)
    check_starts(starts, told.sitemap)
    site = Site(values["state"])
    try:
        try:
            frontier = Frontier(starts, made, told, site, keeping)
        except BaseException:
            site.abandon()
            raise
        yield frontier, bool(values["state"]) and _own(site, values)
    finally:
        site.close()
