"""The sequential engine, and after each answer a pause of a fifth of what that took: 20 % slower, exactly."""

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
        self.last = time.monotonic()  # when the loop went on

    def submit(self, request: Request) -> None:
        self.inner.submit(request)

    def wait(self, timeout: float) -> list[Result]:
        results = self.inner.wait(timeout)
        if results:
            until = self.last + (1 + SHARE) * (time.monotonic() - self.last)
            time.sleep(max(until - time.monotonic() - 0.001, 0.0))
            while time.monotonic() < until:  # a sleep alone takes a little too long
                pass
            self.last = time.monotonic()
        return results

    def cancel(self) -> None:
        self.inner.cancel()


@contextmanager
def engine(options: Options) -> Iterator[Slowed]:
    with sequential.engine(options) as inner:
        yield Slowed(inner)
