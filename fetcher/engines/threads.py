"""A pool of threads with requests, one keep-alive Session each: for fast I/O, some dozens at once."""

from __future__ import annotations

from contextlib import AbstractContextManager

from fetcher.engines import Engine
from fetcher.engines._requests import Workers
from fetcher.model import Options

CONCURRENCY = 32
LIBRARIES = ("requests", "urllib3")
DESCRIPTORS = 1


def engine(options: Options) -> AbstractContextManager[Engine]:
    """As many threads as the load asks for, at most `options.concurrency`."""
    return Workers(options, "threads", options.concurrency or CONCURRENCY)
