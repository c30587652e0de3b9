"""The requests library as it comes, a Session in each of many threads: for comparisons, no engine of `fetch`.

It keeps none of the promises of `fetcher.engines`: the library's own parser, decompression, connection reuse
and timeouts are what it is there to show. Where its answers differ from those of the engines, parity says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Final

import requests
from requests import exceptions

from fetcher import readers
from fetcher.engines.threads import CONCURRENCY as CONCURRENCY
from fetcher.model import Options, Request, Result

NAME: Final = "requests"
LIBRARIES: Final = ("requests", "urllib3")
DESCRIPTORS: Final = 1
WORDS: Final = (  # what a ConnectionError says, as far as it can be told from its words
    ("NameResolutionError", "dns_not_found"),
    ("Connection refused", "connect_refused"),
    ("without response", "no_response"),
    ("reset by peer", "no_response"),
)
KINDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (exceptions.ConnectTimeout, "connect_timeout"),
    (exceptions.ReadTimeout, "read_timeout"),
    (exceptions.SSLError, "tls_other"),
    (exceptions.ChunkedEncodingError, "truncated"),
    (exceptions.ContentDecodingError, "bad_encoding"),
    (exceptions.InvalidURL, "invalid_url"),
)


class Plain:
    """A thread for each request in flight, each with a Session of its own."""

    def __init__(self, options: Options) -> None:
        self.width = options.concurrency or CONCURRENCY
        self._options = options
        self._pool = ThreadPoolExecutor(self.width)
        self._own = threading.local()
        self._ended: SimpleQueue[Result] = SimpleQueue()

    def submit(self, request: Request) -> None:
        """Take this attempt on."""
        self._pool.submit(self._attempt, request)

    def wait(self, timeout: float) -> list[Result]:
        """What has finished."""
        found = []
        with suppress(Empty):
            found.append(self._ended.get(timeout=timeout))
            while True:
                found.append(self._ended.get_nowait())
        return found

    def cancel(self) -> None:
        """Those that have not begun will not; requests cannot be called back."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _attempt(self, request: Request) -> None:
        try:
            self._ended.put(self._ask(request))
        except Exception as error:  # noqa: BLE001 - whatever the library raises
            kind = next((kind for known, kind in KINDS if isinstance(error, known)), None)
            kind = kind or next((kind for words, kind in WORDS if words in str(error)), "internal")
            result = request.answer(time.monotonic(), kind, str(error)[:200], engine=NAME)
            self._ended.put(result)

    def _ask(self, request: Request) -> Result:
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
            self._own.session.trust_env = False
        options = self._options
        before = self._opened()
        with self._own.session.request(
            request.method,
            request.wire,
            headers=dict(request.headers),
            data=request.data,
            allow_redirects=False,
            verify=not options.insecure and (options.cacert or True),
            timeout=(options.connect_timeout, request.timeout),
            stream=True,
        ) as response:
            body = response.content
            found = request.answer(time.monotonic(), engine=NAME, status=response.status_code)
            # urllib3 does not count the bytes of chunks.
            plain = "content-encoding" not in response.headers
            found.wire_size = response.raw.tell() or (len(body) if plain else None)
            found.fields = tuple(response.raw.headers.items())
            found.reused = self._opened() == before
        found.content_type = found.get("content-type")
        found.encoding = found.get("content-encoding")
        for make, _, _ in readers.pick_all(request.readers):
            reader = make(request, options)
            reader.feed(body)
            reader.done(found)
        return found

    def _opened(self) -> int:
        """Connections of this thread so far."""
        pools = [adapter.poolmanager.pools for adapter in self._own.session.adapters.values()]
        return sum(pool[key].num_connections for pool in pools for key in pool.keys())  # noqa: SIM118


@contextmanager
def engine(options: Options) -> Iterator[Plain]:
    """For one lap."""
    running = Plain(options)
    try:
        yield running
    finally:
        running.cancel()
