"""The embedded test site: sizes, delays, codings, redirects and a small linked site; and the fault server.

`site()` runs either in a process of its own, so that it neither shares the loop nor counts into the CPU time
of what it serves; `run()` is the same in this process, for `fetch serve`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fetcher.errors import LocalFault
from fetcher.menu import command

PATIENCE = 2.0  # seconds the child has to end by itself


class Base(str):
    """The base URL of a running site, such as "http://127.0.0.1:8000"; `pid` is its process."""

    __slots__ = ("pid",)  # a str takes no other attributes
    pid: int


def run(
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[str], None] | None = None,
    *,
    faults: bool = False,
) -> None:
    """Serve the site, or all that can go wrong (see `faults`), until interrupted. Port 0: any free one.

    `ready` hears the base URL once it listens. Raises UsageError when it cannot listen there.
    """
    from fetcher.server import listen, troubled

    (troubled if faults else listen).run(host, port, ready)


@contextmanager
def site(port: int = 0, *, faults: bool = False) -> Iterator[Base]:
    """The same as a process of its own on 127.0.0.1: its base URL. It ends with the context, or with us."""
    words = [str(port), *(["--faults"] if faults else [])]
    child = subprocess.Popen(  # noqa: S603 - this interpreter, this package
        [*command("fetcher.server"), *words],
        stdin=subprocess.PIPE,  # the leash: it closes when we end, however we end
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        line = child.stdout.readline().strip()
        if not line:
            raise LocalFault("the embedded test site did not start; what it said is on stderr")
        base = Base(line)
        base.pid = child.pid
        yield base
    finally:
        child.stdin.close()
        child.stdout.close()
        try:
            child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
