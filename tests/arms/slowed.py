"""The sequential engine, and after each answer a pause of a fifth of what it took: 20 % slower, exactly."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fetcher.engines import sequential
from fetcher.model import Options, Request, Result

CONCURRENCY = 1
LIBRARIES = ("requests",)
DESCRIPTORS = 1
SHARE = 0.2


class Slowed:
    width = 1

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.began = 0.0

    def submit(self, request: Request) -> None:
        self.began = time.monotonic()
        self.inner.submit(request)

    def wait(self, timeout: float) -> list[Result]:
        results = self.inner.wait(timeout)
        if results:
            time.sleep(SHARE * (time.monotonic() - self.began))
        return results

    def cancel(self) -> None:
        self.inner.cancel()


@contextmanager
def engine(options: Options) -> Iterator[Slowed]:
    with sequential.engine(options) as inner:
        yield Slowed(inner)
