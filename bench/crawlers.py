"""Who crawls: `fetch crawl` and Scrapy, each as one command that follows a site's links from its start."""

from __future__ import annotations

from pathlib import Path

from bench.arms import OUT, SCRAPY, Arm, Missing, fetch, lacking, python_with
from bench.manual import Crawled

CURL, ASYNCIO, UVLOOP = (
    "fetch crawl -e curl",
    "fetch crawl -e asyncio",
    "fetch crawl -e asyncio, uvloop",
)
NAMES = (CURL, ASYNCIO, UVLOOP, SCRAPY)
NEEDS = {CURL: ("curl", "pycurl"), ASYNCIO: ("asyncio", "aiohttp"), UVLOOP: ("asyncio", "uvloop")}

# A guess of CPU per page in us, as in arms.py.
GUESS = {CURL: 2_000, ASYNCIO: 2_300, UVLOOP: 2_200, SCRAPY: 35_000}


def crawler(name: str, start: str, folder: Path, pages: dict[str, int]) -> Arm | Missing:
    """The command of this name, from this URL on; it must find these pages, and keep a line for each."""
    if name == SCRAPY:
        python, kept = python_with("scrapy"), folder / "crawl.jsonl"
        if python is None:
            return Missing(name, "scrapy is not installed, nor in the Python of BENCH_PYTHON")
        script = (python, "-m", "bench.scripts.crawl_scrapy", start, str(kept))
        return Arm(name, script, len(pages), GUESS[name], crawled=Crawled(kept, pages))
    engine, needs = NEEDS[name]
    if why := lacking(engine, needs):
        return Missing(name, why)
    words = (*fetch(), "crawl", start, "-e", engine, "--json", "-q")
    env = (("FETCH_NO_UVLOOP", "1"),) if name == ASYNCIO else ()
    code = int(any(status != 200 for status in pages.values()))  # 1: a page is missing, as it should be
    return Arm(name, words, len(pages), GUESS[name], env, crawled=Crawled(folder / OUT, pages), code=code)
