"""Scrapy with one spider that follows the links of a host and yields a line for each page, to a file."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.http import HtmlResponse
from scrapy.linkextractors import LinkExtractor


class Pages(scrapy.Spider):  # type: ignore[misc]
    name = "pages"
    handle_httpstatus_list = (404,)  # a broken link is a line too

    async def start(self) -> AsyncIterator[Any]:
        yield scrapy.Request(start)  # `start_urls` would have it asked twice: they are not filtered

    def parse(self, response: Any) -> Iterator[Any]:
        yield {"url": response.url, "status": response.status, "size": len(response.body)}
        if isinstance(response, HtmlResponse):
            yield from response.follow_all(links.extract_links(response))


start, file = sys.argv[1:]
links = LinkExtractor(allow_domains=[urlsplit(start).netloc])  # with the port, or none is followed
process = CrawlerProcess(
    {
        "FEEDS": {file: {"format": "jsonlines", "overwrite": True}},
        "LOG_LEVEL": "WARNING",
        "ROBOTSTXT_OBEY": True,
        "TELNETCONSOLE_ENABLED": False,
    }
)
process.crawl(Pages)
process.start()
