"""The workloads: which server, which lists, which arms stand against each other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil

from bench import arms as a
from bench import crawlers, manual
from bench.arms import Arm, Missing, arm
from bench.doorbell import Doorbell
from bench.rounds import Group, Plan, Source, race
from bench.servers import DELAY, Server, server

FAST = (a.CURL, a.CURL_Z, a.WGET2, a.ASYNCIO, a.SCRIPT, a.UVLOOP, a.SCRIPT_UVLOOP)
SLOW = (a.THREADS, a.ARTICLE, a.SESSIONS, a.SCRAPY, a.ARIA2C)
TLS = (a.CURL, a.CURL_Z, a.WGET2, a.ASYNCIO, a.SCRIPT, a.UVLOOP, a.SCRIPT_UVLOOP)
LATE = (a.CURL, a.UVLOOP, a.ASYNCIO, a.SCRIPT_UVLOOP, a.SCRIPT, a.CURL_Z)
LONG = (a.CURL, a.UVLOOP)
VERSION, TYPER = "fetch --version", "import typer"
START = 0.2  # seconds, only to foretell the time
STARTS = {
    "curl": "pycurl",
    "asyncio": "aiohttp",
    "threads": "requests",
}  # engine -> what it cannot do without


@dataclass
class Sizes:
    """How much of everything."""

    count: int = 100_000  # W1
    width: int = 64
    few: int = 5_000  # W1, the slower arms
    hosts: int = 2_000  # W2
    late: tuple[int, ...] = (1_000, 5_000)  # W3, at once
    turns: int = 20  # W3, times DELAY
    long: tuple[int, ...] = (10_000, 100_000, 1_000_000)  # W4
    repeat: int = 7  # W5
    made: int = 0  # crawl: pages of a site made up, in place of the manual
    embedded: bool = False


Maker = Iterator[tuple[Group, list[Arm | Missing], Source, int]]


def one_host(plan: Plan, sizes: Sizes) -> Maker:
    """W1: one host, connections kept, 10 kB bodies."""
    with server(embedded=sizes.embedded) as at:
        assert isinstance(at, Server)
        count, few, width = sizes.count, sizes.few, sizes.width
        listed = plan.folder / "w1.txt"
        listed.write_text(at.urls(count))
        title = f"W1: {count:,} URLs of one host, connections kept, 10 kB, {width} at once"
        yield Group("w1", title, at.what, a.CURL_Z), [arm(n, listed, count, width) for n in FAST], at, 1
        short = plan.folder / "w1-short.txt"
        short.write_text(at.urls(few))
        for most in sorted({min(4, width), width}):
            title = f"W1, the slower arms: {few:,} URLs, {most} at once"
            found = [arm(n, short, few, most) for n in SLOW]
            yield Group(f"w1-slow-{most}", title, at.what, a.ARTICLE), found, at, 1


def many_at_once(plan: Plan, sizes: Sizes) -> Maker:
    """W1 over 250 hosts: does it cost more to have thousands of connections open?"""
    with server(embedded=sizes.embedded, hosts=True) as at:
        assert isinstance(at, Server)
        listed, count, most = plan.folder / "w1-wide.txt", sizes.count, sizes.late[-1]
        listed.write_text(at.urls(count, hosts=250))
        found: list[Arm | Missing] = []
        for width in (sizes.width, most):
            one = arm(a.CURL, listed, count, width)
            found.append(one._replace(name=f"{one.name}, {width:,} at once"))
        title = f"W1 over 250 hosts: {count:,} URLs, {sizes.width} and {most:,} at once"
        yield Group("w1-wide", title, at.what, found[0].name), found, at, 1


def many_tls_hosts(plan: Plan, sizes: Sizes) -> Maker:
    """W2: a fresh TLS connection to each of many hosts; nobody checks the certificate."""
    with server(embedded=sizes.embedded, tls=True, hosts=True) as at:
        title = f"W2: {sizes.hosts:,} hosts over TLS, a URL and a full handshake each, {sizes.width} at once"
        if isinstance(at, str):
            yield Group("w2", title, at, a.CURL_Z), [Missing(name, at) for name in TLS], None, 1
            return
        listed = plan.folder / "w2.txt"
        listed.write_text(at.urls(sizes.hosts, hosts=sizes.hosts))
        found = [arm(n, listed, sizes.hosts, sizes.width) for n in TLS]
        yield Group("w2", title, f"{at.what}, P-256, nobody checks it", a.CURL_Z), found, at, 1


def slow_servers(plan: Plan, sizes: Sizes) -> Maker:
    """W3: every answer takes 100 ms; the ideal is as many turns as the list has widths."""
    with server(embedded=sizes.embedded, late=True, hosts=True) as at:
        assert isinstance(at, Server)
        for width in sizes.late:
            count = width * sizes.turns
            listed = plan.folder / f"w3-{width}.txt"
            listed.write_text(at.urls(count, at.slow(), hosts=250))
            ideal = ceil(count / width) * DELAY
            title = (
                f"W3: answers after 100 ms, {count:,} URLs, {width:,} at once: {ideal:.1f} s would be ideal"
            )
            found = [arm(n, listed, count, width) for n in LATE]
            yield Group(f"w3-{width}", title, at.what, a.SCRIPT, ideal=ideal), found, at, 1


def long_lists(plan: Plan, sizes: Sizes) -> Maker:
    """W4: what a list of a million lines takes in memory, and until the first result."""
    with server(embedded=sizes.embedded) as at:
        assert isinstance(at, Server)
        found: list[Arm | Missing] = []
        for count in sizes.long:
            listed = plan.folder / f"w4-{count}.txt"
            listed.write_text(at.urls(count))
            for name in LONG:
                one = arm(name, listed, count, sizes.width)
                if isinstance(one, Arm):
                    words = tuple(word for word in one.words if word != "--json")
                    one = one._replace(words=words, piped=True)  # lines to a pipe, as a person would have it
                found.append(one._replace(name=lines(name, count)))
        title = f"W4: lists of up to {sizes.long[-1]:,} lines, {sizes.width} at once"
        yield Group("w4", title, at.what, "", shows="memory"), found, at, 1


def lines(name: str, count: int) -> str:
    """What an arm of W4 is called."""
    return f"{name}, {count:,} lines"


def starts(plan: Plan, sizes: Sizes) -> Maker:  # noqa: ARG001 - the signature of all
    """W5: a start, against the imports that it cannot do without."""
    python = sys.executable
    found: list[Arm | Missing] = [
        Arm(VERSION, (*a.fetch(), "--version"), 1, 0),
        Arm(TYPER, (python, "-c", "import typer"), 1, 0),
        Arm("nothing", (python, "-c", "pass"), 1, 0),
    ]
    yield Group("w5", "W5: `fetch --version`", "", TYPER, shows="start"), found, None, sizes.repeat
    with closing(Doorbell()) as bell:
        for engine, library in STARTS.items():
            if find_spec(library) is None or not (a.ROOT / f"fetcher/engines/{engine}.py").exists():
                continue
            words = (*a.fetch(), bell.url, "-e", engine, "-q")
            found = [Arm(f"fetch -e {engine}", words, 1, 0, bell=True)]
            base = f"import typer, {library}"
            for names in [base, f"{base}, uvloop"] if engine == "asyncio" and find_spec("uvloop") else [base]:
                code = f"{names}; print(flush=True)"
                found.append(Arm(names, (python, "-c", code), 1, 0, piped=True))
            title = f"W5: one URL with {engine}, until its request has left, against its imports"
            yield Group(f"w5-{engine}", title, "", base, shows="start"), found, bell, sizes.repeat


def crawl(plan: Plan, sizes: Sizes) -> Maker:
    """Crawl: the Python manual, from its first page on."""
    root = manual.made(plan.folder / "site", sizes.made) if sizes.made else manual.MANUAL
    what = f"{sizes.made} pages made up" if sizes.made else "the Python manual"
    there = (root / manual.START[1:]).is_file()
    group = Group("crawl", f"Crawl: {what}", "", crawlers.CURL, together=True)
    with server(embedded=sizes.embedded, root=root) as at:
        if isinstance(at, str) or not there:
            why = at if isinstance(at, str) else manual.MISSING
            yield group, [Missing(name, why) for name in crawlers.NAMES], None, 1
            return
        pages = manual.pages(root)
        group.title += f": {len(pages):,} pages, {manual.size(root, pages):.1f} MB, every link followed"
        group.server = at.what
        start = f"http://127.0.0.1:{at.port}{manual.START}"
        yield group, [crawlers.crawler(n, start, plan.folder, pages) for n in crawlers.NAMES], at, 1


WORKLOADS: dict[str, tuple[Callable[[Plan, Sizes], Maker], ...]] = {
    "w1": (one_host, many_at_once),
    "w2": (many_tls_hosts,),
    "w3": (slow_servers,),
    "w4": (long_lists,),
    "w5": (starts,),
    "crawl": (crawl,),
}


def measured(names: list[str], plan: Plan, sizes: Sizes) -> Iterator[Group]:
    """Run them, table by table."""
    for name in names:
        for make in WORKLOADS[name]:
            for group, found, source, repeat in make(plan, sizes):
                yield race(plan, group, found, source, repeat)


def foretold(names: list[str], plan: Plan, sizes: Sizes) -> float:
    """A guess of the seconds all this takes; the same lists are made, and nothing is run."""
    total = 0.0
    for name in names:
        for make in WORKLOADS[name]:
            for _, found, _, repeat in make(plan, sizes):
                wanted = [one for one in found if isinstance(one, Arm) and plan.wants(one.name)]
                times = plan.rounds * repeat + (plan.warm and name != "w4")
                total += sum(one.urls * one.guess / 1e6 + START for one in wanted) * times
    return total
