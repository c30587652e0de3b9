"""One URL at a time with requests, in one thread: the yardstick that the other engines are held to."""

from __future__ import annotations

from contextlib import AbstractContextManager

from fetcher.engines import Engine
from fetcher.engines._requests import Workers
from fetcher.model import Options

CONCURRENCY = 1
LIBRARIES = ("requests", "urllib3")
DESCRIPTORS = 1


def engine(options: Options) -> AbstractContextManager[Engine]:
    """One thread, whatever the concurrency asked for; the caller stays free to cancel."""
    return Workers(options, "sequential", 1)
