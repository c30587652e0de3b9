"""The asyncio engine, but every tenth body is a byte shorter than it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fetcher.engines import asyncio
from fetcher.model import Options, Request, Result

CONCURRENCY = asyncio.CONCURRENCY
LIBRARIES = asyncio.LIBRARIES
DESCRIPTORS = asyncio.DESCRIPTORS


class Wrong:
    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.width = inner.width

    def submit(self, request: Request) -> None:
        self.inner.submit(request)

    def wait(self, timeout: float) -> list[Result]:
        results = self.inner.wait(timeout)
        for result in results:
            if result.request.row % 10 == 0 and result.size:
                result.size -= 1
        return results

    def cancel(self) -> None:
        self.inner.cancel()


@contextmanager
def engine(options: Options) -> Iterator[Wrong]:
    with asyncio.engine(options) as inner:
        yield Wrong(inner)
