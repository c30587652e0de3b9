"""Scrapy with one spider that asks for each URL and yields its size."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import scrapy
from scrapy.crawler import CrawlerProcess


class Sizes(scrapy.Spider):  # type: ignore[misc]
    name = "sizes"

    async def start(self) -> AsyncIterator[Any]:
        for url in urls:
            yield scrapy.Request(url, dont_filter=True)

    def parse(self, response: Any) -> Iterator[dict[str, Any]]:
        yield {"url": response.url, "size": len(response.body)}


urls = Path(sys.argv[1]).read_text().split()
width = int(sys.argv[2])
process = CrawlerProcess(
    {
        "CONCURRENT_REQUESTS": width,
        "CONCURRENT_REQUESTS_PER_DOMAIN": width,
        "DOWNLOAD_DELAY": 0,  # as `scrapy startproject` does not have it: 1 s
        "FEEDS": {"stdout:": {"format": "jsonlines"}},
        "LOG_ENABLED": False,
        "ROBOTSTXT_OBEY": False,
        "TELNETCONSOLE_ENABLED": False,
    }
)
process.crawl(Sizes)
process.start()
