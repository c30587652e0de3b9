"""A robots.txt: never raises, and what it says can be asked of it."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path

from fetcher import urls
from fetcher.errors import Fault
from fetcher.feeds._rules import SITEMAPS, Rules

ASKED = [
    "http://h/",
    "http://h/a/b.html?c=d",
    "http://h/%7Ea/%2F%e4",
    "http://h/robots.txt",
    "http://h/a$b*c",
]
SEEDS = [
    b"User-agent: *\nDisallow: /a/\nAllow: /a/b*.html$\nCrawl-delay: 2.5\nSitemap: http://h/s.xml\n",
    b"\xef\xbb\xbfuser-agent: Fetch/1.0 # x\r\nuseragent: other\rdissalow /%7ea\n\nallow: /\xc3\xa4*\n",
    b"User-agent: fetch\nUser-agent: *\nDisallow:\nUser-agent: x\nDisallow: /\nCrawl-delay: nan\nHost: h",
    b"<html><body>404</body></html>",
    b"user-agent: *\ndisallow: " + b"/*a" * 40 + b"$\n",
]
WORDS = [
    b"User-agent: ",
    b"Disallow: ",
    b"Allow: ",
    b"Crawl-delay: ",
    b"Sitemap: ",
    b"fetch",
    b"*",
    b"$",
    b"/",
    b"%7E",
]
WORDS += [
    b"%",
    b"%2a",
    b"%24",
    b"#",
    b":",
    b"\n",
    b"\r",
    b"\r\n",
    b"\t",
    b"\xef\xbb\xbf",
    b"Request-rate: 1/0",
    b"?",
    b"/a",
]
WORDS += [
    b"Visit-time: 0000-2500",
    b"Host: ",
    b"Preferred-time: ",
    b"Clean-param: a /b",
    b"\0",
    b"\xff",
    b"/robots.txt",
]


def more(folder: Path) -> list[bytes]:
    cases = json.loads((folder / "robots" / "google_rep_cases.json").read_text("utf-8"))["cases"]
    return [
        base64.b64decode(case["robotstxt_b64"]) if "robotstxt_b64" in case else case["robotstxt"].encode()
        for case in cases
    ]


def target(data: bytes) -> object:
    rules = Rules(data)
    assert 0.0 <= rules.delay < math.inf, rules.delay
    assert rules.agent in ("fetch", "*")
    assert len(rules.sitemaps) <= SITEMAPS
    assert all(place and "\n" not in place for place in rules.sitemaps)
    asked = list(ASKED)
    for line in data.splitlines()[:4]:
        try:
            asked.append(urls.join("http://h/", line.partition(b":")[2].decode("latin-1")))
        except Fault:
            continue
    allowed = [rules.allows(url) for url in asked]
    for url, may in zip(asked, allowed, strict=True):
        if not may and len(data) < 2000:
            said = rules.line(url)
            assert not said or said.startswith("Disallow: ")
    if b"dis" not in data.lower() and b"dia" not in data.lower():
        assert all(allowed)
    return tuple(allowed[:5]), rules.agent, bool(rules.delay), min(rules.count, 5), bool(rules.sitemaps)
