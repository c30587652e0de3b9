"""The asyncio engine, and after each batch of answers a fifth of its time once more: 20 % slower."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fetcher.engines import asyncio
from fetcher.model import Options, Request, Result

CONCURRENCY = asyncio.CONCURRENCY
LIBRARIES = asyncio.LIBRARIES
DESCRIPTORS = asyncio.DESCRIPTORS
SHARE = 0.2


class Slowed:
    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.width = inner.width
        self.last = time.monotonic()  # when the loop went on

    def submit(self, request: Request) -> None:
        self.inner.submit(request)

    def wait(self, timeout: float) -> list[Result]:
        results = self.inner.wait(timeout)
        if results:
            until = self.last + (1 + SHARE) * (time.monotonic() - self.last)
            while time.monotonic() < until:  # a sleep would take too long, and what follows it, too
                pass
            self.last = time.monotonic()
        return results

    def cancel(self) -> None:
        self.inner.cancel()


@contextmanager
def engine(options: Options) -> Iterator[Slowed]:
    with asyncio.engine(options) as inner:
        yield Slowed(inner)
