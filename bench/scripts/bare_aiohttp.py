"""aiohttp with nothing round it: WIDTH workers that read bodies and keep nothing; a third word: uvloop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp


async def work(session: aiohttp.ClientSession, urls: Iterator[str]) -> None:
    for url in urls:
        async with session.get(url, ssl=False) as response:
            await response.read()


async def main(urls: Iterator[str], width: int) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(work(session, urls) for _ in range(width)))


asked = main(iter(Path(sys.argv[1]).read_text().split()), int(sys.argv[2]))
if len(sys.argv) > 3:
    import uvloop

    uvloop.run(asked)
else:
    asyncio.run(asked)
