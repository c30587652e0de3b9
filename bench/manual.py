"""The Python manual as a site to crawl: its pages, by its files alone, and whether a crawl has found them."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import lru_cache
from html import unescape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

MANUAL = Path("/usr/share/doc/python3.11/html")
MISSING = "needs the Python manual: apt install python3.11-doc"
START = "/index.html"

HERE = "http://site"
LINK = re.compile(r"""<a\s[^>]*?\bhref\s*=\s*["']((?:&#|[^"'#])*)""", re.IGNORECASE)


class Crawled(NamedTuple):
    """Where a crawl keeps its lines, and the pages that it must find: path -> status."""

    kept: Path
    pages: dict[str, int]

    def lines(self) -> list[tuple[str, int]]:
        """What it has kept: paths, each with the status."""
        if not self.kept.exists():
            return []
        found = map(json.loads, self.kept.read_text(encoding="utf-8").splitlines())
        return [(urlsplit(line["url"]).path, line["status"]) for line in found]

    def amiss(self) -> str:
        """What is wrong with its pages; empty if each is there, once. Other documents it may have or not."""
        found = Counter(line for line in self.lines() if line[0].endswith(".html"))
        due = Counter(self.pages.items())
        wrong = sorted({path for path, _ in [*(found - due), *(due - found)]})
        return (
            f"found {found.total():,} pages of {due.total():,}, see {', '.join(wrong[:3])}" if wrong else ""
        )


@lru_cache
def pages(root: Path) -> dict[str, int]:
    """Every page that links lead to from the start, with its status: what all crawls must find."""
    found: dict[str, int] = {}
    waiting = [START]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        file = root / path[1:]
        found[path] = 200 if file.is_file() else 404
        if file.is_file():
            links = dict.fromkeys(LINK.findall(file.read_text(encoding="utf-8")))
            whole = (urldefrag(urljoin(HERE + path, unescape(link))).url for link in links)
            waiting += [url.removeprefix(HERE) for url in whole if re.match(HERE + "/.*[.]html$", url)]
    return found


def size(root: Path, found: dict[str, int]) -> float:
    """MB of the pages that there are."""
    return sum((root / path[1:]).stat().st_size for path, status in found.items() if status == 200) / 1e6


def made(root: Path, count: int) -> Path:
    """A small site instead, for a smoke run: pages that lead to two others, and one link that is broken."""
    root.mkdir(exist_ok=True)
    names = [START[1:], *(f"{number}.html" for number in range(1, count)), "gone.html"]
    for number, name in enumerate(names[:-1]):
        links = "".join(
            f'<a href="{other}#top">there</a>' for other in names[number * 2 + 1 : number * 2 + 3]
        )
        (root / name).write_text(f"<!DOCTYPE html><title>{name}</title>{links}<a href=/>top</a>")
    return root
