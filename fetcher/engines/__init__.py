"""How many at once: each engine is a submission queue and a completion queue.

The contract. `engines/NAME.py` offers

    CONCURRENCY: int                                    the width that suits it when nobody says
    LIBRARIES: tuple[str, ...]                          the distributions it stands on, for `fetch engines`
    DESCRIPTORS: int                                    open files of this process that one slot may need
    def engine(options: Options) -> ContextManager[Engine]
    VERSIONS: tuple[str, ...]                           of HTTP, where it speaks more than "1.1"

and nothing else is edited: the folder is the menu. A `ModuleNotFoundError` while it is imported becomes a
clear line with the cure. What every engine promises (tests/contracts/test_engines.py holds it to this):

- One attempt of one hop. It follows, retries and limits nothing, and changes no byte of `request.target`
  and `request.headers`: it sends `METHOD target HTTP/1.1`, `Host: authority`, then those headers in order.
- One Result for each Request, whose `request` is that very object. Nothing is raised out of `submit`,
  `wait` or `cancel` for anything a URL or a server did.
- The attempt's clock runs from `submit`; `request.timeout` covers lookup to last byte and holds against
  drips.
- Raw bytes are judged by `framing.Reader` and decoded by `decode.Decoder` (both inside `_exchange`), never
  by the library's own parser, redirects, cookies, decompression, proxy discovery or DNS cache.
- Connections are kept alive and pooled. One with surplus bytes is never used again. `Request.fresh` asks
  for a new one; `Result.reused` says whether it was an old one.
- Readers named in the request run where the bytes arrive, in the engine's thread, process or loop.
- Leaving the context leaves no thread, process or socket within 1 s, even with requests in flight (a thread
  inside getaddrinfo is the one exception).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol, cast

from fetcher import menu
from fetcher.errors import UsageError
from fetcher.model import Options, Request, Result


class Engine(Protocol):
    """A submission queue and a completion queue. Only the loop's thread touches it."""

    @property
    def width(self) -> int:
        """How many attempts can truly run at once. The loop never submits more."""

    def submit(self, request: Request) -> None:
        """Take this attempt on. Never blocks, never raises."""

    def wait(self, timeout: float) -> list[Result]:
        """What has finished since the last call; waits at most `timeout` seconds for the first.

        With nothing in flight it sleeps `timeout` seconds.
        """

    def cancel(self) -> None:
        """Everything in flight ends as `cancelled`: `wait` gives those results within 1 s."""


class Module(Protocol):
    """What a file of this folder offers."""

    CONCURRENCY: int
    LIBRARIES: tuple[str, ...]
    DESCRIPTORS: int

    def engine(self, options: Options) -> AbstractContextManager[Engine]:
        """An engine for one run; `options.concurrency` is its width."""


def speaks(name: str, version: str) -> None:
    """Raise UsageError where that engine does not speak this version of HTTP."""
    if version not in getattr(pick(name), "VERSIONS", ("1.1",)):
        raise UsageError(f"--http {version}: {name} speaks HTTP/1.1 only: add -e curl, or leave it out")


def pick(name: str) -> Module:
    """The engine of that name. Raises UsageError if there is none, or its library is missing."""
    import fetcher.engines as folder
    from fetcher.engines import _tls

    _tls.check_keylog()
    return cast(Module, menu.pick(folder, name))
